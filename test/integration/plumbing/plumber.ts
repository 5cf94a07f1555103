/**
 * The real plumbing inside a namespace, worked from a test: a line of JSON in is a call, a line of JSON out its result.
 *
 * ```
 *   {"method": "protect", "onDown": "drop", "tolerated": []}  ─>  {"value": null} or {"error": "..."}
 * ```
 * Rule: a test's process stays outside of the namespaces; what has to be inside is this program.
 *
 * @module
 */

import { createInterface } from 'node:readline';
import type { Attachment } from '../../../src/plumbing/attach/attachment.ts';
import { detoursOf } from '../../../src/plumbing/attach/detours.ts';
import { findLinks } from '../../../src/plumbing/attach/find-links.ts';
import { hostAttachment } from '../../../src/plumbing/attach-entry.ts';
import { detourOf } from '../../../src/plumbing/detour-keeper.ts';
import { KernelPlumbing } from '../../../src/plumbing/kernel-plumbing.ts';
import type { Link } from '../../../src/plumbing/link.ts';

/** What a test can have done. */
export type Call =
  | { readonly method: 'protect'; readonly onDown: 'drop' | 'forward'; readonly tolerated: readonly string[] }
  | { readonly method: 'equip'; readonly superFrames: 'cut' | 'whole' }
  | {
      readonly method:
        | 'inspect'
        | 'probe'
        | 'counters'
        | 'undo'
        | 'disengage'
        | 'detours'
        | 'find'
        | 'leftovers'
        | 'mark';
    }
  | { readonly method: 'earlierTakers'; readonly tolerated: readonly string[] }
  | { readonly method: 'hold'; readonly isHeld: boolean }
  | { readonly method: 'lock' | 'state' | 'unlock' | 'traces' | 'close' | 'changes' };

const plumbing = new KernelPlumbing();
const [kind = 'host', ...names] = process.argv.slice(2);
let attachment: Attachment | null = null;
let changes = 0;
plumbing.onChange(() => {
  changes += 1;
});

/** The attachment as it was found at first, or when the test asked for it again. */
async function find(): Promise<Attachment> {
  const links = await plumbing.readLinks();
  const isHost = kind === 'host' || kind === 'host-by-group';
  const found = findLinks(names, isHost ? 'host' : 'bridge', links);
  const takesAt = kind === 'bridge-at-port' ? 'port' : 'detour';
  const [port] = found;
  attachment =
    isHost && port !== undefined
      ? hostAttachment(port, kind === 'host' ? 'afpacket' : 'pcap')
      : ({ kind: 'bridge', links: found, takesAt } as unknown as Attachment);
  return attachment;
}

async function run(call: Call): Promise<unknown> {
  const its = attachment ?? (await find());
  const ports = its.links.map(({ ifindex }) => ifindex);
  const links: ReadonlyMap<string, Link> = await plumbing.readLinks();
  switch (call.method) {
    case 'mark':
      return its.kind === 'host' ? its.deliveredMark : 0;
    case 'find':
      return (await find()).links;
    case 'protect':
      return await plumbing.protect(its, call.onDown, call.tolerated);
    case 'equip':
      return await plumbing.equip(its, call.superFrames);
    case 'inspect':
      return (await plumbing.inspect(its, links)).map(({ what, text }) => `${what}: ${text}`);
    case 'probe':
      return await plumbing.probe(its);
    case 'earlierTakers':
      return await plumbing.earlierTakers(its, links, call.tolerated);
    case 'counters':
      return Object.fromEntries(await plumbing.counters(ports));
    case 'leftovers':
      return [...(await plumbing.leftovers(ports)).keys()];
    case 'undo':
      return await Promise.all(ports.map((ifindex) => plumbing.undo(ifindex)));
    case 'disengage':
      return await Promise.all(ports.map((ifindex) => plumbing.disengage(ifindex)));
    case 'detours':
      return detoursOf(its).map((spec) => detourOf(spec, links));
    case 'traces':
      return await plumbing.findTraces();
    case 'lock':
      return its.links.map((link) => plumbing.lock(link));
    case 'unlock':
      return ports.map((ifindex) => plumbing.unlock(ifindex));
    case 'hold':
      plumbing.lease.setPorts(ports);
      plumbing.lease.beat();
      return plumbing.lease.allow(call.isHeld);
    case 'state':
      plumbing.lease.beat();
      return plumbing.lease.state;
    case 'changes':
      return changes;
    case 'close':
      return plumbing.close();
    default:
      return call satisfies never;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer: object;
  try {
    answer = { value: (await run(JSON.parse(line) as Call)) ?? null };
  } catch (error) {
    answer = { error: (error as Error).message };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
