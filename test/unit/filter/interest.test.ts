/**
 * The interest of a filter: every packet that the filter takes belongs to it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { interestOf } from '../../../src/filter/interest.ts';
import { parseFilter } from '../../../src/filter/parse.ts';
import { compileFilter } from '../../../src/filter/to-js.ts';
import { type Interest, PORT_PROTOCOLS, versionsOf } from '../../../src/wire/interest.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { networkOffset } from '../../../src/wire/link.ts';
import { Random } from '../../chaos/random.ts';
import { validExpressions } from '../../conformance/filter-expressions.ts';
import { filterFrames } from '../../conformance/filter-frames.ts';
import { ETHERNET_EXPRESSIONS, LAYERED_EXPRESSIONS, PLAIN_EXPRESSIONS } from '../../conformance/filter-written.ts';

const LINKTYPE_ETHERNET = 1;
const FRAMES = 5000;
const GROWN = 500;

/** Whether a datagram of that layout belongs to an interest, said in the words of src/wire/interest.ts. */
function belongs(interest: Interest, datagram: Buffer, layout: IpLayout): boolean {
  if (!versionsOf(interest).some((version) => version === layout.version)) return false;
  if (interest.protocols !== undefined && !interest.protocols.includes(layout.protocol)) return false;
  if (interest.ports === undefined || layout.fragmentOffset !== 0) return true;
  if (!layout.hasPorts) return false;
  const ports = [0, 2].map((offset) => datagram.readUInt16BE(layout.transportOffset + offset));
  return ports.some((port) => interest.ports?.includes(port));
}

describe('the interest of a filter', () => {
  for (const [filter, expected] of [
    ['', null],
    ['tcp', { protocols: [6] }],
    ['ip', { versions: [4] }],
    ['ip6', { versions: [6] }],
    ['ip or ip6', null],
    ['icmp', { versions: [4], protocols: [1] }],
    ['icmp or icmp6', { protocols: [1, 58] }],
    ['tcp port 80 or 443', { protocols: [6], ports: [80, 443] }],
    ['udp port 53 or tcp port 80', { protocols: [6, 17], ports: [53, 80] }],
    ['port 53', { protocols: [6, 17, 132], ports: [53] }],
    ['tcp port 80 or udp', { protocols: [6, 17] }],
    ['tcp portrange 80-82', { protocols: [6], ports: [80, 81, 82] }],
    ['tcp portrange 0-65535', { protocols: [6] }],
    ['ip and tcp port 22 and host 10.1.2.3', { versions: [4], protocols: [6], ports: [22] }],
    ['host 10.1.2.3', { versions: [4] }],
    ['host ::1', { versions: [6] }],
    ['net 10.0.0.0/8 or ::1', null],
    ['not tcp', null],
    ['ip and not tcp', { versions: [4] }],
    ['tcp[tcpflags] & tcp-syn != 0', { versions: [4], protocols: [6] }],
    ['icmp6[0] = 128', { versions: [6], protocols: [58] }],
    ['ip6[6] = 6', { versions: [6] }],
    ['5 = tcp[0]', null],
    ['ip6 proto 44', { versions: [6] }],
    ['proto 47', { protocols: [47] }],
    ['ip6 protochain 17', { versions: [6], protocols: [0, 17, 43, 44, 51, 60] }],
    ['protochain 6', { protocols: [0, 6, 43, 44, 51, 60] }],
    ['ip6 protochain 43', { versions: [6] }],
    ['vlan 5 and tcp', { protocols: [6] }],
    ['vlan', null],
    // Nothing that a hook gets: no interest can say that.
    ['arp', null],
    ['arp or udp', { protocols: [17] }],
    ['tcp and udp', null],
  ] as const) {
    test(`${JSON.stringify(filter)} is ${JSON.stringify(expected)}`, () =>
      assert.deepEqual(interestOf(parseFilter(filter)), expected));
  }

  test('has every packet that the filter takes, and ports only beside protocols that have them', () => {
    const random = new Random(3);
    const packets = filterFrames(5, FRAMES).flatMap(({ frame }) => {
      const start = networkOffset(frame, frame.length, LINKTYPE_ETHERNET);
      if (start < 0) return [];
      const found = new IpLayout();
      const isRight = parseIpLayout(frame, start, frame.length - start, frame.length - start, found);
      return isRight
        ? [{ datagram: Buffer.from(frame.subarray(start)), link: frame.subarray(0, start), layout: found }]
        : [];
    });
    assert.ok(packets.length > FRAMES / 3);
    const texts = [...PLAIN_EXPRESSIONS, ...ETHERNET_EXPRESSIONS, ...LAYERED_EXPRESSIONS];
    let interests = 0;
    let taken = 0;
    for (const text of [...texts, ...validExpressions(random, GROWN, false)]) {
      const interest = interestOf(parseFilter(text));
      if (interest === null) continue;
      interests++;
      if (interest.ports !== undefined)
        assert.ok(interest.protocols?.every((protocol) => PORT_PROTOCOLS.includes(protocol)));
      const predicate = compileFilter(text, { link: 'ethernet' });
      for (const { datagram, link, layout: its } of packets) {
        if (!predicate(datagram, datagram.length, link, link.length, datagram.length)) continue;
        taken++;
        assert.ok(belongs(interest, datagram, its), `${text} on ${datagram.toString('hex')}`);
      }
    }
    assert.ok(interests > texts.length / 3 && taken > packets.length);
  });
});
