/**
 * `firehook explain`: each packet by itself, and together they are what a replay reports.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import type { TracedPacket } from '../../../src/lane/packet-tracer.ts';
import { runFirehook } from './run-firehook.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const HOOKS = fileURLToPath(new URL('../../../hooks/', import.meta.url));
const DEMO = path.join(FIXTURES, 'demo.pcap');
const CAPTURES = readdirSync(FIXTURES).filter((name) => /\.pcap(ng)?$/.test(name));

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-explain-'));
// Root's hooks become another user before they are set up.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

const config = file(
  'firehook.yaml',
  `attach: [{ bridge: [lan0, wan0] }]
hooks:
  - { module: ${HOOKS}drop-port.ts, priority: 2, options: { protocol: udp, ports: [53] } }
  - { module: ${HOOKS}reject-port.ts, priority: 1, options: { protocol: tcp, ports: [23] } }
`,
);

const odd = file(
  'odd.ts',
  `import { defineHook, FORWARD, HELD } from 'firehook';
export default defineHook({
  name: 'odd',
  filter: 'tcp or udp',
  flows: true,
  hold: { packets: 10, mib: 1, timeoutMs: 1000 },
  setup(_options, { reason, after, release }) {
    const seen = reason('seen\\'s own');
    return {
      onPacket(packet) {
        if (packet.destinationPort === 23) throw new Error('no \\u001b[2J telnet');
        if (packet.destinationPort === 53) {
          packet.ip.ttl = 9;
          return seen.forward;
        }
        if (packet.destinationPort === 80 && packet.payload.length > 0) {
          const verdict = packet.hold();
          const token = packet.token;
          if (verdict === HELD) after(1, () => void release(token, FORWARD));
          return verdict;
        }
        if (packet.destinationPort !== 80 && packet.sourcePort !== 80) packet.flow?.settle(FORWARD);
        return FORWARD;
      },
    };
  },
});
`,
);

interface Line {
  readonly timestamp: string;
  readonly event_type: string;
  readonly src_ip?: string;
  readonly dest_port?: number;
  readonly proto?: string;
  readonly trace: Omit<TracedPacket, 'number' | 'fate' | 'hooks'> & {
    readonly packet: number;
    readonly verdict: TracedPacket['fate'];
    readonly hooks: readonly (TracedPacket['hooks'][number] & { readonly place: string | null })[];
    readonly faults: readonly { readonly hook: string; readonly text: string }[];
  };
}

function explain(expected: number, ...args: string[]): Line[] {
  const { code, stdout, stderr } = runFirehook('explain', ...args, '--json');
  assert.equal(code, expected, stderr);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** What all lines together counted. */
function sums(lines: readonly Line[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { trace } of lines)
    for (const [name, count] of Object.entries(trace.counted)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

describe('the packets of a capture', () => {
  for (const [hook, code] of [
    ['-c', 0],
    ['--hook', 1],
  ] as const)
    for (const capture of CAPTURES)
      test(`add up to what its replay reports: ${capture}, ${hook}`, () => {
        const args = [path.join(FIXTURES, capture), hook, hook === '-c' ? config : odd];
        const { stdout } = runFirehook('replay', ...args, '--json');
        const report = JSON.parse(stdout.slice(0, stdout.lastIndexOf('}') + 1)) as ReplayReport;
        const lines = explain(report.error === null ? 0 : code, ...args);
        const all = sums(lines);
        for (const [name, count] of Object.entries(report.total)) assert.equal(all[name] ?? 0, count, name);
        assert.equal(lines.filter(({ trace }) => !trace.resumed).length, report.packets);
        for (const one of report.hooks) {
          const own = lines.flatMap(({ trace }) => trace.hooks.filter((traced) => traced.hook === one.name));
          const times = (wanted: (traced: (typeof own)[number]) => boolean): number => own.filter(wanted).length;
          assert.equal(
            times((traced) => traced.skipped === 'filter'),
            one.filtered,
          );
          assert.equal(
            times((traced) => traced.skipped === 'settled'),
            one.settled,
          );
          assert.equal(
            times((traced) => traced.skipped === null && !traced.released),
            one.seen,
          );
          assert.equal(
            times((traced) => traced.skipped === null && traced.verdict === 'FORWARD'),
            one.forwarded,
          );
          assert.equal(
            times((traced) => traced.verdict === 'DROP'),
            one.dropped,
          );
          assert.equal(
            times((traced) => traced.verdict === 'ICMP_ON_DROP'),
            one.rejected,
          );
          assert.equal(
            times((traced) => traced.verdict === 'HELD'),
            one.held,
          );
          assert.equal(
            times((traced) => traced.changed !== null),
            one.changed,
          );
          assert.equal(
            times((traced) => traced.reason !== null),
            one.reasons.reduce((sum, { count }) => sum + count, 0),
          );
        }
      });
});

describe('one packet', () => {
  test('says verdict, reason, time and source line of each hook, and what firehook did', () => {
    const lines = explain(0, DEMO, '-c', config);
    const rejected = lines.filter(({ trace }) => trace.verdict === 'rejected');
    assert.equal(rejected.length, 6);
    const [first] = rejected;
    assert.deepEqual(
      first?.trace.hooks.map(({ hook, verdict, reason, skipped }) => [hook, verdict, reason, skipped]),
      [
        ['drop-port', 'FORWARD', null, null],
        ['reject-port', 'ICMP_ON_DROP', 'tcp port 23', null],
      ],
    );
    assert.deepEqual([first?.trace.by, first?.trace.reason, first?.trace.cause], ['reject-port', 'tcp port 23', null]);
    assert.equal(first?.trace.counted.icmpErrors, 1);
    assert.match(first?.trace.hooks[1]?.place ?? '', /\/hooks\/reject-port\.ts:\d+:\d+$/);
    assert.ok(first?.trace.hooks.every(({ ns }) => ns > 0));
    assert.deepEqual([first?.event_type, first?.proto, first?.dest_port], ['trace', 'TCP', 23]);
    const dropped = lines.find(({ trace }) => trace.verdict === 'dropped')?.trace;
    assert.deepEqual([dropped?.by, dropped?.reason, dropped?.cause], ['drop-port', 'udp port 53', 'droppedByHook']);
    assert.equal(dropped?.hooks.length, 1, 'the hook behind it was not called');
    const arp = lines[0]?.trace;
    assert.deepEqual([arp?.hooks, arp?.verdict, arp?.counted.nonIp, lines[0]?.src_ip], [[], 'forwarded', 1, undefined]);
  });

  test('is alone with its number, judged behind those before it', () => {
    const all = explain(0, DEMO, '-c', config);
    const strip = (line: Line | undefined): object => ({
      ...line,
      trace: { ...line?.trace, hooks: line?.trace.hooks.map((hook) => ({ ...hook, ns: 0 })) },
    });
    for (const number of [1, 17, 40]) {
      const lines = explain(0, DEMO, '-c', config, '--packet', String(number));
      assert.equal(lines.length, 1);
      assert.deepEqual(strip(lines[0]), strip(all[number - 1]));
      assert.equal(lines[0]?.trace.packet, number);
    }
  });

  for (const [packet, reason] of [
    ['41', /there is no packet 41; there are 40 packets/],
    ['0', /0 is no number of a packet/],
    ['-1', /-1 is no number of a packet/],
    ['1e3', /1e3 is no number of a packet/],
  ] as const)
    test(`that is not there is an error of usage: ${packet}`, () => {
      const { code, stderr } = runFirehook('explain', DEMO, '-c', config, `--packet=${packet}`);
      assert.equal(code, 2);
      assert.match(stderr, reason);
    });

  test('says what its hook was at fault with, where, and what it wrote; no line moves a cursor', () => {
    const lines = explain(1, DEMO, '--hook', odd);
    const telnet = lines.find(({ dest_port }) => dest_port === 23)?.trace;
    assert.deepEqual([telnet?.verdict, telnet?.cause, telnet?.by], ['dropped', 'droppedByFault', 'odd']);
    assert.equal(telnet?.hooks[0]?.faults, 1);
    assert.match(telnet?.faults[0]?.text ?? '', /threw: no .*telnet \(.*odd\.ts:11:\d+\)/s);
    const query = lines.find(({ dest_port }) => dest_port === 53)?.trace.hooks[0];
    assert.equal(query?.reason, "seen's own");
    // The time to live, and the checksum of the header.
    assert.ok(query?.changed !== null && (query?.changed?.octets ?? 0) >= 2);
    assert.equal(query?.changed?.first, 8);
    const waited = lines.filter(({ trace }) => trace.resumed);
    assert.ok(waited.length > 0);
    for (const { trace } of waited) {
      assert.deepEqual(
        trace.hooks.map(({ verdict, released }) => [verdict, released]),
        [['FORWARD', true]],
      );
      const held = lines.find((line) => line.trace.packet === trace.packet);
      assert.equal(held?.trace.verdict, 'held');
    }
    const { stdout } = runFirehook('explain', DEMO, '--hook', odd);
    assert.ok(!stdout.includes('\u001b'));
    assert.match(stdout, /^ {2}odd {2}DROP \(fault\) .* us .*odd\.ts:\d+:\d+$/m);
    assert.match(stdout, /^ {2}! odd: threw: no \\x1b\[2J telnet/m);
    assert.match(stdout, /^ {2}= dropped by odd, which was at fault/m);
    assert.match(
      stdout,
      /^ {2}odd {2}FORWARD +seen's own +[\d.]+ us {2}\d octets from 8 on, 57 afterwards {2}.*odd\.ts/m,
    );
  });
});
