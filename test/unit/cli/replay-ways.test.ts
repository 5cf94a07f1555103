/**
 * `firehook replay` as a place to develop: how packets meet the hooks, by the command on real files.
 *
 * Rule: what hooks are told is read from a hook that prints it; what is written is read back record by record.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { DEST_BCAST, DEST_LOCAL, DEST_MCAST, DEST_REM_MCAST, DEST_REMOTE, DEST_SN_BCAST } from '../../../src/index.ts';
import { ethernet, ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { composeCapture, composeRecord, readCapture, sectionOf, type Variant } from '../wire/savefile-captures.ts';
import { lines, runFirehook } from './run-firehook.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));
const TWO_INTERFACES = fileURLToPath(new URL('../../fixtures/two-interfaces.pcapng', import.meta.url));
const PCAP: Variant = { title: '', format: 'pcap', bigEndian: false, resolution: 6 };
const PCAPNG: Variant = { title: '', format: 'pcapng', bigEndian: false, resolution: 6 };
const RAW = 101;
const NONE = 0xffffffff;

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-ways-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

const TELL = file(
  'tell.ts',
  `import { defineHook, FORWARD } from 'firehook';
   export default defineHook({
     name: 'tell',
     onPacket(packet, { direction, recvInterfaceIndex, sendInterfaceIndex, destinationType }) {
       console.log('told ' + JSON.stringify([direction, recvInterfaceIndex, sendInterfaceIndex, destinationType]));
       return FORWARD;
     },
   });`,
);

/** What the hook was told of each packet: direction, the index it came by, the one it goes to, type of its destination. */
function told(...args: string[]): number[][] {
  const { code, stderr } = runFirehook('replay', ...args, '--hook', TELL);
  assert.equal(code, 0, stderr);
  return Array.from(stderr.matchAll(/^told (.*)$/gm), ([, text = '']) => JSON.parse(text) as number[]);
}

function datagram(source: string, destination: string): Buffer {
  return ipv4({ source, destination }, udp({}, Buffer.from('data')));
}

function refused(...args: string[]): string {
  const { code, stdout, stderr } = runFirehook('replay', ...args);
  assert.equal(code, 2, stderr);
  assert.equal(stdout, '');
  assert.equal(lines(stderr).length, 1, stderr);
  return stderr;
}

const mixed = file(
  'mixed.pcap',
  composeCapture(
    PCAP,
    [
      ['192.0.2.10', '198.51.100.1'],
      ['198.51.100.1', '192.0.2.10'],
      ['198.51.100.1', '192.0.2.255'],
      ['198.51.100.1', '224.0.0.1'],
      ['198.51.100.1', '255.255.255.255'],
    ].map(([from = '', to = '']) => ({ bytes: datagram(from, to) })),
    RAW,
  ),
);

describe('without an option of direction', () => {
  test('packets arrive at a port as in a bridge, and no type is of this host', () => {
    assert.deepEqual(
      told(mixed)
        .map(([direction, from, to, type]) => [direction, from, to, type])
        .slice(0, 4),
      [
        [1, 1, NONE, DEST_REMOTE],
        [1, 1, NONE, DEST_REMOTE],
        [1, 1, NONE, DEST_REMOTE],
        [1, 1, NONE, DEST_REM_MCAST],
      ],
    );
  });
});

describe('--direction', () => {
  test('in: packets arrive at a host, and groups and broadcasts are its own', () => {
    const seen = told(mixed, '--direction', 'in');
    assert.deepEqual(
      seen.map((one) => one.slice(0, 3)),
      Array.from({ length: 5 }, () => [1, 1, NONE]),
    );
    assert.deepEqual(
      seen.map(([, , , type]) => type),
      [DEST_REMOTE, DEST_REMOTE, DEST_REMOTE, DEST_MCAST, DEST_BCAST],
    );
  });

  test('out: packets are what a host sends, by the index of their interface', () => {
    const seen = told(mixed, '--direction', 'out');
    assert.deepEqual(
      seen.map((one) => one.slice(0, 3)),
      Array.from({ length: 5 }, () => [0, 0, 1]),
    );
    assert.equal(seen[3]?.[3], DEST_REM_MCAST);
  });

  test('takes in and out, and nothing else', () => {
    const { code, stderr } = runFirehook('replay', mixed, '--direction', 'across');
    assert.equal(code, 2);
    assert.match(stderr, /--direction.*in, out/);
  });

  test('leaves a capture that no hook changes as it was', () => {
    for (const way of ['in', 'out']) {
      const output = path.join(folder, `${way}.pcapng`);
      assert.equal(runFirehook('replay', TWO_INTERFACES, '--direction', way, '-w', output).code, 0);
      assert.ok(readFileSync(output).equals(readFileSync(TWO_INTERFACES)));
    }
  });
});

describe('--local', () => {
  test('says by the source which packets go out, and which destinations are of this host', () => {
    assert.deepEqual(told(mixed, '--local', '192.0.2.0/24'), [
      [0, 0, 1, DEST_REMOTE],
      [1, 1, NONE, DEST_LOCAL],
      [1, 1, NONE, DEST_BCAST],
      [1, 1, NONE, DEST_MCAST],
      [1, 1, NONE, DEST_BCAST],
    ]);
  });

  test('knows the broadcast of a part of a network', () => {
    const input = file('subnet.pcap', composeCapture(PCAP, [{ bytes: datagram('198.51.100.1', '192.0.2.127') }], RAW));
    assert.equal(told(input, '--local', '192.0.2.0/25')[0]?.[3], DEST_SN_BCAST);
    assert.equal(told(input, '--local', '192.0.2.127')[0]?.[3], DEST_LOCAL);
  });

  test('may be given several times, also with IPv6', () => {
    const [host, other] = ['2001:db8::1', '2001:db9:2000::2'];
    const input = file(
      'both.pcap',
      composeCapture(
        PCAP,
        [
          { bytes: ipv6({ source: host, destination: other }, udp({}, Buffer.from('data'))) },
          { bytes: ipv6({ source: other, destination: host }, udp({}, Buffer.from('data'))) },
          { bytes: datagram('203.0.113.7', '198.51.100.1') },
        ],
        RAW,
      ),
    );
    assert.deepEqual(
      told(input, '--local', '2001:db8::/35', '--local', '203.0.113.7').map(([direction, , , type]) => [
        direction,
        type,
      ]),
      [
        [0, DEST_REMOTE],
        [1, DEST_LOCAL],
        [0, DEST_REMOTE],
      ],
    );
  });

  test('warns when no packet has such a source', () => {
    const { code, stderr } = runFirehook('replay', mixed, '--local', '10.0.0.0/8');
    assert.equal(code, 0);
    assert.match(stderr, /^firehook: warning: no packet of this capture has a source in --local/m);
  });

  test('is refused beside --direction, and where it is no prefix, in a sentence', () => {
    assert.match(refused(mixed, '--local', '10.0.0.0/8', '--direction', 'in'), /--direction and --local both say/);
    assert.match(refused(mixed, '--local', '192.0.2.1/24'), /--local "192\.0\.2\.1\/24" is not valid; expected/);
  });
});

describe('--bridge', () => {
  const lan = ethernet({}, datagram('192.0.2.10', '198.51.100.1'));
  const wan = ethernet({}, datagram('198.51.100.1', '192.0.2.10'));
  const bridged = file(
    'bridged.pcapng',
    composeCapture(PCAPNG, [
      { bytes: lan, interfaceId: 0, low: 1000 },
      { bytes: wan, interfaceId: 1, low: 2000 },
    ]),
  );

  test('takes each packet from its interface to the other, which is where the output has it', () => {
    const output = path.join(folder, 'bridged.out.pcapng');
    assert.deepEqual(told(bridged, '--bridge', '-w', output), [
      [1, 1, 2, DEST_REMOTE],
      [1, 2, 1, DEST_REMOTE],
    ]);
    const { frames, error } = readCapture(readFileSync(output));
    assert.equal(error, null);
    assert.deepEqual(
      frames.map(({ interfaceId, low, bytes }) => [interfaceId, low, bytes.equals(low === 1000 ? lan : wan)]),
      [
        [1, 1000, true],
        [0, 2000, true],
      ],
    );
  });

  test('writes a packet that a hook sent back on the interface it came from, as the record that was read', () => {
    const back = file(
      'back.ts',
      `import { defineHook, FORWARD } from 'firehook';
       export default defineHook({
         name: 'back',
         onPacket(packet, context) { context.sendInterfaceIndex = context.recvInterfaceIndex; return FORWARD; },
       });`,
    );
    const output = path.join(folder, 'back.out.pcapng');
    const { code, stderr } = runFirehook('replay', bridged, '--bridge', '-w', output, '--hook', back);
    assert.equal(code, 0, stderr);
    assert.ok(readFileSync(output).equals(readFileSync(bridged)));
  });

  test('is refused where there are not two interfaces of one kind, and the output stays as it was', () => {
    const output = file('precious.pcapng', 'precious');
    assert.match(refused(mixed, '--bridge', '-w', output), /two interfaces.*this one has 1 interface/);
    assert.match(
      refused(TWO_INTERFACES, '--bridge', '-w', output),
      /one link type; those of this capture have 1 and 101/,
    );
    const section = sectionOf(PCAPNG);
    const head = composeCapture(PCAPNG, []).subarray(section.header.length);
    const three = file('three.pcapng', Buffer.concat([section.header, head, head.subarray(head.length / 2)]));
    assert.match(refused(three, '--bridge', '-w', output), /this one has 3 interfaces/);
    const one = Buffer.concat([section.header, head.subarray(head.length / 2)]);
    assert.match(refused(file('apart.pcapng', Buffer.concat([one, one])), '--bridge', '-w', output), /two sections/);
    assert.equal(readFileSync(output, 'utf8'), 'precious');
    assert.match(refused(bridged, '--bridge', '--direction', 'in'), /without --direction and --local/);
  });

  test('ends with exit code 2 where a third interface is described between packets', () => {
    const section = sectionOf(PCAPNG);
    const head = composeCapture(PCAPNG, []).subarray(section.header.length);
    const late = file(
      'late.pcapng',
      Buffer.concat([
        readFileSync(bridged),
        head.subarray(head.length / 2),
        composeRecord(section, { bytes: lan, interfaceId: 2 }),
      ]),
    );
    const { code, stdout, stderr } = runFirehook('replay', late, '--bridge', '--json');
    assert.equal(code, 2, stderr);
    assert.match(stderr, /this one has 3 interfaces/);
    assert.equal((JSON.parse(stdout) as ReplayReport).packets, 2);
  });
});

describe('a timer', () => {
  const timed = file(
    'timed.ts',
    `import { DbgPrint, FORWARD, KDPC, KeInitializeDpc, KeInitializeTimer, KeSetTimerEx, KeQuerySystemTime, KTIMER } from 'firehook/ddk';
     const timer = new KTIMER(), dpc = new KDPC(), now = { value: 0n };
     export function DriverEntry(DriverObject) {
       KeInitializeTimer(timer);
       KeInitializeDpc(dpc, () => { KeQuerySystemTime(now); DbgPrint('at %I64d', now.value); }, null);
       KeSetTimerEx(timer, -1000000n, 100, dpc);
       return 0;
     }`,
  );

  test('of a driver runs on the clock of the file, from its first packet to its last', () => {
    // 40 packets, one every 12.345678 ms: 481 ms in all.
    const { code, stderr } = runFirehook('replay', DEMO, '--hook', timed);
    assert.equal(code, 0, stderr);
    const start = (Date.UTC(2026, 0, 1) + 11_644_473_600_000) * 10_000;
    assert.deepEqual(
      Array.from(stderr.matchAll(/: at (\d+)/g), ([, at]) => (Number(at) - start) / 10_000),
      [100, 200, 300, 400],
    );
  });

  test('keeps its period where the first packet comes at an uneven time', () => {
    const records = [57_000, 180_000, 280_000, 380_000].map((low) => ({
      bytes: datagram('192.0.2.1', '192.0.2.2'),
      high: 1,
      low,
    }));
    const { stderr } = runFirehook('replay', file('uneven.pcap', composeCapture(PCAP, records, RAW)), '--hook', timed);
    const times = Array.from(stderr.matchAll(/: at (\d+)/g), ([, at = '']) => (BigInt(at) / 10_000n) % 1000n);
    assert.deepEqual(times, [157n, 257n, 357n]);
  });

  test('of any kind, and whatever else a hook leaves open, does not keep a replay from ending', () => {
    const hook = file(
      'open.ts',
      `import { FORWARD } from 'firehook';
       import { createServer } from 'node:net';
       setInterval(() => undefined, 1000);
       createServer().listen(0, '127.0.0.1');
       process.stdin.resume();
       export const firewallHook = () => FORWARD;`,
    );
    const { code, stdout } = runFirehook(
      'replay',
      DEMO,
      '--hook',
      hook,
      '--json',
      '-w',
      path.join(folder, 'open.pcap'),
    );
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as ReplayReport).written, 40);
    const cut = file('cut.pcap', readFileSync(DEMO).subarray(0, -10));
    assert.equal(runFirehook('replay', cut, '--hook', hook).code, 1);
  });
});
