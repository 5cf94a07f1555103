/**
 * `firehook replay` between pipes, beside signals, and on captures of which hooks see little.
 *
 * Rule: what comes out is compared octet for octet; a report says what there was to say, on the stream that is free for it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { ipv4, udp } from '../../support/packet-builder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { composeCapture, type Variant } from '../wire/savefile-captures.ts';
import { lines, runFirehook } from './run-firehook.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));
const PCAP: Variant = { title: '', format: 'pcap', bigEndian: false, resolution: 6 };
/** Where the head of a pcap file says how long its packets are at most. */
const SNAPLEN_OFFSET = 16;
const ENV = { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_V8_COVERAGE: undefined };
const demo = readFileSync(DEMO);

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-replay-'));
// Hooks are read as another user.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

/** Runs a shell command line whose positional parameters are `firehook` with these arguments. */
function shell(line: string, ...args: string[]): { code: number | null; stdout: Buffer; stderr: string } {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', line, 'sh', process.execPath, FIREHOOK, ...args], {
    timeout: 60_000,
    env: ENV,
  });
  return { code: status, stdout, stderr: stderr.toString() };
}

function replay(...args: string[]): ChildProcess {
  return spawn(process.execPath, [FIREHOOK, 'replay', ...args], { env: ENV });
}

/** A capture longer than any pipe holds. */
const long = file(
  'long.pcap',
  Buffer.concat([demo.subarray(0, 24), ...Array.from({ length: 600 }, () => demo.subarray(24))]),
);

describe('standard input and output', () => {
  for (const [what, line, input] of [
    ['pipes', `cat ${DEMO} | "$@" 2>&1 >${folder}/out | cat >&2`, '-'],
    ['a pipe by its path', `cat ${DEMO} | "$@" >${folder}/out`, '/dev/stdin'],
    ['a file', `"$@" <${DEMO} >${folder}/out`, '-'],
    ['a file by its path', `"$@" <${DEMO} >${folder}/out`, '/dev/stdin'],
    ['a file that is appended to', `: >${folder}/out; "$@" <${DEMO} >>${folder}/out`, '-'],
    ['a pipe on the way out', `"$@" <${DEMO} | cat >${folder}/out`, '-'],
  ] as const) {
    for (const output of ['-', '/dev/stdout']) {
      test(`may be ${what}, to ${output}`, () => {
        const { code, stdout, stderr } = shell(line, 'replay', input, '-w', output, '--json');
        assert.equal(code, 0, stderr);
        assert.equal(stdout.length, 0);
        assert.ok(readFileSync(path.join(folder, 'out')).equals(demo));
        const report = JSON.parse(stderr) as ReplayReport;
        assert.deepEqual([report.packets, report.written, report.error, report.warnings], [40, 40, null, []]);
      });
    }
  }

  test('may be sockets, as another program gives them', async () => {
    const child = replay('-', '-w', '-');
    child.stdin?.end(demo);
    assert.ok(child.stdout !== null && child.stderr !== null);
    const [written, report] = await Promise.all([buffer(child.stdout), text(child.stderr)]);
    assert.ok(written.equals(demo));
    assert.match(report, /^Written: 40 packets to standard output$/m);
  });

  test('leave what stands before the capture in a file alone, also when the head is corrected', () => {
    const module = fileURLToPath(new URL('../../../hooks/rewrite-payload.ts', import.meta.url));
    const options = { protocol: 'udp', port: 53, find: 'data', replace: 'more than data' };
    const config = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module, priority: 1, options }] };
    const grow = file('grow.yaml', JSON.stringify(config));
    const datagram = ipv4({}, udp({}, Buffer.from('data')));
    const capture = composeCapture(PCAP, [{ bytes: datagram }], 101);
    capture.writeUInt32LE(datagram.length, SNAPLEN_OFFSET);
    const input = file('short-snaplen.pcap', capture);
    const out = path.join(folder, 'behind');
    const behind = shell(`(printf before; "$@") >${out}`, 'replay', input, '-w', '-', '-c', grow);
    assert.equal(behind.code, 0, behind.stderr);
    const octets = readFileSync(out);
    assert.equal(octets.toString('latin1', 0, 6), 'before');
    assert.equal(octets.readUInt32LE(6 + SNAPLEN_OFFSET), datagram.length + 10);
    const piped = shell('"$@" | cat', 'replay', input, '-w', '-', '-c', grow);
    assert.equal(piped.stdout.readUInt32LE(SNAPLEN_OFFSET), datagram.length);
    assert.match(piped.stderr, /^firehook: warning: 1 written packets are longer than the snaplen/m);
  });

  test('are refused in one line where they are a terminal', { skip: hasScript() ? false : 'no script(1)' }, () => {
    for (const [args, why] of [
      [`replay ${DEMO} -w -`, /standard output: it is a terminal/],
      ['replay -', /standard input: it is a terminal/],
    ] as const) {
      const command = `${process.execPath} ${FIREHOOK} ${args}`;
      const { status, stdout } = spawnSync('script', ['-qec', command, '/dev/null'], {
        env: { ...ENV, NO_COLOR: '1' },
        encoding: 'utf8',
      });
      assert.equal(status, 2);
      assert.match(stdout, why);
      assert.equal(lines(stdout).length, 1, stdout);
    }
  });

  test('that is closed, or empty, is refused in one line', () => {
    for (const [line, args] of [
      ['"$@" <&-', ['replay', '-']],
      ['"$@" </dev/null', ['replay', '-']],
    ] as const) {
      const { code, stderr } = shell(line, ...args);
      assert.equal(code, 2, `${line}: ${stderr}`);
      assert.equal(lines(stderr).length, 1, stderr);
    }
  });

  test('that ends in the middle of a packet is an error after what was there', () => {
    const { code, stdout, stderr } = shell(`head -c 1000 ${DEMO} | "$@"`, 'replay', '-', '-w', '-');
    assert.equal(code, 1);
    assert.ok(stdout.equals(demo.subarray(0, 941)));
    assert.match(stderr, /^firehook: .*truncated: "standard input": after packet 10\b/m);
  });

  test('whose reader goes away ends the replay, with a line that says so', () => {
    const { code, stdout, stderr } = shell('{ "$@"; echo "code $?" >&2; } | head -c 100', 'replay', long, '-w', '-');
    assert.equal(code, 0);
    assert.equal(stdout.length, 100);
    assert.match(stderr, /^code 0$/m);
    assert.match(stderr, /^firehook: warning: the replay ended early: nobody reads the written capture any more/m);
    assert.doesNotMatch(stderr, /^ {4}at |EPIPE/m);
  });

  test('is not the input and the output at once where it is a file', () => {
    const both = file('both.pcap', demo);
    const { code, stderr } = shell(`"$@" <${both} 1<>${both}`, 'replay', '-', '-w', '-');
    assert.equal(code, 2);
    assert.match(stderr, /standard output: it is the input/);
    assert.ok(readFileSync(both).equals(demo));
  });
});

function hasScript(): boolean {
  return spawnSync('script', ['--version']).status === 0;
}

describe('signals', () => {
  const slow = file(
    'slow.ts',
    `import { defineHook, FORWARD } from 'firehook';
     const clock = new Int32Array(new SharedArrayBuffer(4));
     export default defineHook({ name: 'slow', onPacket() { Atomics.wait(clock, 0, 0, 2); return FORWARD; } });`,
  );

  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    test(`${signal} is heard between two packets of slow hooks, and all they passed is in the output`, async () => {
      const output = path.join(folder, `${signal}.pcap`);
      const child = replay(long, '-w', output, '--hook', slow, '--json');
      assert.ok(child.stdout !== null);
      const report = text(child.stdout);
      // Records are there while the first part of the file, which would take a minute, is still with the hooks.
      await waitFor(() => (statSync(output, { throwIfNoEntry: false })?.size ?? 0) > 24, { what: 'the first packets' });
      child.kill(signal);
      const [ended] = (await once(child, 'close')) as [number | null];
      assert.equal(ended, code);
      const { packets, written, error } = JSON.parse(await report) as ReplayReport;
      assert.deepEqual([written, error], [packets, `interrupted by ${signal}`]);
      assert.ok(packets < 12_000, `${packets} packets`);
      const whole = readFileSync(long);
      const octets = readFileSync(output);
      assert.ok(octets.equals(whole.subarray(0, octets.length)));
      assert.equal((JSON.parse(runFirehook('replay', output, '--json').stdout) as ReplayReport).packets, written);
    });
  }

  test('the second one ends it at once, also where it waits for a reader', async () => {
    const child = replay(
      file('one-long.pcap', composeCapture(PCAP, [{ bytes: Buffer.alloc(4_000_000) }], 127)),
      '-w',
      '-',
    );
    assert.ok(child.stderr !== null);
    // Nobody reads its output, and one packet is more than a pipe holds: where its first octets are, it waits.
    await waitFor(() => (child.stdout?.readableLength ?? 0) > 0, { what: 'the first octets' });
    child.kill('SIGINT');
    const ended = once(child, 'exit');
    const again = setInterval(() => child.kill('SIGINT'), 100);
    const [code, signal] = (await ended) as [number | null, string | null];
    clearInterval(again);
    child.stdout?.destroy();
    assert.deepEqual([code, signal], [null, 'SIGINT']);
  });

  test('end a replay that waits on a silent pipe or socket, and its head is in the output', async () => {
    const output = path.join(folder, 'head.pcap');
    const child = replay('-', '-w', output);
    child.stdin?.write(demo.subarray(0, 30));
    await waitFor(() => statSync(output, { throwIfNoEntry: false })?.size === 24, { what: 'the head' });
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    assert.equal(code, 130);
    assert.ok(readFileSync(output).equals(demo.subarray(0, 24)));
  });

  test('leave the output alone while the input has not shown that it is a capture', async () => {
    const output = file('precious.pcap', 'precious');
    const [pipe] = [path.join(folder, 'silent-head')];
    spawnSync('mkfifo', [pipe]);
    const child = replay(pipe, '-w', output);
    const writer = await waitFor(() => openSync(pipe, 'w'), { what: 'the pipe' });
    child.kill('SIGINT');
    await once(child, 'close');
    closeSync(writer);
    assert.equal(readFileSync(output, 'utf8'), 'precious');
  });
});

test('a capture of thousands of interfaces, over many sections, is the same file again', () => {
  const datagram = ipv4({}, udp({}, Buffer.from('data')));
  const variant: Variant = { title: '', format: 'pcapng', bigEndian: false, resolution: 6 };
  const sections = Array.from({ length: 5000 }, (_, index) =>
    composeCapture(
      { ...variant, bigEndian: index % 2 === 1 },
      [0, 1].map((interfaceId) => ({ bytes: datagram, interfaceId, low: index })),
      101,
    ),
  );
  const input = file('many.pcapng', Buffer.concat(sections));
  const output = path.join(folder, 'many.out.pcapng');
  const { code, stdout, stderr } = runFirehook('replay', input, '-w', output, '--json');
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as ReplayReport;
  assert.deepEqual([report.packets, report.total.forwarded, report.addsUp], [10_000, 10_000, true]);
  assert.ok(readFileSync(output).equals(readFileSync(input)));
});

describe('a capture of which hooks see nothing', () => {
  const warningsOf = (capture: Buffer, ...args: string[]): { report: ReplayReport; stderr: string } => {
    const input = file('unseen.pcap', capture);
    const { code, stdout, stderr } = runFirehook('replay', input, '--json', ...args);
    assert.equal(code, 0, stderr);
    const report = JSON.parse(stdout) as ReplayReport;
    assert.deepEqual(
      lines(stderr),
      report.warnings.map((warning) => `firehook: warning: ${warning}`),
    );
    return { report, stderr };
  };

  test('because of its link type passes, with one line that names it', () => {
    const output = path.join(folder, 'radiotap.pcap');
    const capture = composeCapture(PCAP, [{ bytes: Buffer.alloc(60) }, { bytes: Buffer.alloc(70) }], 127);
    const { report } = warningsOf(capture, '-w', output);
    assert.deepEqual(report.warnings, [
      'link type 127 (IEEE802_11_RADIOTAP) is not read: its packets pass unseen by hooks',
    ]);
    assert.deepEqual([report.total.forwarded, report.total.unreadable, report.addsUp], [2, 2, true]);
    assert.ok(readFileSync(output).equals(capture));
    assert.match(warningsOf(composeCapture(PCAP, [{ bytes: Buffer.alloc(9) }], 150)).stderr, /150 \(USER3\)/);
    assert.match(warningsOf(composeCapture(PCAP, [{ bytes: Buffer.alloc(9) }], 9999)).stderr, /9999 \(unknown\)/);
    assert.equal(warningsOf(composeCapture(PCAP, [], 127)).stderr, '', 'no packet, nothing to see');
  });

  test('because of its packets has one line that counts them', () => {
    const arp = Buffer.from(`${'ff'.repeat(6)}020000000001${'0806'}${'00'.repeat(46)}`, 'hex');
    const macsec = Buffer.from(`${'02'.repeat(12)}88e5${'00'.repeat(46)}`, 'hex');
    const cut = Buffer.from(`${'02'.repeat(12)}0800`, 'hex');
    const { report } = warningsOf(
      composeCapture(PCAP, [
        { bytes: arp },
        { bytes: macsec },
        { bytes: cut, originalLength: 60 },
        { bytes: cut },
        { bytes: arp },
      ]),
    );
    assert.deepEqual(report.warnings, [
      'hooks could see no packet of this capture: 2 not IP, 1 unreadable, 1 malformed, 1 cut by the capture',
    ]);
    assert.equal(report.total.passedTruncated, 1);
  });
});
