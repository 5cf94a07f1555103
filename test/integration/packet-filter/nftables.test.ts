/**
 * `packet-filter` against nftables: the same rules, the same frames, and of every frame the same rule.
 *
 * ```
 *   frames ──> sender ═══ receiver: a table of nftables for each rule set; each writes down which frame its rules decided
 *     └──────> lane ─> hook chain ─> RuleFilter of the same rule set          the same rule for each frame?
 *     └──────> firehook replay with the stock hook and a file of the rules    the same number of packets for each rule?
 * ```
 * TCP, UDP, SCTP, ICMP and others over IPv4 and IPv6, with VLAN tags, extension headers and fragments, in by two interfaces.
 *
 * Where the two differ on purpose:
 * - A later fragment has no ports for the hook; nftables takes the data in their place for ports. The translation says "no later
 *   fragment" wherever a rule asks for ports, flags or types.
 * - nftables looks at malformed packets, which no hook sees, and calls an IPv6 packet that is its own only fragment (RFC 6946) a
 *   fragment, which the hook does not. The frames here have neither.
 *
 * @see nft(8)
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { RuleFilter } from '../../../hooks/_packet-filter/compile.ts';
import { parseRules } from '../../../hooks/_packet-filter/parse.ts';
import { FORWARD } from '../../../src/firewall/constants.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { HookChain } from '../../../src/hook/hook-chain.ts';
import { Random } from '../../chaos/random.ts';
import { frameOf } from '../../support/frame-of.ts';
import { sendFrames } from '../../support/frames.ts';
import type { Lab, LabOwner } from '../../support/netns.ts';
import { createLab, rootOnly, waitFor } from '../../support/netns.ts';
import { ethernet } from '../../support/packet-builder.ts';
import {
  datagramOf,
  INTERFACES,
  type PacketSpec,
  type RuleSpec,
  randomExtensions,
  randomPacket,
  randomRule,
  ruleText,
} from '../../support/rule-sets.ts';
import { runFirehook } from '../../unit/cli/run-firehook.ts';
import { bridgeWay, hook, quietLane } from '../../unit/lane/lane-rig.ts';
import { composeCapture } from '../../unit/wire/savefile-captures.ts';
import { type Found, frameSource, nftTable, readFound } from './nft-rules.ts';

const FRAMES = 5_000;
const SETS = 48;
const REPLAYED = 4;
const DEVICES = ['lan0', 'wan0'];
/** From one of them to the other, both ways. */
const WAYS = [
  bridgeWay({ recvInterfaceIndex: INTERFACES['lan0'] ?? 0 }),
  bridgeWay({ name: 'b > a', inPort: 1, outPort: 0, otherPort: 1, recvInterfaceIndex: INTERFACES['wan0'] ?? 0 }),
];
const HOOK = fileURLToPath(new URL('../../../hooks/packet-filter.ts', import.meta.url));
const PCAP = { title: 'pcap', format: 'pcap', bigEndian: false, resolution: 6 } as const;

const random = new Random(77_001);
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-nftables-'));
// A replay by root reads hooks and rules as another user.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

interface Sent {
  readonly spec: PacketSpec;
  readonly frame: Buffer;
}

function framesToSend(): Sent[] {
  return Array.from({ length: FRAMES }, (_, number) => {
    const spec: PacketSpec = { ...randomPacket(random), arrival: random.pick(DEVICES) };
    const extensions = spec.version === 6 && random.once(4) ? randomExtensions(random) : [];
    const tags = random.once(5) ? [{ id: 1 + random.below(4_000) }] : [];
    return { spec, frame: ethernet({ source: frameSource(number), tags }, datagramOf(spec, extensions)) };
  });
}

/** Rule sets; every third one without interfaces, so that it can be replayed. */
function ruleSets(): RuleSpec[][] {
  return Array.from({ length: SETS }, (_, set) =>
    Array.from({ length: 4 + random.below(40) }, (_unused, index): RuleSpec => {
      const rule = randomRule(random);
      const on = set % 3 !== 0 && random.once(4) ? { on: [random.pick(DEVICES)] } : {};
      return { ...rule, ...on, count: `r${index}` };
    }),
  );
}

const table = (set: number): string => `set${set}`;

async function receiver(owner: LabOwner, sets: readonly RuleSpec[][]): Promise<Lab<'receiver' | 'sender'>> {
  const lab = await createLab(owner, {
    namespaces: { sender: {}, receiver: {} },
    links: [
      [
        { in: 'sender', name: 'lan0' },
        { in: 'receiver', name: 'lan0' },
      ],
      [
        { in: 'sender', name: 'wan0' },
        { in: 'receiver', name: 'wan0' },
      ],
    ],
  });
  const tables = sets.map((rules, set) => nftTable(table(set), rules, set, DEVICES));
  // Behind all of them: nothing is to answer.
  tables.push(
    `table netdev end { chain in { type filter hook ingress devices = { ${DEVICES.join(', ')} } priority 1000; counter drop; }; }`,
  );
  await lab.ns.receiver.output('nft', ['-f', '-'], { input: tables.join('\n') });
  return lab;
}

/** Sends every frame by the interface that it is to arrive at, and reads what the kernel has found. */
async function askKernel(
  owner: LabOwner,
  sets: readonly RuleSpec[][],
  sent: readonly Sent[],
): Promise<Map<string, Found>> {
  const { ns } = await receiver(owner, sets);
  for (const device of DEVICES) {
    const own = sent.filter(({ spec }) => spec.arrival === device).map(({ frame }) => frame);
    await sendFrames(ns.sender, device, own);
  }
  return waitFor(
    async () => {
      const found = readFound(await ns.receiver.output('nft', ['-j', 'list', 'ruleset']));
      return [...found.values()].every(({ ruleOf }) => ruleOf.size === FRAMES) && found;
    },
    { what: 'all frames in all tables' },
  );
}

/** Number of the rule for each frame, through a lane and a hook chain. */
function askHook(rules: readonly RuleSpec[], sent: readonly Sent[]): number[] {
  const text = rules.map((rule) => ruleText(rule)).join('\n');
  const filter = new RuleFilter(parseRules(text, 'rules'), {
    interfaceIndex: (name) => INTERFACES[name] ?? null,
    interfaces: 'those of the test',
  });
  const found: number[] = [];
  const chain = new HookChain({
    hooks: [
      hook('packet-filter', (packet, context) => {
        found.push(filter.find(packet, context));
        return FORWARD;
      }),
    ],
    onHookError: 'drop',
    pool: new Pool(1 << 20),
    onFault: (_hook, reason) => assert.fail(reason),
  });
  const lane = quietLane(chain, WAYS);
  for (const { spec, frame } of sent) lane.onFrame(frameOf(frame, { port: DEVICES.indexOf(spec.arrival) }));
  assert.equal(found.length, sent.length, 'the hook saw every frame');
  return found;
}

/** Packets by name of the counter, as the stock hook writes them down at the end of a replay. */
function replayed(rules: readonly RuleSpec[], capture: string): Map<string, number> {
  const lines = [...rules.map((rule) => ruleText(rule)), 'default pass count none'];
  writeFileSync(path.join(folder, 'rules.txt'), lines.join('\n'));
  const config = {
    attach: [{ bridge: ['lan0', 'wan0'] }],
    hooks: [{ module: HOOK, options: { file: './rules.txt' }, allow: { files: ['./rules.txt'] } }],
  };
  writeFileSync(path.join(folder, 'firehook.yaml'), JSON.stringify(config));
  const { code, stderr } = runFirehook('replay', capture, '-c', path.join(folder, 'firehook.yaml'));
  assert.equal(code, 0, stderr);
  const counts = new Map<string, number>();
  for (const [, name = '', packets] of stderr.matchAll(/\b(r\d+|none) (\d+) packets/g))
    counts.set(name, Number(packets));
  assert.equal(counts.size, rules.length + 1, stderr);
  return counts;
}

describe('packet-filter and nftables say the same', { skip: rootOnly() }, () => {
  const sets = ruleSets();
  const sent = framesToSend();
  let kernel: Map<string, Found>;

  test(`of ${FRAMES} frames and ${SETS} rule sets, each frame to the same rule`, async (t) => {
    kernel = await askKernel(t, sets, sent);
    let hits = 0;
    for (const [set, rules] of sets.entries()) {
      const { ruleOf } = kernel.get(table(set)) as Found;
      for (const [frame, own] of askHook(rules, sent).entries()) {
        const theirs = ruleOf.get(frame);
        if (own !== theirs) {
          const [mine, other] = [own, theirs].map((index) => ruleText(rules[index ?? 0] ?? { action: 'pass' }));
          assert.fail(`set ${set}: hook ${own} ${mine}; kernel ${theirs} ${other}; ${JSON.stringify(sent[frame])}`);
        }
        if (own < rules.length) hits += 1;
      }
    }
    t.diagnostic(`${hits} of ${FRAMES * SETS} judgements were those of a rule`);
    assert.ok(hits > (FRAMES * SETS) / 4 && hits < FRAMES * SETS * 0.95, `${hits}`);
  });

  test('and count the same for each rule, in a replay of the capture', () => {
    const records = sent.map(({ frame }) => ({ bytes: frame }));
    const capture = path.join(folder, 'frames.pcap');
    writeFileSync(capture, composeCapture(PCAP, records));
    for (const set of Array.from({ length: REPLAYED }, (_, index) => 3 * index)) {
      const rules = sets[set] as RuleSpec[];
      const counts = replayed(rules, capture);
      const { packets } = kernel.get(table(set)) as Found;
      const own = [...rules.map((_, index) => counts.get(`r${index}`)), counts.get('none')];
      assert.deepEqual(
        own,
        Array.from(own, (_, index) => packets[index] ?? 0),
        `set ${set}`,
      );
    }
  });
});
