/**
 * The EtherTypes that are known to carry no IP: a closed table.
 *
 * Floor 0. Rule: an EtherType stands here when its own standard leaves no room for an IP datagram in it. When in doubt it is
 * left out: its frames are then unreadable, `policy.unreadable` decides about them, and an operator sees them counted.
 * Left out on purpose, because IP can be inside:
 * ```
 *   6558 transparent Ethernet bridging   8870 jumbo LLC        8899 Realtek (also a tag before the EtherType)
 *   22f3 TRILL    88a4 EtherCAT (EoE)    88b5-88b7 experiments 88e5 MACsec    88e7 802.1ah    8906 FCoE (RFC 4338)
 *   8915 RoCE     8926 VN-Tag            892f HSR              893f 802.1BR   894f NSH        f1c1 802.1CB
 * ```
 * @see the IEEE registry of EtherTypes, and IANA "IEEE 802 Numbers", which repeats what is public of it
 * @module
 */

/** EtherType, what it is, where that is written. */
const TYPES_WITHOUT_IP: readonly (readonly [etherType: number, name: string, source: string])[] = [
  [0x0806, 'ARP', 'RFC 826'],
  [0x0842, 'Wake-on-LAN', 'AMD publication 20213, Magic Packet Technology'],
  [0x22ea, 'stream reservation (MSRP)', 'IEEE 802.1Q, clause 35'],
  [0x22f4, 'IS-IS on layer 2', 'RFC 6325'],
  [0x6001, 'DEC MOP dump and load', 'IANA, IEEE 802 Numbers'],
  [0x6002, 'DEC MOP remote console', 'IANA, IEEE 802 Numbers'],
  [0x8035, 'reverse ARP', 'RFC 903'],
  [0x80f3, 'AppleTalk ARP', 'IANA, IEEE 802 Numbers'],
  [0x8808, 'MAC control (PAUSE)', 'IEEE 802.3, clause 31'],
  [0x8809, 'slow protocols (LACP, marker, OAM, ESMC)', 'IEEE 802.3, annex 57A'],
  [0x8863, 'PPPoE discovery', 'RFC 2516'],
  [0x887b, 'HomePlug 1.0 management', 'IEEE registry of EtherTypes'],
  [0x888e, 'EAP over LAN', 'IEEE 802.1X'],
  [0x8892, 'PROFINET', 'IEC 61158-6-10'],
  [0x88a2, 'ATA over Ethernet', 'IEEE registry of EtherTypes'],
  [0x88ab, 'Ethernet POWERLINK', 'EPSG DS 301; its IP frames have the EtherType of IP'],
  [0x88b8, 'GOOSE', 'IEC 61850-8-1'],
  [0x88b9, 'GSE management', 'IEC 61850-8-1'],
  [0x88ba, 'sampled values', 'IEC 61850-9-2'],
  [0x88c7, 'pre-authentication', 'IEEE 802.11, clause 12'],
  [0x88cc, 'LLDP', 'IEEE 802.1AB'],
  [0x88cd, 'SERCOS III', 'IEC 61784-2; its IP frames have the EtherType of IP'],
  [0x88d9, 'LLTD', 'Microsoft, MS-LLTD'],
  [0x88e1, 'HomePlug AV management', 'IEEE 1901'],
  [0x88e3, 'media redundancy', 'IEC 62439-2'],
  [0x88f5, 'MVRP', 'IEEE 802.1Q, clause 11'],
  [0x88f6, 'MMRP', 'IEEE 802.1Q, clause 10'],
  [0x88f7, 'PTP', 'IEEE 1588, annex E'],
  [0x88fb, 'PRP supervision', 'IEC 62439-3'],
  [0x8902, 'connectivity fault management', 'IEEE 802.1Q, clause 21'],
  [0x8914, 'FCoE initialization', 'INCITS FC-BB-5'],
  [0x893a, 'IEEE 1905.1', 'IEEE 1905.1, clause 6'],
  [0x9000, 'configuration test (loopback)', 'Ethernet version 2.0, clause 8'],
];

const WITHOUT_IP: ReadonlySet<number> = new Set(TYPES_WITHOUT_IP.map(([etherType]) => etherType));

/** True for the EtherTypes that are known to carry no IP. Cost: no allocation. */
export function isKnownWithoutIp(etherType: number): boolean {
  return WITHOUT_IP.has(etherType);
}
