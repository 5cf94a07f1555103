/**
 * What each stock hook costs a packet, in nanoseconds of processor time: for the table in docs/hook-costs.md.
 *
 * ```
 *   node --import tsx test/bench/stock-hooks.bench.ts [--packets N] [--rounds N] [--hook NAME]        no root
 *   a lab with the hook ─ less ─ a lab with one that does nothing, opened in turns; the median of the rounds
 * ```
 * Rule: a hook meets a packet that it has to look at to the end, and one that is not its business. It stands in a lab as its configuration would
 * set it up: with its filter, its tables and its flows.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { FORWARD } from '../../src/firewall/constants.ts';
import type { DefinedHook } from '../../src/hook/contract.ts';
import { defineHook } from '../../src/hook/define-hook.ts';
import { type From, type LabHook, openLab } from '../../src/testing/index.ts';
import { ipv4, tcp, udp } from '../support/packet-builder.ts';
import { median } from './measure.ts';

const SYN = 2;
const ACK = 16;
const QUERY = Buffer.from('1234010000010000000000000377777707656578616d706c650000010001', 'hex');
const CLIENT = '10.0.0.7';
const ASKS = ipv4({ source: CLIENT }, udp({ sourcePort: 5000, destinationPort: 53 }, QUERY));
const OPENS = ipv4(
  { source: CLIENT },
  tcp({ destinationPort: 22, flags: SYN, options: Buffer.from('020405b4', 'hex') }),
);
const DATA = ipv4({ source: CLIENT }, tcp({ destinationPort: 443, flags: ACK }, Buffer.alloc(600, 'x')));
const OUTSIDE = ipv4({ source: '192.0.2.1' }, udp());

/** Options, a packet that is the hook's business, and one that is not. */
const CASES: Readonly<Record<string, readonly [options: object, own: Buffer, other: Buffer]>> = {
  'pass-all': [{}, DATA, DATA],
  'drop-port': [{ protocol: 'tcp', ports: [23] }, DATA, ASKS],
  'reject-port': [{ protocol: 'tcp', ports: [23] }, DATA, ASKS],
  'block-list': [{ table: 'blocked' }, DATA, DATA],
  'dns-filter': [{ names: ['ads.example'] }, ASKS, DATA],
  impair: [{ lossPercent: 0.0001, seed: 1 }, DATA, DATA],
  mirror: [{ to: 'ids0', filter: 'tcp' }, DATA, ASKS],
  nat: [{ oneToOne: { '10.0.0.0/24': '203.0.113.0/24' } }, DATA, OUTSIDE],
  'port-knock': [{ port: 22, sequence: [7000, 8000] }, OPENS, DATA],
  'rate-limit': [{ packetsPerSecond: 1_000_000 }, DATA, DATA],
  'clamp-mss': [{ mss: 1400 }, OPENS, DATA],
  'packet-filter': [{ rules: ['drop tcp from 192.0.2.0/24 to any port 22', 'default pass'] }, DATA, ASKS],
  'rewrite-payload': [{ protocol: 'tcp', port: 443, find: '10.0.0.7', replace: '10.0.0.8' }, DATA, ASKS],
  'syn-guard': [{ ports: [22] }, OPENS, ASKS],
};
const NOTHING: LabHook = { hook: defineHook({ name: 'nothing', onPacket: () => FORWARD }) };
const TABLES = { blocked: ['192.0.2.0/24', '2001:db8::/32'] };

const { values } = parseArgs({
  options: { packets: { type: 'string' }, rounds: { type: 'string' }, hook: { type: 'string' } },
});
const packets = Number(values.packets ?? 50_000);
const rounds = Number(values.rounds ?? 15);

/** Nanoseconds of processor time a packet in a lab with this hook: what else runs on the machine does not count. */
async function spent(entry: LabHook, datagram: Buffer, from: From): Promise<number> {
  const lab = await openLab(entry, { tables: TABLES });
  const flood = lab.prepareFlood([datagram], { from });
  // What V8 compiles for the hooks of this lab it compiles now.
  flood(packets);
  const before = process.cpuUsage();
  flood(packets);
  const { user, system } = process.cpuUsage(before);
  await lab.close();
  return ((user + system) * 1000) / packets;
}

for (const [name, [options, own, other]] of Object.entries(CASES)) {
  if (values.hook !== undefined && values.hook !== name) continue;
  const module = new URL(`../../hooks/${name}.ts`, import.meta.url).href;
  const { default: hook } = (await import(module)) as { default: DefinedHook };
  // What it guards is inside.
  const side = name === 'syn-guard' ? 'b' : 'a';
  const costs: string[] = [];
  for (const datagram of [own, other]) {
    const entry: LabHook = Object.keys(options).length === 0 ? { hook } : { hook, options };
    const differences: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const base = await spent(NOTHING, datagram, side);
      differences.push((await spent(entry, datagram, side)) - base);
    }
    costs.push(`${median(differences).toFixed(0)} ns`);
  }
  console.log(`${name}: ${costs.join(', else ')}`);
}
