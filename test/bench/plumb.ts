/**
 * The plumbing of a bridge without firehook's lane, for the yardstick to stand where the lane would.
 *
 * ```
 *   node --import tsx test/bench/plumb.ts cut|whole|port lan0 wan0
 *   protect ─> equip ─> the lease held by the addon's thread ─> SIGTERM ─> undo
 * ```
 * Prints one line of JSON when it stands: the devices to capture on and to inject into. Super-frames arrive there cut, as
 * libpcap needs them, or whole; with `port` the devices to capture on are the ports themselves. Rule: the code that makes the
 * detours and the nft tables is the supervisor's own, so that both sides of a comparison have the same way to go.
 *
 * @module
 */

import type { Attachment } from '../../src/plumbing/attach/attachment.ts';
import { findLinks } from '../../src/plumbing/attach/find-links.ts';
import { layOut } from '../../src/plumbing/attach/lay-out.ts';
import { KernelPlumbing } from '../../src/plumbing/kernel-plumbing.ts';

/** What the driver adds to the capture length for VLAN tags, in octets. */
const TAG_ROOM = 16;
/** Often enough for the lease to take this process for alive. */
const BEAT_EVERY_MS = 200;

const plumbing = new KernelPlumbing();
const [mode, ...interfaces] = process.argv.slice(2);
const [a, b] = findLinks(interfaces, 'bridge', await plumbing.readLinks());
if ((mode !== 'cut' && mode !== 'whole' && mode !== 'port') || a === undefined || b === undefined)
  throw new Error('usage: plumb.ts cut|whole|port INTERFACE INTERFACE');
const attachment: Attachment = { kind: 'bridge', links: [a, b], takesAt: mode === 'port' ? 'port' : 'detour' };

await plumbing.protect(attachment, 'drop', []);
await plumbing.equip(attachment, mode === 'cut' ? 'cut' : 'whole');
// Without lanes that have to move, the lease lasts for as long as this process is alive.
plumbing.lease.setPorts([a.ifindex, b.ifindex]);
plumbing.lease.allow(true);
const timer = setInterval(() => plumbing.lease.beat(), BEAT_EVERY_MS);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    clearInterval(timer);
    void takeBack();
  });
}

async function takeBack(): Promise<void> {
  plumbing.lease.close(true);
  for (const { ifindex } of attachment.links) await plumbing.undo(ifindex);
  plumbing.close();
}

const { ways, ports } = layOut(attachment, 0, await plumbing.readLinks());
console.log(
  JSON.stringify({
    snaplen: (ports[0]?.captureLength ?? 0) + TAG_ROOM,
    pairs: ways.map((way) => ({ capture: ports[way.inPort]?.capture?.name, inject: ports[way.outPort]?.send?.name })),
  }),
);
