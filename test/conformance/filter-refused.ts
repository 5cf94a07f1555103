/**
 * Texts that are no filter, to libpcap as to firehook.
 *
 * @module
 */

/** What libpcap refuses, and firehook as well. */
export const REFUSED_BY_BOTH: readonly string[] = lines(`
10.1.2.3
80
foo
tcp 80
tcp and 80
tcp or 10.1.2.3
ip 10.1.2.3
host
port
tcp port
tcp host 10.1.2.3
udp net 10
icmp port 80
ip port 80
port 65536
port 80 80
portrange 80-70000
portrange foo
portrange ftp-data-domain
port 10.1.2.3
proto 10.1.2.3
host 10.1.2.3/24
host 256.1.1.1
net 10/8
net 10.1.2.3/24
net 10.0.0.0/33
net 10.1.2.3 mask 255.255.0.0
net 2001:db8::/129
net 2001:db8::1/32
host 2001:db8::/32
ip host ::1
ip6 host 10.1.2.3
port ::1
ether host 10.1.2.3
ether 02:00:00:00:00:01
host 02:00:00:00:00:01
net 02:00:00:00:00:01
ether
link
ether port 80
ip broadcast
ip6 broadcast
tcp multicast
arp multicast
src proto 6
tcp proto 6
arp proto 6
src tcp
src or 10.1.2.3
src and src 10.1.2.3
proto tcp
ip proto tcp
ip proto \\foo
ether proto \\foo
tcp protochain 6
arp protochain 6
ip[0]
ip[0
ip[0:3] = 1
ip[0:0] = 1
ip[0:] = 1
ip[] = 1
ip[0] =
ip[0] = 1 = 1
ip[0] = (1 = 1)
ip[0] / 0 = 1
ip[0] % 0 = 1
ip[0] << 32 = 1
ip[0] & = 1
1 + = 1
1 +
1
(1)
(1 + 1)
esp[0] = 1
ah[0] = 1
iso[0] = 1
stp[0] = 1
len
len > 
less
less tcp
greater foo
and tcp
tcp and
tcp or
tcp tcp
tcp not
not
()
(tcp
tcp)
(tcp) (udp)
tcp and (80 or 443)
port (80 or tcp)
port (80 and)
port (not tcp)
host 10.1.2.3 and (not 192.168.1.1 or tcp)
(host 10.1.2.3) or 192.168.1.1
(port 80) or 443
ip[0] = 1 or 80
vlan 4096
vlan tcp
mpls 1048576
pppoes 65536
mpls and vlan
mpls and arp
mpls and pppoed
pppoes and vlan
pppoes and ether host 02:00:00:00:00:01
pppoes and broadcast
gateway 10.1.2.3
gateway foo
08 = 8
4294967296 = 0
0x100000000 = 0
tcp # udp
tcp ; udp
"tcp"
$5
tcp, udp
`);

/** The lines of a text that are not empty. */
export function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}
