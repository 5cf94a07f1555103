/**
 * What each stock hook costs a packet, in nanoseconds: for the table in docs/hook-costs.md.
 *
 * ```
 *   node --import tsx test/bench/stock-hooks.bench.ts [--packets N] [--rounds N]                       no root
 * ```
 * Rule: a hook meets a packet that it has to look at to the end, and one that is not its business.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { FORWARD } from '../../src/firewall/constants.ts';
import type { DefinedHook } from '../../src/hook/contract.ts';
import { buildPrefixTable } from '../../src/prefix/build-table.ts';
import { PrefixTable } from '../../src/prefix/prefix-table.ts';
import { parseCidr } from '../../src/wire/address.ts';
import { handlersOf, loadedHook } from '../support/loaded-hook.ts';
import { ipv4, tcp, udp } from '../support/packet-builder.ts';
import { checked, quietRuntime } from '../unit/hooks/drive-hook.ts';
import { costOf } from './one-hook-lane.ts';

const SYN = 2;
const QUERY = Buffer.from('1234010000010000000000000377777707656578616d706c650000010001', 'hex');
const ASKS = ipv4({ source: '10.0.0.7' }, udp({ sourcePort: 5000, destinationPort: 53 }, QUERY));
const OPENS = ipv4(
  { source: '10.0.0.7' },
  tcp({ destinationPort: 22, flags: SYN, options: Buffer.from('020405b4', 'hex') }),
);
const DATA = ipv4({ source: '10.0.0.7' }, tcp({ destinationPort: 443, flags: 16 }, Buffer.alloc(600, 'x')));

/** Options, a packet that is the hook's business, and one that is not. */
const CASES: Readonly<Record<string, readonly [options: unknown, own: Buffer, other: Buffer]>> = {
  'pass-all': [undefined, DATA, DATA],
  'drop-port': [{ protocol: 'tcp', ports: [23] }, DATA, ASKS],
  'reject-port': [{ protocol: 'tcp', ports: [23] }, DATA, ASKS],
  'block-list': [{ table: 'blocked' }, DATA, DATA],
  'dns-filter': [{ names: ['ads.example'] }, ASKS, DATA],
  nat: [{ oneToOne: { '10.0.0.0/24': '203.0.113.0/24' } }, DATA, ipv4({ source: '192.0.2.1' }, udp())],
  'port-knock': [{ port: 22, sequence: [7000, 8000] }, OPENS, DATA],
  'rate-limit': [{ packetsPerSecond: 1_000_000 }, DATA, DATA],
  'clamp-mss': [{ mss: 1400 }, OPENS, DATA],
  'packet-filter': [{ rules: ['drop tcp from 192.0.2.0/24 to any port 22', 'default pass'] }, DATA, ASKS],
  'rewrite-payload': [{ protocol: 'tcp', port: 443, find: '10.0.0.7', replace: '10.0.0.8' }, DATA, ASKS],
};
const TABLE = new PrefixTable(
  buildPrefixTable(['192.0.2.0/24', '2001:db8::/32'].map((text) => ({ ...parsed(text), value: 1 }))),
);

function parsed(text: string): NonNullable<ReturnType<typeof parseCidr>> {
  const prefix = parseCidr(text);
  if (prefix === null) throw new Error(text);
  return prefix;
}

const { values } = parseArgs({ options: { packets: { type: 'string' }, rounds: { type: 'string' } } });
const effort = { packets: Number(values.packets ?? 20_000), rounds: Number(values.rounds ?? 41) };

for (const [name, [options, own, other]] of Object.entries(CASES)) {
  const module = new URL(`../../hooks/${name}.ts`, import.meta.url).href;
  const { default: stock } = (await import(module)) as { default: DefinedHook };
  const costs: string[] = [];
  for (const datagram of [own, other]) {
    const runtime = { ...quietRuntime(name), prefixes: () => TABLE };
    const { onPacket = () => FORWARD } =
      (await stock.setup?.(await checked(stock, options), runtime)) ?? handlersOf(stock);
    const flows = stock.flows === true;
    const hook = loadedHook({ name, onPacket, ...(flows ? { flows: true } : {}) });
    costs.push(`${costOf({ hook, datagram, hasFlows: flows }, effort).toFixed(0)} ns`);
  }
  console.log(`${name}: ${costs.join(', else ')}`);
}
