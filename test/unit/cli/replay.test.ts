/**
 * `firehook replay` as a command: exact bytes, exact numbers, and an honest end for every file that is not right.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { waitFor } from '../../support/wait-for.ts';
import { lines, runFirehook } from './run-firehook.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const HOOKS = fileURLToPath(new URL('../../../hooks/', import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../../config/', import.meta.url));
const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const DEMO = path.join(FIXTURES, 'demo.pcap');
const PASS_ALL = path.join(HOOKS, 'pass-all.ts');
const isRoot = process.getuid?.() === 0;

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-replay-'));
// Root's hooks become another user before they are set up.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

function replayJson(...args: string[]): ReplayReport {
  const { code, stdout, stderr } = runFirehook('replay', ...args, '--json');
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as ReplayReport;
}

describe('what no hook changed', () => {
  for (const name of readdirSync(FIXTURES).filter((one) => /\.pcap(ng)?$/.test(one))) {
    test(`is written byte for byte as it came: ${name}`, () => {
      const output = path.join(folder, `out-${name}`);
      const report = replayJson(path.join(FIXTURES, name), '-w', output, '--hook', PASS_ALL);
      assert.ok(readFileSync(output).equals(readFileSync(path.join(FIXTURES, name))));
      assert.equal(report.total.forwarded, report.packets);
      assert.equal(report.addsUp, true);
    });
  }

  test('is written without any hook too', () => {
    const output = path.join(folder, 'no-hook.pcap');
    assert.deepEqual(replayJson(DEMO, '-w', output).hooks, []);
    assert.ok(readFileSync(output).equals(readFileSync(DEMO)));
  });
});

describe('--json', () => {
  const config = file(
    'exact.yaml',
    JSON.stringify({
      attach: [{ bridge: ['lan0', 'wan0'] }],
      hooks: [
        { module: path.join(HOOKS, 'drop-port.ts'), priority: 2, options: { protocol: 'udp', ports: [53] } },
        { module: path.join(HOOKS, 'reject-port.ts'), priority: 1, options: { protocol: 'tcp', ports: [23] } },
      ],
    }),
  );

  test('is exact about where every packet went and what each hook did', () => {
    const report = replayJson(DEMO, '-c', config);
    assert.equal(report.packets, 40);
    const { received, forwarded, dropped, droppedByHook, rejected, lost, icmpErrors, nonIp } = report.total;
    // Three DNS queries, six telnet SYNs, one ARP request: test/fixtures/README.md.
    assert.deepEqual(
      { received, forwarded, dropped, droppedByHook, rejected, lost, icmpErrors, nonIp },
      { received: 40, forwarded: 31, dropped: 3, droppedByHook: 3, rejected: 6, lost: 0, icmpErrors: 6, nonIp: 1 },
    );
    const none = {
      isShadow: false,
      filtered: 0,
      settled: 0,
      held: 0,
      heldTooLong: 0,
      holdsRefused: 0,
      threw: 0,
      noVerdict: 0,
      misused: 0,
      tooLate: 0,
      breakerTrips: 0,
      breakerOpen: 0,
      breakerHalfOpen: 0,
      bypassed: 0,
      differs: 0,
      stricter: 0,
      milder: 0,
      unsent: 0,
      metrics: [],
      accepted: 0,
      replied: 0,
      reset: 0,
      replaced: 0,
      changed: 0,
      faults: 0,
      faultsOutside: 0,
      notFreed: 0,
    };
    const because = (reason: string, count: number): object => ({ reasons: [{ reason, count }] });
    assert.deepEqual(report.hooks, [
      {
        name: 'drop-port',
        priority: 2,
        seen: 39,
        forwarded: 36,
        dropped: 3,
        rejected: 0,
        ...none,
        ...because('udp port 53', 3),
      },
      {
        name: 'reject-port',
        priority: 1,
        seen: 36,
        forwarded: 30,
        dropped: 0,
        rejected: 6,
        ...none,
        ...because('tcp port 23', 6),
      },
    ]);
    assert.deepEqual([report.addsUp, report.problems, report.error], [true, [], null]);
  });

  test('agrees with what is written: what was forwarded, and the ICMP errors', () => {
    const output = path.join(folder, 'forwarded.pcap');
    const { total, written } = replayJson(DEMO, '-c', config, '-w', output);
    assert.deepEqual(total, replayJson(DEMO, '-c', config).total, 'and not on whether it is written');
    const again = replayJson(output);
    assert.deepEqual([written, again.packets], [37, 31 + 6]);
  });

  test('counts a packet that a hook changed in place as changed, and writes the change', () => {
    const hook = file(
      'mark.ts',
      `import { defineHook, FORWARD } from 'firehook';
       export default defineHook({
         name: 'mark',
         onPacket(packet) {
           if (packet.version === 6) packet.bytes[7] = 9;
           return FORWARD;
         },
       });`,
    );
    const input = path.join(FIXTURES, 'raw-ip.pcap');
    const output = path.join(folder, 'marked.pcap');
    const [mark] = replayJson(input, '--hook', hook, '-w', output).hooks;
    assert.deepEqual([mark?.seen, mark?.forwarded, mark?.changed, mark?.replaced], [4, 4, 1, 0]);
    const [before, now] = [readFileSync(input), readFileSync(output)];
    const changed = [...before.keys()].filter((at) => before[at] !== now[at]);
    assert.equal(now.length, before.length);
    assert.deepEqual(
      changed.map((at) => now[at]),
      [9],
    );
  });

  test('shows the hooks of several --hook in running order', () => {
    const early = file('early.ts', hookText('early', 10));
    const late = file('late.ts', hookText('late', 5));
    assert.deepEqual(
      replayJson(DEMO, '--hook', late, '--hook', early).hooks.map(({ name }) => name),
      ['early', 'late'],
    );
  });
});

function hookText(name: string, priority: number): string {
  return `import { defineHook, FORWARD } from 'firehook';
    export default defineHook({ name: '${name}', priority: ${priority}, onPacket: () => FORWARD });`;
}

describe('a file that is not right', () => {
  test('ends with exit code 1 when it is cut off, after a report of what was read, and names the last whole packet', () => {
    const { code, stdout, stderr } = runFirehook(
      'replay',
      file('cut.pcap', readFileSync(DEMO).subarray(0, -10)),
      '--json',
    );
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^\{"error":"the capture file is truncated.*after packet 39\b.*"code":"FIREHOOK_SAVEFILE_TRUNCATED"/,
    );
    assert.equal(lines(stderr).length, 1);
    const report = JSON.parse(stdout) as ReplayReport;
    assert.equal(report.packets, 39);
    assert.match(report.error ?? '', /after packet 39\b/);
  });

  const text = 'This is no capture file.\n';
  for (const [what, content, why] of [
    ['is empty', '', /empty file/],
    ['is a text', text, /not a valid capture file/],
    ['is missing', null, /no such file/],
  ] as const) {
    test(`ends with exit code 2 and one line when it ${what}`, () => {
      const input = content === null ? path.join(folder, 'missing.pcap') : file('bad.pcap', content);
      const { code, stdout, stderr } = runFirehook('replay', input);
      assert.equal(code, 2);
      assert.equal(stdout, '');
      assert.match(stderr, why);
      assert.equal(lines(stderr).length, 1);
    });
  }

  test('is refused as output when it is the input, and stays as it is', () => {
    const both = path.join(folder, 'both.pcap');
    copyFileSync(DEMO, both);
    const { code, stderr } = runFirehook('replay', both, '-w', both);
    assert.equal(code, 2);
    assert.match(stderr, /it is the input/);
    assert.ok(readFileSync(both).equals(readFileSync(DEMO)));
  });

  test('is refused as output with exit code 2 when its folder does not exist', () => {
    const { code, stderr } = runFirehook('replay', DEMO, '-w', path.join(folder, 'no', 'such', 'out.pcap'));
    assert.equal(code, 2);
    assert.match(stderr, /cannot write the capture file/);
    assert.equal(lines(stderr).length, 1);
  });
});

test('hooks never run as root', { skip: isRoot ? false : 'only root can show it' }, () => {
  const hook = file(
    'who.ts',
    `import { defineHook, FORWARD } from 'firehook';
     let log;
     export default defineHook({
       name: 'who',
       setup(_options, runtime) { log = runtime.log; log('warn', 'setup as ' + process.getuid()); },
       onPacket() { log('warn', 'packet as ' + process.getuid() + ' groups ' + process.getgroups()); return FORWARD; },
     });`,
  );
  const { code, stderr } = runFirehook('replay', path.join(FIXTURES, 'raw-ip.pcap'), '--hook', hook);
  assert.equal(code, 0, stderr);
  const uids = [...stderr.matchAll(/(?:setup|packet) as (\d+)/g)].map((match) => Number(match[1]));
  assert.ok(uids.length >= 2, stderr);
  assert.ok(!uids.includes(0), stderr);
  assert.doesNotMatch(stderr, /groups (0\b|.*,0\b)/);
});

test('the capture that ships with the demo is the fixture', () => {
  assert.ok(readFileSync(path.join(SHIPPED, 'demo.pcap')).equals(readFileSync(DEMO)));
});

test('the hooks of the demo drop names, refuse telnet and let the rest of its capture pass', () => {
  const { total } = replayJson(path.join(SHIPPED, 'demo.pcap'), '-c', path.join(SHIPPED, 'demo.yaml'));
  assert.deepEqual([total.received, total.dropped, total.rejected, total.forwarded], [40, 3, 6, 31]);
});

/** A capture that is longer than one read, and the number of its packets. */
function longCapture(): { input: string; packets: number } {
  const demo = readFileSync(DEMO);
  const [head, records] = [demo.subarray(0, 24), demo.subarray(24)];
  return {
    input: file('long.pcap', Buffer.concat([head, ...Array.from({ length: 600 }, () => records)])),
    packets: 24_000,
  };
}

/** Runs a shell script with the command as its arguments, so that the script can change what the command finds. */
function runIn(script: string, ...args: string[]): { code: number | null; stdout: string; stderr: string } {
  const command = [process.execPath, FIREHOOK, ...args];
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', ...command], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, NODE_V8_COVERAGE: undefined },
  });
  return { code: status, stdout, stderr };
}

function hookWith(name: string, rest: string): string {
  return file(
    `${name}.ts`,
    `import { defineHook, FORWARD } from 'firehook';
     let seen = 0;
     export default defineHook({ name: '${name}', ${rest} });`,
  );
}

describe('a hook that is at fault outside onPacket', () => {
  for (const [name, rest, message] of [
    [
      'rejects',
      "onPacket() { if (++seen === 3) void Promise.reject(new Error('no such luck')); return FORWARD; }",
      'no such luck',
    ],
    [
      'timer',
      "onPacket() { if (++seen === 3) setImmediate(() => { throw new TypeError('late'); }); return FORWARD; }",
      'late',
    ],
    ['rejects-text', "onPacket() { if (++seen === 3) void Promise.reject('just text'); return FORWARD; }", 'just text'],
    [
      'teardown',
      "onPacket: () => FORWARD, teardown() { void Promise.reject(new Error('on the way out')); }",
      'on the way out',
    ],
  ] as const) {
    test(`is counted and named, and the output is whole: ${name}`, () => {
      const output = path.join(folder, `${name}.out.pcap`);
      const { code, stdout, stderr } = runFirehook(
        'replay',
        DEMO,
        '-w',
        output,
        '--hook',
        hookWith(name, rest),
        '--json',
      );
      assert.equal(code, 1, stderr);
      const report = JSON.parse(stdout) as ReplayReport;
      assert.deepEqual(
        report.hooks.map(({ name, faultsOutside }) => [name, faultsOutside]),
        [[name, 1]],
      );
      assert.deepEqual([report.packets, report.written], [40, 40]);
      assert.ok(readFileSync(output).equals(readFileSync(DEMO)));
      const last = lines(stderr).at(-1) ?? '';
      assert.match(last, /^\{"error":"a hook is at fault: 1 fault of hooks outside onPacket, the last: /);
      assert.ok(last.includes(message), last);
      assert.doesNotMatch(stderr, /^ {4}at /m, 'no bare stack');
    });
  }

  test('is one in each packet and one outside where it returns a promise that is rejected, and the replay goes on', () => {
    const hook = file('async.ts', "export const firewallHook = () => Promise.reject(new Error('async driver'));\n");
    const output = path.join(folder, 'async.out.pcap');
    const { code, stdout, stderr } = runFirehook('replay', DEMO, '-w', output, '--hook', hook, '--json');
    assert.equal(code, 1, stderr);
    const report = JSON.parse(stdout) as ReplayReport;
    const [{ seen, faults, faultsOutside } = { seen: -1, faults: -1, faultsOutside: -1 }] = report.hooks;
    assert.deepEqual([seen, faults, faultsOutside], [24, 24, 24]);
    assert.deepEqual([report.packets, report.total.droppedByFault, report.addsUp], [40, 24, true]);
    assert.equal(replayJson(output).packets, 16);
  });

  test('is told apart from others by who started what failed, also where no line of a hook is in the stack', () => {
    const good = hookWith('good', 'onPacket: () => FORWARD');
    const bad = hookWith(
      'bad',
      'onPacket() { if (++seen < 3) setImmediate(() => { throw new Error("x"); }); return FORWARD; }',
    );
    const text = hookWith('text', "onPacket() { if (++seen === 1) void Promise.reject('y'); return FORWARD; }");
    // Nobody listens there: the error is made by Node itself.
    const refused = hookWith(
      'refused',
      "onPacket() { if (++seen === 1) void fetch('http://127.0.0.1:1/'); return FORWARD; }",
    );
    const hooks = [good, bad, text, refused].flatMap((file) => ['--hook', file]);
    const { code, stdout } = runFirehook('replay', DEMO, ...hooks, '--json');
    assert.equal(code, 1);
    const report = JSON.parse(stdout) as ReplayReport;
    assert.deepEqual(
      report.hooks.map(({ name, faultsOutside }) => [name, faultsOutside]),
      [
        ['good', 0],
        ['bad', 2],
        ['text', 1],
        ['refused', 1],
      ],
    );
  });

  test('cannot keep the command by a timer', () => {
    const hook = hookWith('keeps', 'setup() { setInterval(() => undefined, 1000); }, onPacket: () => FORWARD');
    assert.equal(runFirehook('replay', DEMO, '--hook', hook).code, 0);
  });

  test('cannot cut the output by ending the process', () => {
    const output = path.join(folder, 'exits.out.pcap');
    const hook = hookWith('exits', 'onPacket() { if (++seen === 10) process.exit(0); return FORWARD; }');
    const { code, stderr } = runFirehook('replay', DEMO, '-w', output, '--hook', hook);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^firehook: error \[FIREHOOK_LANE_FAILED\]: the lane failed: the replay was not finished: a hook ended the process$/m,
    );
    // Nine that the hook let pass, and the ARP frame among them.
    assert.deepEqual([replayJson(output).packets, replayJson(output).error], [10, null]);
  });

  test('cannot act on the terminal by what it prints, throws or logs', () => {
    const hook = hookWith(
      'paints',
      `setup(_options, runtime) { runtime.log('warn', 'log\\u001b[31m\\u009b31m'); },
       onPacket() {
         if (++seen > 1) return FORWARD;
         console.log('console\\u001b[31m');
         process.stdout.write('stdout\\u001b]0;title\\u0007\\n');
         process.stderr.write('stderr\\u009b31m\\n');
         void Promise.reject(new Error('error\\u001b[31m\\rforged'));
         return FORWARD;
       }`,
    );
    const { stdout, stderr } = runFirehook('replay', DEMO, '--hook', hook, '--json');
    assert.equal((JSON.parse(stdout) as ReplayReport).packets, 40, 'what hooks print is not in the report');
    for (const what of ['console', 'stdout', 'stderr', 'error', 'log']) assert.ok(stderr.includes(what), stderr);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
    assert.doesNotMatch(stdout + stderr, /[\u0000-\u0008\u000b-\u001f\u007f]/);
    assert.doesNotMatch(stderr.replaceAll(/^\{.*$/gm, ''), /[\u0080-\u009f]/);
  });
});

describe('an output that cannot be written to its end', () => {
  const assertHonest = (ended: { code: number | null; stdout: string; stderr: string }, copy: string, why: RegExp) => {
    const { code, stdout, stderr } = ended;
    assert.equal(code, 1, stderr);
    assert.equal(lines(stderr).length, 1, stderr);
    assert.match(
      stderr,
      /^(firehook: error \[FIREHOOK_SAVEFILE_INCOMPLETE\]: |\{"error":")the written capture is not complete: /,
    );
    assert.match(stderr, why);
    const report = JSON.parse(stdout.slice(0, stdout.lastIndexOf('}') + 1)) as ReplayReport;
    assert.match(report.error ?? '', why);
    const there = replayJson(copy);
    assert.equal(there.error, null, 'the file ends with a whole record');
    assert.ok(there.packets > 0 && there.packets < 24_000, `${there.packets} packets`);
    assert.equal(report.written, there.packets, 'the report says how many packets are in it');
  };

  test('holds whole packets and the report says how many, where files may not grow', () => {
    const output = path.join(folder, 'short.pcap');
    const ended = runIn('ulimit -f 100; exec "$@"', 'replay', longCapture().input, '-w', output, '--json');
    assertHonest(ended, output, /EFBIG/);
  });

  test('holds whole packets and the report says how many, on a full disk', {
    skip: isRoot ? false : 'needs root to mount',
  }, () => {
    const mount = path.join(folder, 'full');
    const copy = path.join(folder, 'full.pcap');
    mkdirSync(mount, { recursive: true });
    // In a mount namespace of its own: it is gone with the command, so that the file is copied out of it.
    const script = `mount -t tmpfs -o size=64k none ${mount}; "$@"; code=$?; cp ${mount}/out.pcap ${copy}; exit $code`;
    const args = ['replay', longCapture().input, '-w', path.join(mount, 'out.pcap'), '--json'];
    const ended = runIn(`exec unshare -m sh -c '${script}' sh "$@"`, ...args);
    assertHonest(ended, copy, /ENOSPC/);
  });
});

describe('a replay that is interrupted', () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    test(`by ${signal} writes what it has, closes the file whole and reports it`, async () => {
      const output = path.join(folder, `${signal}.pcap`);
      // Holds the replay in its middle until the signal is there: it is heard between two reads of the file.
      const hook = hookWith(
        `waits-${signal.toLowerCase()}`,
        `onPacket() { if (++seen === 5) { process.stderr.write('now\\n'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000); } return FORWARD; }`,
      );
      const child = spawn(
        process.execPath,
        [FIREHOOK, 'replay', longCapture().input, '-w', output, '--hook', hook, '--json'],
        {
          env: { ...process.env, NODE_TEST_CONTEXT: undefined },
        },
      );
      let [stdout, stderr, isSent] = ['', '', false];
      child.stdout.on('data', (chunk: Buffer) => {
        stdout += chunk.toString();
      });
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
        if (stderr.includes('now') && !isSent) isSent = child.kill(signal);
      });
      const [ended] = (await once(child, 'close')) as [number | null];
      assert.equal(ended, code, stderr);
      const report = JSON.parse(stdout) as ReplayReport;
      assert.ok(report.packets >= 5 && report.packets < 24_000, `${report.packets}`);
      assert.match(report.error ?? '', new RegExp(`interrupted by ${signal}`));
      const there = replayJson(output);
      assert.deepEqual([there.packets, there.error], [report.written, null]);
    });
  }

  test('ends also while a pipe that it reads is silent', async () => {
    const fifo = path.join(folder, 'silent');
    spawnSync('mkfifo', [fifo]);
    const output = path.join(folder, 'silent.pcap');
    const child = spawn(process.execPath, [FIREHOOK, 'replay', fifo, '-w', output, '--json'], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    const writer = await open(fifo, 'w');
    await writer.write(readFileSync(DEMO));
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    // What was read is written before the pipe is asked again.
    await waitFor(() => statSync(output, { throwIfNoEntry: false })?.size === statSync(DEMO).size, {
      what: 'the output',
    });
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number | null];
    await writer.close();
    assert.equal(code, 130);
    assert.equal((JSON.parse(stdout) as ReplayReport).written, 40);
    assert.ok(readFileSync(output).equals(readFileSync(DEMO)));
  });
});

describe('a named pipe', () => {
  for (const [what, args] of [
    ['hook', (fifo: string) => ['replay', DEMO, '--hook', fifo]],
    ['configuration', (fifo: string) => ['replay', DEMO, '-c', fifo]],
  ] as const) {
    test(`is refused as ${what} in one line`, () => {
      const fifo = path.join(folder, `${what}.ts`);
      spawnSync('mkfifo', [fifo]);
      const { code, stderr } = runFirehook(...args(fifo));
      assert.equal(code, 2, stderr);
      assert.equal(lines(stderr).length, 1, stderr);
    });
  }
});
