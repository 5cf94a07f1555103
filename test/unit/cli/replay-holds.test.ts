/**
 * Packets that wait in a replay: they leave when the clock of the file says so, with that time, in order with the others.
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
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { type CapturedFrame, composeCapture, readCapture, type Variant } from '../wire/savefile-captures.ts';
import { runFirehook } from './run-firehook.ts';

const IMPAIR = fileURLToPath(new URL('../../../hooks/impair.ts', import.meta.url));
const PCAP: Variant = { title: '', format: 'pcap', bigEndian: false, resolution: 6 };
const PCAPNG: Variant = { title: '', format: 'pcapng', bigEndian: true, resolution: 9 };
const ETHERNET = 1;
const START = 1_700_000_000;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-holds-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

/** A packet every 10 ms, each with its number as the source port. */
const frames = [1, 2, 3, 4].map((number) => ethernet({}, ipv4({}, udp({ sourcePort: number }, Buffer.from('data')))));
const pcap = file(
  'four.pcap',
  composeCapture(
    PCAP,
    frames.map((bytes, index) => ({ bytes, high: START, low: 10_000 * index })),
    ETHERNET,
  ),
);
const nanoseconds = BigInt(START) * 1_000_000_000n;
const ng = file(
  'four.pcapng',
  composeCapture(
    PCAPNG,
    frames.map((bytes, index) => {
      const at = nanoseconds + BigInt(index) * 10_000_000n;
      return { bytes, interfaceId: 0, high: Number(at >> 32n), low: Number(at & 0xffff_ffffn) };
    }),
    ETHERNET,
  ),
);

function replay(input: string, ...args: string[]): { report: ReplayReport; out: readonly CapturedFrame[] } {
  const output = path.join(folder, 'out');
  const { code, stdout, stderr } = runFirehook('replay', input, '-w', output, '--json', ...args);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as ReplayReport;
  assert.deepEqual([report.addsUp, report.problems], [true, []]);
  const { frames: out, error } = readCapture(readFileSync(output));
  assert.equal(error, null);
  assert.equal(report.written, out.length);
  return { report, out };
}

const told = (out: readonly CapturedFrame[]): [number, number][] =>
  out.map(({ bytes, seconds, nanoseconds: rest }) => [
    bytes.readUInt16BE(34),
    Math.round((seconds - START) * 1000 + rest / 1e6),
  ]);

/** Holds the second packet for 15 ms, and the others not. */
const HOLDS = file(
  'holds.ts',
  `import { defineHook, FORWARD } from 'firehook';
   export default defineHook({
     name: 'holds', hold: { packets: 4, mib: 1, timeoutMs: 60000 },
     onPacket: (packet, { timestamp }) => (packet.sourcePort === 2 ? packet.holdUntil(timestamp + 15) : FORWARD),
   });`,
);
/** Lets each wait, and releases it in a timer: the last by ICMP_ON_DROP. */
const RELEASES = file(
  'releases.ts',
  `import { defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
   export default defineHook({
     name: 'releases', hold: { packets: 4, mib: 1, timeoutMs: 1000 },
     setup: (_options, runtime) => ({
       onPacket(packet) {
         const verdict = packet.hold();
         const { token, sourcePort } = packet;
         runtime.after(25, () => void runtime.release(token, sourcePort === 4 ? ICMP_ON_DROP : FORWARD));
         return verdict;
       },
     }),
   });`,
);

describe('a replay', () => {
  for (const input of [pcap, ng]) {
    test(`lets a packet leave at its time, between the others: ${path.basename(input)}`, () => {
      const { report, out } = replay(input, '--hook', HOLDS);
      assert.deepEqual(told(out), [
        [1, 0],
        [3, 20],
        [2, 25],
        [4, 30],
      ]);
      for (const { bytes } of out) assert.deepEqual(bytes, frames[bytes.readUInt16BE(34) - 1]);
      assert.deepEqual([report.total.held, report.total.forwarded, report.hooks[0]?.held], [0, 4, 1]);
    });

    test(`goes on behind the end of the file until nothing waits: ${path.basename(input)}`, () => {
      const { report, out } = replay(input, '--hook', RELEASES);
      assert.deepEqual(told(out.slice(0, 3)), [
        [1, 25],
        [2, 35],
        [3, 45],
      ]);
      const error = out[3]?.bytes ?? Buffer.alloc(0);
      // An ICMP error quotes the packet that it is about, 28 octets behind its own start.
      assert.deepEqual(error.readUInt16BE(34 + 28), 4);
      assert.deepEqual([report.total.rejected, report.total.icmpErrors, report.total.held], [1, 1, 0]);
    });
  }

  test('impairs as live traffic is impaired', () => {
    const config = file(
      'impair.yaml',
      `attach: [{ bridge: [a, b] }]\nhooks: [{ module: '${IMPAIR}', options: { delayMs: 50 } }]\n`,
    );
    const { out } = replay(pcap, '-c', config);
    assert.deepEqual(told(out), [
      [1, 50],
      [2, 60],
      [3, 70],
      [4, 80],
    ]);
  });

  test('drops what nobody releases, at its time', () => {
    const never = file(
      'never.ts',
      `import { defineHook } from 'firehook';
       export default defineHook({ name: 'never', hold: { packets: 2, mib: 1, timeoutMs: 12 }, onPacket: (packet) => packet.hold() });`,
    );
    const { report, out } = replay(pcap, '--hook', never);
    assert.deepEqual([out.length, report.total.dropped, report.hooks[0]?.heldTooLong], [0, 4, 4]);
  });
});
