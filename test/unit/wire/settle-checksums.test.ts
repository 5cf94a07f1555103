/** Datagrams that were made of one whose checksum was not final: copies, what was wrapped in tunnels and taken out. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { completeTransportChecksum, fillPseudoSum } from '../../../src/wire/datagram.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { settleChecksums } from '../../../src/wire/settle-checksums.ts';
import { fragment, icmpv4, ipv4, ipv6, octets, type Transport, tcp, udp } from '../../support/packet-builder.ts';
import { checkIpv4, checkIpv6, tcp as isTcp, udp as isUdp } from '../../support/packet-checker.ts';
import { CARRIERS, tunnel, unwrap } from '../../support/tunnels.ts';

const ETHERNET = 14;
const DATA = Buffer.from('some data, of odd length.');
const TRANSPORTS = { TCP: () => tcp({}, DATA), UDP: () => udp({}, DATA) } as const;
type Name = keyof typeof TRANSPORTS;

function datagramOf(version: 4 | 6, transport: Transport): Buffer {
  return version === 4 ? ipv4({}, transport) : ipv6({}, transport);
}

/** The same as it leaves a sender with a card that does checksums. */
function partialOf(datagram: Buffer): Buffer {
  const partial = Buffer.from(datagram);
  const layout = new IpLayout();
  assert.ok(parseIpLayout(partial, 0, partial.length, partial.length, layout));
  fillPseudoSum(partial, layout);
  assert.notDeepEqual(partial, datagram);
  return partial;
}

/** Checks a plain datagram to its last octet. */
function check(datagram: Buffer, version: 4 | 6, name: Name): void {
  const transport = name === 'TCP' ? isTcp() : isUdp();
  if (version === 4) checkIpv4(datagram, transport);
  else checkIpv6(datagram, transport);
}

function settled(datagram: Buffer): Buffer {
  const bytes = Buffer.concat([datagram, Buffer.from('padding')]);
  assert.ok(settleChecksums(bytes, datagram.length));
  assert.equal(bytes.toString('latin1', datagram.length), 'padding');
  return bytes.subarray(0, datagram.length);
}

for (const version of [4, 6] as const) {
  for (const name of ['TCP', 'UDP'] as const) {
    const right = datagramOf(version, TRANSPORTS[name]());
    const partial = partialOf(right);

    test(`a copy of ${name} over IPv${version} is made right, whatever its field holds`, () => {
      assert.deepEqual(settled(partial), right);
      assert.deepEqual(settled(right), right);
      const layout = new IpLayout();
      parseIpLayout(right, 0, right.length, right.length, layout);
      const field = layout.transportOffset + (name === 'TCP' ? 16 : 6);
      for (const value of [0, 1, 0xffff]) {
        const copy = Buffer.from(right);
        copy.writeUInt16BE(value, field);
        assert.deepEqual(settled(copy), right);
      }
    });

    for (const carrier of CARRIERS) {
      for (const outer of [4, 6] as const) {
        test(`${name} over IPv${version} wrapped in ${carrier} over IPv${outer}`, () => {
          const wrapped = tunnel(carrier, { outer }, partial).subarray(ETHERNET);
          check(unwrap(carrier, settled(wrapped)), version, name);
        });

        test(`${name} over IPv${version} wrapped twice, in ${carrier} over IPv${outer} and in IP`, () => {
          const wrapped = tunnel(carrier, { outer }, partial).subarray(ETHERNET);
          const twice = tunnel('ip', { outer: 4 }, wrapped).subarray(ETHERNET);
          check(unwrap(carrier, unwrap('ip', settled(twice))), version, name);
        });
      }
    }
  }
}

describe('what is left alone', () => {
  test('a payload that looks like a datagram with a wrong checksum', () => {
    const inner = ipv4({}, tcp({ checksum: 0x1234 }, DATA));
    for (const carrier of CARRIERS) {
      const whole = tunnel(carrier, { outer: 4 }, inner).subarray(ETHERNET);
      assert.deepEqual(unwrap(carrier, settled(whole)), inner, carrier);
    }
  });

  test('what an ICMP error quotes', () => {
    const quoted = partialOf(ipv4({}, udp({}, DATA)));
    const error = ipv4({}, icmpv4({ type: 3, code: 1 }, quoted));
    assert.deepEqual(settled(error), error);
  });

  test('a fragment, and what has no checksum', () => {
    const first = ipv6({ extensions: [fragment(0, true)] }, udp({ checksum: 7 }, DATA));
    const other = ipv4({}, octets(50, DATA));
    for (const datagram of [first, other]) assert.deepEqual(settled(datagram), datagram);
  });

  test('no datagram at all', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(40), ipv4({}, udp({}, DATA)).subarray(0, 25)]) {
      const before = Buffer.from(bytes);
      assert.equal(settleChecksums(bytes, bytes.length), false);
      assert.deepEqual(bytes, before);
    }
  });
});

test('it agrees with completing where there is no tunnel', () => {
  for (const transport of [tcp({ checksum: 5 }, DATA), udp({ checksum: 0 }, DATA), octets(132, Buffer.alloc(24, 3))]) {
    for (const version of [4, 6] as const) {
      const completed = datagramOf(version, transport);
      const same = Buffer.from(completed);
      assert.ok(completeTransportChecksum(completed, completed.length));
      assert.deepEqual(settled(same), completed);
    }
  }
});
