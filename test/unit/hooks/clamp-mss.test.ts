/**
 * Promises of the stock hook `clamp-mss`. Expected datagrams are built anew, so their checksums are computed in full.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import clampMss from '../../../hooks/clamp-mss.ts';
import { FORWARD } from '../../../src/firewall/constants.ts';
import { ACK, SYN } from '../../../src/wire/tcp.ts';
import { fragment, ipv4, ipv6, octets, type TcpOptions, tcp, udp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

/** The option of RFC 9293, 3.2, behind `before` NOPs and followed by `after` of them. */
function mss(value: number, before = 0, after = 0): Buffer {
  const option = Buffer.from([2, 4, value >>> 8, value & 0xff]);
  return Buffer.concat([Buffer.alloc(before, 1), option, Buffer.alloc(after, 1)]);
}

const families = [
  ['IPv4', (options: TcpOptions, payload?: Buffer) => ipv4({}, tcp(options, payload))],
  ['IPv6', (options: TcpOptions, payload?: Buffer) => ipv6({}, tcp(options, payload))],
] as const;

describe('clamp-mss', () => {
  for (const [family, build] of families) {
    test(`lowers the value in SYN and SYN-ACK over ${family} and keeps the checksum right`, async () => {
      const hook = await driveHook(clampMss, { mss: 1432 });
      for (const flags of [SYN, SYN | ACK]) {
        assert.deepEqual(hook.pass(build({ flags, options: mss(1460) })), {
          verdict: FORWARD,
          datagram: build({ flags, options: mss(1432) }),
          replacement: [],
        });
      }
    });
  }

  test('keeps the checksum right for any values, at even and odd places, with any payload', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 88, max: 65_535 }),
        fc.integer({ min: 0, max: 65_535 }),
        fc.integer({ min: 0, max: 4 }),
        fc.uint8Array({ maxLength: 9 }),
        async (limit, offered, nops, data) => {
          const hook = await driveHook(clampMss, { mss: limit });
          const payload = Buffer.from(data);
          const before = ipv4({}, tcp({ options: mss(offered, nops, 4 - nops) }, payload));
          const expected = ipv4({}, tcp({ options: mss(Math.min(limit, offered), nops, 4 - nops) }, payload));
          assert.deepEqual(hook.pass(before).datagram, expected);
        },
      ),
    );
  });

  test('leaves a wrong checksum wrong', async () => {
    const hook = await driveHook(clampMss, { mss: 1000 });
    const { datagram } = hook.pass(ipv4({}, tcp({ options: mss(1460), checksum: 0x1234 })));
    assert.notDeepEqual(datagram, ipv4({}, tcp({ options: mss(1000) })));
    assert.deepEqual(datagram.subarray(40), Buffer.from(mss(1000)));
  });

  for (const [what, datagram] of [
    ['a smaller value', ipv4({}, tcp({ options: mss(536) }))],
    ['the value itself', ipv4({}, tcp({ options: mss(1000) }))],
    ['a SYN without options', ipv4({}, tcp())],
    ['a packet without SYN', ipv4({}, tcp({ flags: ACK, options: mss(1460) }))],
    ['another protocol', ipv4({}, udp({}, mss(1460)))],
    ['a first fragment', ipv4({ moreFragments: true }, tcp({ options: mss(1460) }))],
    ['a first fragment of IPv6', ipv6({ extensions: [fragment(0, true)] }, tcp({ options: mss(1460) }))],
    ['a later fragment', ipv4({ fragmentOffset: 800 }, octets(6, Buffer.alloc(24, 0xff)))],
    ['an option of length 3', ipv4({}, tcp({ options: Buffer.from([2, 3, 0xff, 0]) }))],
    ['an option of length 0', ipv4({}, tcp({ options: Buffer.from([2, 0, 0xff, 0xff]) }))],
    [
      'an option that runs out of the header',
      ipv4({}, tcp({ options: Buffer.from([1, 1, 2, 4]) }, Buffer.alloc(4, 0xff))),
    ],
    ['an option behind the end of options', ipv4({}, tcp({ options: Buffer.from([0, 0, 0, 0, ...mss(1460)]) }))],
  ] as const) {
    test(`leaves alone ${what}`, async () => {
      const hook = await driveHook(clampMss, { mss: 1000 });
      assert.deepEqual(hook.pass(datagram), { verdict: FORWARD, datagram, replacement: [] });
    });
  }

  test('leaves alone a SYN whose options the capture cut off', async () => {
    const hook = await driveHook(clampMss, { mss: 1000 });
    const datagram = ipv4({}, tcp({ options: mss(1460) }));
    for (const missing of [1, 2, 4, 8]) {
      assert.deepEqual(hook.pass(datagram, undefined, missing).datagram, datagram.subarray(0, -missing));
    }
  });

  for (const [options, message] of [
    [{}, 'mss: is missing; expected an integer from 88 to 65535'],
    [{ mss: 87 }, 'mss: 87 is not valid; expected an integer from 88 to 65535'],
    [{ mss: 65_536 }, 'mss: 65536 is not valid; expected an integer from 88 to 65535'],
    [{ mss: '1400' }, 'mss: "1400" is not valid; expected an integer from 88 to 65535'],
    [{ mss: 1400, MSS: 1 }, 'MSS: unknown option; expected mss'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(clampMss, options), message);
    });
  }
});
