/**
 * `firehook replay` as a command: exact bytes, exact numbers, and an honest end for every file that is not right.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay.ts';
import { lines, runFirehook } from './run-firehook.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const HOOKS = fileURLToPath(new URL('../../../hooks/', import.meta.url));
const SHIPPED = fileURLToPath(new URL('../../../config/', import.meta.url));
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
    const { received, forwarded, dropped, droppedByHook, rejected, lost, icmpWouldBe, nonIp } = report.total;
    // Three DNS queries, six telnet SYNs, one ARP request: test/fixtures/README.md.
    assert.deepEqual(
      { received, forwarded, dropped, droppedByHook, rejected, lost, icmpWouldBe, nonIp },
      { received: 40, forwarded: 31, dropped: 3, droppedByHook: 3, rejected: 6, lost: 0, icmpWouldBe: 6, nonIp: 1 },
    );
    const none = { replaced: 0, changed: 0, faults: 0, notFreed: 0 };
    assert.deepEqual(report.hooks, [
      { name: 'drop-port', priority: 2, seen: 39, forwarded: 36, dropped: 3, rejected: 0, ...none },
      { name: 'reject-port', priority: 1, seen: 36, forwarded: 30, dropped: 0, rejected: 6, ...none },
    ]);
    assert.deepEqual([report.addsUp, report.problems, report.error], [true, [], null]);
  });

  test('agrees with what is written: only what was forwarded', () => {
    const output = path.join(folder, 'forwarded.pcap');
    replayJson(DEMO, '-c', config, '-w', output);
    const again = replayJson(output);
    assert.equal(again.packets, 31);
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
    assert.match(stderr, /^firehook: .*truncated.*after packet 39\b/);
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
