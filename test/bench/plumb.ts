/**
 * The plumbing of a bridge without firehook's lane, for the yardstick to stand where the lane would.
 *
 * ```
 *   node --import tsx test/bench/plumb.ts cut|whole|port lan0 wan0
 *   prepare ─> engage ─> renew the lease, again and again ─> SIGTERM ─> undo
 * ```
 * Prints one line of JSON when it stands: the devices to capture on and to inject into. Super-frames arrive there cut, as
 * libpcap needs them, or whole; with `port` the devices to capture on are the ports themselves. Rule: the code that makes the
 * detours and the nft tables is the supervisor's own, so that both sides of a comparison have the same way to go.
 *
 * @module
 */

import { type Attachment, engage, findLinks, layOut, prepare, undo } from '../../src/plumbing/attach.ts';
import { Lease } from '../../src/plumbing/lease.ts';
import { readLinks } from '../../src/plumbing/links.ts';
import { Fence } from '../../src/supervisor/fence.ts';

/** What the driver adds to the capture length for VLAN tags, in octets. */
const TAG_ROOM = 16;
/** As often as the supervisor does it. */
const RENEW_EVERY_MS = 200;

const [mode, ...interfaces] = process.argv.slice(2);
const [a, b] = findLinks(interfaces, 'bridge', readLinks());
if ((mode !== 'cut' && mode !== 'whole' && mode !== 'port') || a === undefined || b === undefined)
  throw new Error('usage: plumb.ts cut|whole|port INTERFACE INTERFACE');
const attachment: Attachment = { kind: 'bridge', links: [a, b], takesAt: mode === 'port' ? 'port' : 'detour' };

prepare(attachment, mode === 'cut' ? 'cut' : 'whole');
engage(attachment, 'drop', new Map());
// The yardstick has no fence to look at: nothing lapses in a bench.
const fence = new Fence();
const lease = new Lease(fence, (text) => console.error(text));
lease.setPorts([a.ifindex, b.ifindex]);
lease.renew();
const timer = setInterval(() => lease.renew(), RENEW_EVERY_MS);

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    clearInterval(timer);
    lease.stop();
    fence.release();
    undo(attachment);
  });
}

const { ways, ports } = layOut(attachment, 0, readLinks());
console.log(
  JSON.stringify({
    snaplen: (ports[0]?.captureLength ?? 0) + TAG_ROOM,
    pairs: ways.map((way) => ({ capture: ports[way.inPort]?.capture?.name, inject: ports[way.outPort]?.send?.name })),
  }),
);
