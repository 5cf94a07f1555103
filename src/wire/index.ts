/**
 * Bytes to fields and back: the codecs of firehook, and the barrel that re-exports them.
 *
 * Every protocol is a namespace with the same verbs, over `(bytes, offset)`, in place:
 * ```
 *  checkLength      is the header there? Ask before any reader
 *  ttl, flags ...   read a field          setTtl, setFlags ...   write it, checksum untouched
 *  fillChecksum     compute and write     verifyChecksum         compute and compare
 *  emit             write a whole header from an object of fields
 * ```
 * From a frame to a datagram: `networkOffset` (link header) then `parseIpLayout` (well formed? where is what?). For
 * hooks that change packets: `fillChecksums`, `updateTransportChecksum16`. The savefile format has its own door.
 *
 * Floor 0: imports nothing above itself. Rule: malformed input is a return value, and nothing allocates except the text
 * helpers.
 *
 * @module
 */

export type { Prefix } from './address.ts';
export {
  formatAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parseCidr,
  parseIpv4,
  parseIpv6,
} from './address.ts';
export { readU8, readU16, readU32, writeU16, writeU32 } from './bytes.ts';
export {
  checksum,
  fold,
  pseudoHeaderSumIpv4,
  pseudoHeaderSumIpv6,
  sum,
  updateChecksum16,
  updateChecksum32,
} from './checksum.ts';
export { completeTransportChecksum, fillChecksums, updateTransportChecksum16 } from './datagram.ts';
export * as ethernet from './ethernet.ts';
export * as icmpv4 from './icmpv4.ts';
export * as icmpv6 from './icmpv6.ts';
export { IpLayout, parseIpLayout } from './ip-layout.ts';
export * as ipv4 from './ipv4.ts';
export * as ipv6 from './ipv6.ts';
export {
  DLT_RAW,
  DLT_RAW_OPENBSD,
  isKnownLinktype,
  isLinkBroadcast,
  isLinkMulticast,
  LINKTYPE_ETHERNET,
  LINKTYPE_IPV4,
  LINKTYPE_IPV6,
  LINKTYPE_LINUX_SLL,
  LINKTYPE_LINUX_SLL2,
  LINKTYPE_LOOP,
  LINKTYPE_NULL,
  LINKTYPE_RAW,
  networkOffset,
} from './link.ts';
export * as tcp from './tcp.ts';
export * as udp from './udp.ts';
