/**
 * What is sent through firehook, and the hook that tells one from the other.
 *
 * ```
 *   one end ──7002, forwarded──> firehook ──> other end      lost, received twice, back after so long
 *   one end ──7001, dropped────> firehook ─/                 whatever arrives has met no hook
 * ```
 * Rule: in both directions, over IPv4 and IPv6 in turn. On a bridge the machine's own stack listens too.
 *
 * @module
 */

import type { Namespace } from '../support/lab.ts';
import type { FlowSpec } from '../support/traffic.ts';
import type { Cables } from './ports.ts';

/** Of what the hook drops. */
export const DROPPED_PORT = 7001;
/** Of what the hook lets through. */
export const FORWARDED_PORT = 7002;

/** Source of the hook. */
export const HOOK: string = `
  import { DROP, defineHook, FORWARD } from 'firehook';
  export default defineHook({
    name: 'drop-${DROPPED_PORT}',
    onPacket(packet) {
      return packet.protocol === 17 && packet.destinationPort === ${DROPPED_PORT} ? DROP : FORWARD;
    },
  });
`;

/** Between the outermost ends both ways; what is dropped goes to each port of a bridge as well. */
export function flowsOf({ ports }: Cables): FlowSpec[] {
  const [first, second] = ports;
  if (first === undefined) return [];
  const left = first.far;
  const right = second?.far ?? first.own;
  const pairs = [
    [left, right],
    [right, left],
  ] as const;
  const toPorts = second === undefined ? [] : ports.map(({ own, far }) => [far, own] as const);
  const spec = (port: number, [from, to]: (typeof pairs)[number] | (typeof toPorts)[number]): FlowSpec => ({
    name: `${hostOf(from.ns)} to ${hostOf(to.ns)}, port ${port}`,
    from: from.ns,
    to: to.ns,
    port,
    addresses: to.addresses.map((address) => address.split('/')[0] ?? ''),
  });
  return [
    ...pairs.map((pair) => spec(FORWARDED_PORT, pair)),
    ...[...pairs, ...toPorts].map((pair) => spec(DROPPED_PORT, pair)),
  ];
}

/** The last part of the name of a namespace. */
function hostOf(ns: Namespace): string {
  return ns.name.split('-').at(-1) ?? '';
}
