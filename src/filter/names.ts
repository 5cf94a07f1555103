/**
 * Names that a filter may use: constants of the language, protocols and services, and words that firehook refuses.
 *
 * Floor 1. Rule: no file of the machine is read, so that a filter means the same everywhere. Constants and Ethernet types
 * are those of pcap-filter(7); protocols and services are a choice of common names with their IANA numbers.
 *
 * @see pcap-filter(7), the IANA registries of protocol numbers and of service names
 * @module
 */

import { PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP } from '../wire/ipv4.ts';
import { NEXT_ICMPV6 } from '../wire/ipv6.ts';

/** Names that stand for a number in an arithmetic expression. */
export const CONSTANTS: ReadonlyMap<string, number> = new Map([
  ['icmptype', 0],
  ['icmpcode', 1],
  ['icmp-echoreply', 0],
  ['icmp-unreach', 3],
  ['icmp-sourcequench', 4],
  ['icmp-redirect', 5],
  ['icmp-echo', 8],
  ['icmp-routeradvert', 9],
  ['icmp-routersolicit', 10],
  ['icmp-timxceed', 11],
  ['icmp-paramprob', 12],
  ['icmp-tstamp', 13],
  ['icmp-tstampreply', 14],
  ['icmp-ireq', 15],
  ['icmp-ireqreply', 16],
  ['icmp-maskreq', 17],
  ['icmp-maskreply', 18],
  ['icmp6type', 0],
  ['icmp6code', 1],
  ['icmp6-destinationunreach', 1],
  ['icmp6-packettoobig', 2],
  ['icmp6-timeexceeded', 3],
  ['icmp6-parameterproblem', 4],
  ['icmp6-echo', 128],
  ['icmp6-echoreply', 129],
  ['icmp6-multicastlistenerquery', 130],
  ['icmp6-multicastlistenerreportv1', 131],
  ['icmp6-multicastlistenerdone', 132],
  ['icmp6-routersolicit', 133],
  ['icmp6-routeradvert', 134],
  ['icmp6-neighborsolicit', 135],
  ['icmp6-neighboradvert', 136],
  ['icmp6-redirect', 137],
  ['icmp6-routerrenum', 138],
  ['icmp6-nodeinformationquery', 139],
  ['icmp6-nodeinformationresponse', 140],
  ['icmp6-ineighbordiscoverysolicit', 141],
  ['icmp6-ineighbordiscoveryadvert', 142],
  ['icmp6-multicastlistenerreportv2', 143],
  ['icmp6-homeagentdiscoveryrequest', 144],
  ['icmp6-homeagentdiscoveryreply', 145],
  ['icmp6-mobileprefixsolicit', 146],
  ['icmp6-mobileprefixadvert', 147],
  ['icmp6-certpathsolicit', 148],
  ['icmp6-certpathadvert', 149],
  ['icmp6-multicastrouteradvert', 151],
  ['icmp6-multicastroutersolicit', 152],
  ['icmp6-multicastrouterterm', 153],
  ['tcpflags', 13],
  ['tcp-fin', 0x01],
  ['tcp-syn', 0x02],
  ['tcp-rst', 0x04],
  ['tcp-push', 0x08],
  ['tcp-ack', 0x10],
  ['tcp-urg', 0x20],
  ['tcp-ece', 0x40],
  ['tcp-cwr', 0x80],
]);

/** Names behind `proto`, `ip proto`, `ip6 proto` and `protochain`. */
export const IP_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['ip', 0],
  ['hopopt', 0],
  ['icmp', 1],
  ['igmp', 2],
  ['ipencap', 4],
  ['tcp', PROTOCOL_TCP],
  ['egp', 8],
  ['igp', 9],
  ['udp', PROTOCOL_UDP],
  ['dccp', 33],
  ['ipv6', 41],
  ['ipv6-route', 43],
  ['ipv6-frag', 44],
  ['rsvp', 46],
  ['gre', 47],
  ['esp', 50],
  ['ah', 51],
  ['ipv6-icmp', 58],
  ['ipv6-nonxt', 59],
  ['ipv6-opts', 60],
  ['eigrp', 88],
  ['ospf', 89],
  ['ipip', 94],
  ['pim', 103],
  ['ipcomp', 108],
  ['vrrp', 112],
  ['l2tp', 115],
  ['sctp', PROTOCOL_SCTP],
  ['mobility-header', 135],
  ['udplite', 136],
  ['mpls-in-ip', 137],
  ['hip', 139],
]);

/** Protocols above IP that are words of the language; `of` is the version they go with, '' for both. */
export const ABOVE_IP: Readonly<Record<string, { readonly number: number; readonly of: '' | 'ip' | 'ip6' }>> = {
  tcp: { number: PROTOCOL_TCP, of: '' },
  udp: { number: PROTOCOL_UDP, of: '' },
  sctp: { number: PROTOCOL_SCTP, of: '' },
  pim: { number: 103, of: '' },
  ah: { number: 51, of: '' },
  esp: { number: 50, of: '' },
  icmp: { number: 1, of: 'ip' },
  igmp: { number: 2, of: 'ip' },
  igrp: { number: 9, of: 'ip' },
  vrrp: { number: 112, of: 'ip' },
  carp: { number: 112, of: 'ip' },
  icmp6: { number: NEXT_ICMPV6, of: 'ip6' },
};

/** Names behind `ether proto`: Ethernet types, and LLC service access points below 256. */
export const LINK_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['aarp', 0x80f3],
  ['arp', 0x0806],
  ['atalk', 0x809b],
  ['decnet', 0x6003],
  ['ip', 0x0800],
  ['ip6', 0x86dd],
  ['ipx', 0xe0],
  ['iso', 0xfe],
  ['lat', 0x6004],
  ['loopback', 0x9000],
  ['mopdl', 0x6001],
  ['moprc', 0x6002],
  ['netbeui', 0xf0],
  ['rarp', 0x8035],
  ['sca', 0x6007],
  ['stp', 0x42],
]);

/** Names behind `iso proto`. */
export const OSI_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ['clnp', 0x81],
  ['esis', 0x82],
  ['isis', 0x83],
]);

/** A service: its port, and the protocols that have it. */
export interface Service {
  readonly port: number;
  readonly protocols: readonly number[];
}

const TCP = [PROTOCOL_TCP];
const UDP = [PROTOCOL_UDP];
/** A name that TCP and UDP share says nothing of the protocol: pcap-filter(7) then takes SCTP with them. */
const ANY = [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP];

/** Names behind `port` and `portrange`. */
export const SERVICES: ReadonlyMap<string, Service> = new Map(
  (
    [
      ['ftp-data', 20, TCP],
      ['ftp', 21, TCP],
      ['ssh', 22, TCP],
      ['telnet', 23, TCP],
      ['smtp', 25, TCP],
      ['domain', 53, ANY],
      ['bootps', 67, UDP],
      ['bootpc', 68, UDP],
      ['tftp', 69, UDP],
      ['http', 80, TCP],
      ['kerberos', 88, ANY],
      ['pop3', 110, TCP],
      ['sunrpc', 111, ANY],
      ['ntp', 123, UDP],
      ['imap2', 143, TCP],
      ['snmp', 161, ANY],
      ['snmp-trap', 162, ANY],
      ['bgp', 179, TCP],
      ['ldap', 389, ANY],
      ['https', 443, ANY],
      ['microsoft-ds', 445, ANY],
      ['submission', 587, TCP],
      ['ldaps', 636, ANY],
      ['domain-s', 853, ANY],
      ['imaps', 993, TCP],
      ['pop3s', 995, TCP],
      ['socks', 1080, TCP],
      ['openvpn', 1194, ANY],
      ['ms-sql-s', 1433, TCP],
      ['nfs', 2049, ANY],
      ['mysql', 3306, TCP],
      ['ms-wbt-server', 3389, TCP],
      ['sip', 5060, ANY],
      ['sip-tls', 5061, ANY],
      ['postgresql', 5432, TCP],
      ['http-alt', 8080, TCP],
    ] as const
  ).map(([name, port, protocols]) => [name, { port, protocols }]),
);

const WIRELESS = 'speaks of IEEE 802.11 frames, which firehook does not read';
const PACKET_LOG = 'speaks of the packet log of pf(4), which Linux does not have';
const ATM = 'speaks of ATM, which firehook does not read';
const SIGNALLING = 'speaks of SS7 signalling, which firehook does not read';
const OSI = 'speaks of IS-IS and LLC frames, which firehook passes without a look; ether[...] reads their octets';
const WAY = 'is not part of a filter here: the attach and the hook decide which way a packet goes';

/** Words of pcap-filter(7) that are refused, each with the rest of a sentence that begins with the word. */
export const REFUSED: ReadonlyMap<string, string> = new Map([
  ['gateway', 'needs a host name that is looked up; write "ether host MAC and not host ADDRESS"'],
  ['geneve', 'looks inside a tunnel; a hook sees the outer datagram: write "udp dst port 6081"'],
  ...words(WAY, 'inbound outbound ifindex on ifname'),
  ...words(WIRELESS, 'radio type subtype dir direction addr1 addr2 addr3 addr4'),
  ...words(WIRELESS, 'address1 address2 address3 address4 ra ta'),
  ...words(PACKET_LOG, 'rset ruleset rnr rulenum srnr subrulenum reason action'),
  ...words(ATM, 'lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci connectmsg metaconnect'),
  ...words(SIGNALLING, 'fisu lssu lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls'),
  ...words(OSI, 'llc l1 l2 iih lsp snp csnp psnp'),
]);

function words(sentence: string, list: string): [string, string][] {
  return list.split(' ').map((word) => [word, sentence]);
}
