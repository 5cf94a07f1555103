/**
 * Stock hook `clamp-mss`: lowers the maximum segment size that TCP peers offer each other (RFC 9293, 3.7.1).
 *
 * For paths with a smaller MTU than both ends know of (PPPoE, tunnels). SYN and SYN-ACK of IPv4 and IPv6; the value is
 * never raised. Left as they are: fragments, packets without the option, and options that are malformed or cut off.
 *
 * @module
 */

import { defineHook, FORWARD } from 'firehook';
import { optionsOf, readInteger } from './_options.ts';

/** Options of `clamp-mss`. */
export interface ClampMssOptions {
  /** Largest segment to let through, in octets, 88-65535: the MTU less 40 (IPv4) or 60 (IPv6). */
  readonly mss: number;
}

const TCP_SYN = 2;

export default defineHook({
  name: 'clamp-mss',
  checkable: true,
  // 88 is the smallest value Linux takes for itself; less than that and a connection hardly moves.
  options: optionsOf(['mss'], ({ mss }) => readInteger('mss', mss, 88, 65_535)),
  setup: (maximum) => ({
    onPacket({ tcp, isFragment }) {
      if (tcp === null || isFragment || !tcp.has(TCP_SYN)) return FORWARD;
      if (tcp.mss > maximum) tcp.mss = maximum;
      return FORWARD;
    },
  }),
});
