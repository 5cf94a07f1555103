import { DROP, defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
import { allocationPerPacket, ipv4, openLab, tcp, udp } from 'firehook/testing';

const lab = await openLab(
  defineHook({
    name: 'x',
    onPacket: (p) => (p.destinationPort === 23 ? DROP : p.destinationPort === 24 ? ICMP_ON_DROP : FORWARD),
  }),
);
const ps = [ipv4({}, tcp({ destinationPort: 23 })), ipv4({}, udp()), ipv4({}, udp({ destinationPort: 24 }))];
for (const p of ps) console.log(allocationPerPacket(lab, [p]));
console.log(allocationPerPacket(lab, ps));
await lab.close();
