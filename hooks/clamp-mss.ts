/**
 * Stock hook `clamp-mss`: lowers the maximum segment size that TCP peers offer each other (RFC 9293, 3.7.1).
 *
 * For paths with a smaller MTU than both ends know of (PPPoE, tunnels). SYN and SYN-ACK of IPv4 and IPv6; the value is
 * never raised. Left as they are: fragments, packets without the option, and options that are malformed or cut off.
 *
 * @module
 */

import { defineHook, FORWARD, findTcpOption, updateTransportChecksum16 } from 'firehook';
import { readInteger, readOptions } from './_options.ts';

/** Options of `clamp-mss`. */
export interface ClampMssOptions {
  /** Largest segment to let through, in octets, 88-65535: the MTU less 40 (IPv4) or 60 (IPv6). */
  readonly mss: number;
}

const PROTOCOL_TCP = 6;
const TCP_SYN = 2;
const TCP_DATA_OFFSET = 12;
const OPTION_MSS = 2;
const OPTION_MSS_LENGTH = 4;

let maximum = 65_535;

export default defineHook<ClampMssOptions>({
  name: 'clamp-mss',
  interest: { protocols: [PROTOCOL_TCP] },
  setup(options) {
    // 88 is the smallest value Linux takes for itself; less than that and a connection hardly moves.
    maximum = readInteger('mss', readOptions(options, ['mss']).mss, 88, 65_535);
  },
  onPacket(packet) {
    if (packet.protocol !== PROTOCOL_TCP || packet.isFragment) return FORWARD;
    if ((packet.tcpFlags & TCP_SYN) === 0) return FORWARD;
    const { bytes, transportOffset } = packet;
    const headerLength = ((bytes[transportOffset + TCP_DATA_OFFSET] ?? 0) >>> 4) * 4;
    if (transportOffset + headerLength > packet.length) return FORWARD;
    const option = findTcpOption(bytes, transportOffset, headerLength, OPTION_MSS);
    if (option === -1 || bytes[option + 1] !== OPTION_MSS_LENGTH) return FORWARD;
    const offered = bytes.readUInt16BE(option + 2);
    if (offered <= maximum) return FORWARD;
    bytes.writeUInt16BE(maximum, option + 2);
    // The checksum adds up 16-bit words counted from the TCP header. Behind a NOP the value straddles two of them: it
    // then counts with its octets swapped.
    const isAligned = (option - transportOffset) % 2 === 0;
    updateTransportChecksum16(
      bytes,
      transportOffset,
      PROTOCOL_TCP,
      isAligned ? offered : swapOctets(offered),
      isAligned ? maximum : swapOctets(maximum),
    );
    return FORWARD;
  },
});

function swapOctets(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
