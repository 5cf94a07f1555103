/**
 * Filters for the comparison with libpcap, written by hand, and every protocol and constant once.
 *
 * Rule: every primitive that firehook supports is in here by hand.
 *
 * @module
 */

import { CONSTANTS, IP_PROTOCOLS, LINK_PROTOCOLS } from '../../src/filter/names.ts';
import { PROTOCOL_WORDS } from '../../src/filter/scan.ts';
import { lines } from './filter-refused.ts';

/** By hand; none of them names a layer that moves the ones behind it. */
const WRITTEN = `
tcp
tcp dst port 443
tcp src port 80
tcp port 80 or 443
udp port 53
sctp port 80
port 53
src port 22
dst port 22
src or dst port 22
dst or src port 22
src and dst port 22
dst and src port 22
port 80 or 443 or 8080
port (80 or 443)
port (80 or (443))
port ((80) or 443)
port not 80
port (not 80)
port (not 80 or 443)
port (80 or not 443)
port 53 and (not 80 or not (443 or 22))
host 10.1.2.3 and (not 192.168.1.1)
host 10.1.2.3 and (not port 80)
port 80 and not 443 or tcp
not port 80
portrange 6000-6008
src portrange 20-22
dst portrange 65535-6000
tcp portrange 22-80
udp src and dst portrange 0-100
portrange 80
portrange \\0-65535
tcp port http
udp port domain
port domain
port ssh or domain
portrange ftp-domain
portrange domain-kerberos
host 10.1.2.3
src host 10.1.2.3
dst host 10.1.2.3
src 10.1.2.3
dst 10.1.2.3
src or dst 10.1.2.3
src and dst 10.1.2.3
src and dst host 10.1.2.3
host 10.1.2.3 or 192.168.1.1
host 10.1.2.3 and 192.168.1.1
host 10.1.2.3 and not 192.168.1.1
host 10.1.2.3 and (192.168.1.1 or 10.77.0.1)
host (10.1.2.3 or 192.168.1.1)
host 10.1.2.3 and (port 80 or port 443)
not host 10.1.2.3 and 192.168.1.1
not (host 10.1.2.3 or 192.168.1.1)
ip host 10.1.2.3
arp host 10.1.2.3
rarp host 10.1.2.3
arp src host 10.1.2.3
ip src 10.1.2.3
host 10
host 10.1
host 10.1.2
net 10
net 10.1
net 10.1.2
net 10.1.2.3
net 0
net 192
net 0.0.0.0/0
net 10.0.0.0/8
net 10.0/16
net 10.1.2.0/24
net 10.1.2.3/32
net 10.1.0.0 mask 255.255.0.0
net 10.1.0.0 mask 255.255
src net 10.1
dst net 224.0.0.0/4
src and dst net 10.0.0.0/8
ip net 10.1
arp net 10.0.0.0/8
net 10.0.0.0/8 or 192.168.0.0/16
not src net 10.1
tcp port 80 or 443 and not src net 10.1
host 2001:db8::1
ip6 host 2001:db8::1
src host fe80::1
dst host ff02::1
host ::1
host ::ffff:10.1.2.3
net 2001:db8::/32
net 2001:db8::/33
net 2001:db8:1::/48
net ::/0
net fe80::/10
ip6 net ff00::/8
src net 2001:db8::/32 and dst net ff00::/8
src and dst net 2001:db8::/32
host 2001:db8::1 or fe80::1
host 2001:db8:0:0:0:0:0:1
ip proto 6
ip proto \\tcp
ip6 proto 17
ip6 proto \\udp
proto 6
proto \\icmp
proto 47
proto (6 or 17)
ip proto 1 or 6 or 17
ip6 proto 44
ip6 proto 0
ip proto 300
ip protochain 6
ip6 protochain 6
ip6 protochain 17
protochain 17
protochain \\tcp
ip6 protochain 44
ip6 protochain 58
ip protochain 51
ip protochain 300
ether proto 0x800
ether proto 0x86dd
ether proto \\ip
ether proto \\arp
ether proto 0x88cc
ether proto 0x6004
link proto 0x0800
fddi proto 0x0800
ether proto 2054
ip multicast
ip6 multicast
not ip multicast
less 100
greater 100
less 60 or greater 1000
len > 100
len <= 100
length = 54
len - 14 = ip[2:2]
ip[0] & 0xf != 5
ip[0] = 0x45
ip[6:2] & 0x1fff = 0
ip[6:2] & 0x1fff != 0
ip[8] < 64
ip[8] <= 1
ip[12:4] = 0x0a010203
ip[12:4] >= 0x0a000000 and ip[12:4] < 0x0b000000
ip[16] >= 224
ip[2:2] > 60
ip[9] = 6 or ip[9] = 17
ip6[6] = 6
ip6[40] = 6
ip6[8:4] = 0x20010db8
ip6[4:2] > 20
tcp[13] & 2 != 0
tcp[tcpflags] & tcp-syn != 0
tcp[tcpflags] & (tcp-syn|tcp-fin) != 0
tcp[tcpflags] & (tcp-rst|tcp-ack) == (tcp-rst|tcp-ack)
tcp[tcpflags] == tcp-syn
tcp[tcpflags] & (tcp-push | tcp-urg | tcp-ece | tcp-cwr) > 0
tcp[0:2] = 80
tcp[2:2] = 443
tcp[12] & 0xf0 > 0x50
tcp[(tcp[12] & 0xf0) >> 2] = 0x47
tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420
tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)
udp[0:2] = 53
udp[4:2] > 20
udp[8] = 1
sctp[0:2] = 80
icmp[icmptype] = icmp-echo
icmp[icmptype] != icmp-echo and icmp[icmptype] != icmp-echoreply
icmp[icmpcode] = 1
icmp[0] == icmp-unreach
icmp6[icmp6type] = icmp6-echo
icmp6[icmp6type] = icmp6-neighborsolicit
icmp6[icmp6code] = 0
igmp[0] = 0x16
pim[0] = 0x20
vrrp[0] = 0x21
carp[0] = 1
igrp[0] = 1
arp[6:2] = 1
arp[7] = 1 or arp[7] = 2
rarp[6:2] = 1
ether[0] & 1 != 0
ether[12:2] = 0x0800
ether[12:2] > 1500
ether[14] = 0x45
ether[20:2] & 0x1fff = 0
ether[0:4] = 0x02000000 and ether[4:2] = 1
link[0] = 2
byte 12 = 8
byte 14 > 68
byte 14 < 70
ip[0] + ip[1] = 69
ip[2:2] - 20 > 0
ip[8] * 2 = 128
ip[2:2] / 10 = 4
ip[2:2] % 10 = 0
ip[2:2] / ip[1] = 1
ip[2:2] % ip[1] = 1
ip[0] >> 4 = 4
ip[0] << 4 = 0x450
1 << ip[8] > 0
1 << ip[1] = 0
0xffffffff >> ip[1] = 0
ip[8] ^ 64 = 0
ip[8] | 1 = 65
-ip[8] = -64
-1 > 0
- - 5 = 5
0 - 1 = 0xffffffff
0x80000000 > 0
2 - 3 > 2
0xffffffff + 1 = 0
0x10000 * 0x10000 = 0
0xffffffff * 0xffffffff = 1
1 + 2 * 3 = 7
(1 + 2) * 3 = 9
10 - 3 - 2 = 5
2 * 3 % 4 = 6
1 | 2 ^ 3 = 1
5 & 3 | 8 = 9
1 << 2 + 1 = 8
7 % 4 + 1 = 2
-5 % 3 = 1
017 = 15
0x1F = 31
1 = 1
1 = 2
5 > ip[8]
5 = tcp[0]
5 + tcp[0] = 5
ip[0] + tcp[0] > 69
tcp[0] + ip6[0] > 5
ip[ip[0]] = 1
ip[ip[8]] > 0
ip[len] = 0
ip[len - 15] >= 0
ip[1000] = 0
ip[65535] = 0
ip[0xffffffff] = 0
tcp[-4:4] = 0
tcp[0 - 20] = 0x45
not ip[1000] = 0
ip[1000] = 0 or tcp
tcp or ip[1000] = 0
not (tcp[60] = 0)
not tcp[20:4] = 0
(ip[0] & 0xf) != 5
(ip[0] = 0x45)
((ip[0]) & 0xf) = 5
(len) > 60
(60) < len
(tcp)
((tcp))
not tcp
! tcp
not not tcp
not (not tcp)
!(tcp or udp)
tcp and udp
tcp or udp and icmp
tcp and udp or icmp
icmp or tcp and port 80
(tcp or udp) and (port 53 or port 80)
tcp && port 80 || udp && port 53
ip and not tcp and not udp
ip6 and not icmp6 and not tcp
ip or ip6
arp or rarp
ip and ip6
not ip and not ip6
tcp and not tcp
host 10.1.2.3 and tcp port 80 and not dst host 192.168.1.1
ip host 10.1.2.3 and not 192.168.1.1
(src net 10.1 or dst net 10.1) and tcp[13] & 1 = 0
src 10.1.2.3 and dst 192.168.1.1 or src 192.168.1.1 and dst 10.1.2.3
not (tcp port 22) and not (udp port 53) and not icmp and not icmp6
`;

/** By hand, where the frame is Ethernet. */
const ON_ETHERNET = `
ether host 02:00:00:00:00:01
ether src 02:00:00:00:00:01
ether dst 02:00:00:00:00:01
ether src and dst 02:00:00:00:00:01
ether src host 02-00-00-00-00-01
ether dst host 02.00.00.00.00.01
ether host 0200.0000.0001
ether host 020000000001
ether host 2:0:0:0:0:1
ether host 02:00:00:00:00:01 or 02:00:00:00:00:02
not ether host 02:00:00:00:00:01
ether broadcast
broadcast
ether multicast
multicast
multicast and not broadcast
ether[0] & 1 = 0 and ip[16] >= 224
ether host 02:00:00:00:00:01 and not host 10.1.2.3
wlan host 02:00:00:00:00:01
`;

/** By hand; layers are named one after the other, and what stands behind them is looked for there. */
const LAYERED = `
vlan
vlan 5
vlan 5 and tcp
vlan and tcp port 80
vlan and host 10.1.2.3
vlan 100 and ip6
vlan (5)
vlan and vlan
vlan 5 and vlan 100
vlan and vlan 5 and udp
not vlan
not vlan and tcp
not (vlan 5)
vlan or tcp
tcp or vlan
tcp and vlan 5
vlan 5 or vlan 100
vlan and arp
vlan and ether proto 0x0806
vlan and ether host 02:00:00:00:00:01
vlan and ip[8] = 64
vlan and tcp[tcpflags] & tcp-syn != 0
vlan and ip6 protochain 17
vlan and pppoes
vlan and pppoes and tcp
mpls
mpls 1024
mpls 100000 and tcp
mpls and ip
mpls and ip6
mpls and host 10.1.2.3
mpls and udp port 53
mpls and mpls
mpls and mpls 1024
mpls 16 and mpls and tcp
not mpls
mpls or tcp
mpls and ip[8] = 64
mpls and icmp6[0] = 128
vlan and mpls
pppoed
pppoes
pppoes 39
pppoes 0x27 and ip
pppoes and tcp
pppoes and ip6
pppoes and host 10.1.2.3
pppoes and tcp port 80
pppoes and ether proto 0x0800
pppoes and ether[0:2] = 0x21
pppoes and mpls
pppoes and iso
pppoes and pppoes
not pppoes
pppoes or tcp
`;

/** Systematic additions: every protocol, every constant. */
const LISTED = [
  ...Array.from(PROTOCOL_WORDS).filter((word) => word !== 'link'),
  ...Array.from(PROTOCOL_WORDS)
    .filter((word) => word !== 'link')
    .map((word) => `not ${word} and greater 60`),
  ...Array.from(CONSTANTS.keys()).map((name) => `icmp[0] = ${name} or tcp[13] & ${name} != 0`),
  ...Array.from(IP_PROTOCOLS.keys()).map((name) => `proto \\${name}`),
  ...Array.from(LINK_PROTOCOLS.keys()).map((name) => `ether proto \\${name}`),
  'iso proto \\clnp',
  'iso proto 0x82',
  'isis proto 15',
];

/** Filters that name no layer that moves the ones behind it; the last part needs Ethernet. */
export const PLAIN_EXPRESSIONS: readonly string[] = [...lines(WRITTEN), ...LISTED];
export const ETHERNET_EXPRESSIONS: readonly string[] = lines(ON_ETHERNET);
export const LAYERED_EXPRESSIONS: readonly string[] = lines(LAYERED);
