/**
 * A frame of firehook's own through each detour, end to end: what the parts look like says less than a frame that comes through.
 *
 * ```
 *   near end ─> far end ─> lane ─> far end ─> near end ─> redirect ─> ingress of the port: counted, dropped       host in
 *   near end ─> far end ─> lane ─> egress of the port (of a bridge: of the other port): counted, dropped          the others
 * ```
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises';
import { ETHERTYPE_PROBE, PROBE_COOKIE } from '../lane/probe.ts';
import { loadNative } from '../native/load-native.ts';
import type { Attachment } from './attach/attachment.ts';
import { type DetourSpec, detoursOf } from './attach/detours.ts';
import type { Damage } from './contract.ts';
import type { CounterTotals } from './counter-totals.ts';
import type { Link } from './link.ts';
import { STOLEN_MARK } from './marks.ts';

/** A probe that has not come through after this long did not. */
const TIMEOUT_MS = 1000;
const LOOK_MS = 10;
/** Shortest frame of Ethernet without its checksum. */
const FRAME_OCTETS = 60;

/** A probe on its way. */
interface Probe {
  readonly spec: DetourSpec;
  /** Where it is counted. */
  readonly ifindex: number;
  readonly counter: string;
  readonly before: number;
}

/** Probes the detours of an attachment that stand; what did not come through. Without detours nothing. */
export async function probeDetours(
  attachment: Attachment,
  links: ReadonlyMap<string, Link>,
  counters: CounterTotals,
): Promise<Damage[]> {
  const end = performance.now() + TIMEOUT_MS;
  let waiting: Probe[] = [];
  for (const spec of detoursOf(attachment)) {
    const ifindex = exitOf(attachment, spec);
    const counter = `probe_${spec.deliveredMark !== 0 ? 'in' : 'out'}`;
    waiting.push({ spec, ifindex, counter, before: (await counters.now(ifindex)).get(counter) ?? 0 });
  }
  for (const { spec } of waiting) {
    const near = links.get(spec.near);
    // An end that is gone or down is found by looking; the frame goes nowhere.
    if (near !== undefined) trySend(near.ifindex, spec);
  }
  while (waiting.length > 0) {
    const came = new Map<number, ReadonlyMap<string, number>>();
    for (const { ifindex } of waiting) if (!came.has(ifindex)) came.set(ifindex, await counters.now(ifindex));
    waiting = waiting.filter(({ ifindex, counter, before }) => (came.get(ifindex)?.get(counter) ?? 0) <= before);
    if (waiting.length === 0 || performance.now() > end) break;
    await delay(LOOK_MS);
  }
  return waiting.map(({ spec }) => ({
    what: 'detour',
    text: `${spec.port.name}: a probe frame did not come through ${spec.near}, ${spec.far} within a second`,
  }));
}

/** The port where the probe of a detour comes out. */
function exitOf(attachment: Attachment, { port }: DetourSpec): number {
  return (attachment.links.find(({ ifindex }) => ifindex !== port.ifindex) ?? port).ifindex;
}

function trySend(near: number, { port }: DetourSpec): void {
  try {
    loadNative().sendFrame(near, STOLEN_MARK, probeFrame(port.mac));
  } catch {
    // ENETDOWN, ENXIO: it will not come through, and that is said.
  }
}

/** To the port and from it: no bridge or switch learns anything from it, should it ever get there. */
function probeFrame(mac: string): Uint8Array {
  const address = Uint8Array.from(mac.split(':'), (part) => Number.parseInt(part, 16));
  const frame = new Uint8Array(FRAME_OCTETS);
  frame.set(address, 0);
  frame.set(address, 6);
  frame.set([ETHERTYPE_PROBE >>> 8, ETHERTYPE_PROBE & 0xff], 12);
  frame.set(PROBE_COOKIE, 14);
  return frame;
}
