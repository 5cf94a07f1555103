/**
 * Promises of the stock hook `rewrite-payload`. Expected datagrams are built anew, lengths and checksums included.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import fc from 'fast-check';
import rewritePayload from '../../../hooks/rewrite-payload.ts';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { setPoolLimit, systemPool } from '../../../src/firewall/ddk.ts';
import { fragment, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

const IP_AND_UDP = 28;
const sip = { protocol: 'udp', port: 5060, find: '10.0.0.7', replace: '203.0.113.40' };

function message(text: string, ports = { sourcePort: 40_000, destinationPort: 5060 }): Buffer {
  return ipv4({}, udp(ports, Buffer.from(text)));
}

describe('rewrite-payload', () => {
  const limitBytes = systemPool.limitBytes;
  afterEach(() => setPoolLimit(limitBytes));

  test('replaces every occurrence in a UDP datagram and hands over headers and payload as two buffers', async () => {
    const hook = await driveHook(rewritePayload, sip);
    assert.deepEqual(hook.pass(message('To 10.0.0.7, from 10.0.0.7')), {
      verdict: FORWARD,
      datagram: message('To 203.0.113.40, from 203.0.113.40'),
      replacement: [IP_AND_UDP, 34],
    });
  });

  test('keeps IPv4 options, IPv6 extension headers and TCP options where they are', async () => {
    const hook = await driveHook(rewritePayload, { ...sip, port: 80, protocol: 'tcp', find: 'GET', replace: 'PUT' });
    const options = Buffer.from([1, 1, 1, 0]);
    const hops = { type: 0, octets: Buffer.from([0, 0, 1, 4, 0, 0, 0, 0]) };
    const segment = (text: string) => tcp({ flags: 24, options }, Buffer.from(text));
    assert.deepEqual(hook.pass(ipv4({ options }, segment('GET /GET'))), {
      verdict: FORWARD,
      datagram: ipv4({ options }, segment('PUT /PUT')),
      replacement: [48, 8],
    });
    assert.deepEqual(hook.pass(ipv6({ extensions: [hops] }, segment('GET /GET'))), {
      verdict: FORWARD,
      datagram: ipv6({ extensions: [hops] }, segment('PUT /PUT')),
      replacement: [72, 8],
    });
  });

  test('agrees with replaceAll on any payload, for both families', async () => {
    // Few letters, so that the needle is there often and overlaps itself.
    const text = (maxLength: number, minLength = 0) =>
      fc.array(fc.constantFrom('a', 'b'), { minLength, maxLength }).map((letters) => letters.join(''));
    await fc.assert(
      fc.asyncProperty(text(40), text(4, 1), text(5), async (payload, find, replace) => {
        const hook = await driveHook(rewritePayload, { ...sip, find, replace });
        const build = (data: string) => udp({ destinationPort: 5060 }, Buffer.from(data));
        const expected = payload.replaceAll(find, replace);
        assert.deepEqual(hook.pass(ipv4({}, build(payload))).datagram, ipv4({}, build(expected)));
        assert.deepEqual(hook.pass(ipv6({}, build(payload))).datagram, ipv6({}, build(expected)));
      }),
    );
  });

  test('hands over one buffer when nothing of the payload is left', async () => {
    const hook = await driveHook(rewritePayload, { ...sip, replace: '' });
    assert.deepEqual(hook.pass(message('10.0.0.7')), {
      verdict: FORWARD,
      datagram: message(''),
      replacement: [IP_AND_UDP],
    });
  });

  test('finds octets that are no text', async () => {
    const hook = await driveHook(rewritePayload, { ...sip, find: '00ff', replace: 'FF00c0', encoding: 'hex' });
    const build = (hex: string) => ipv4({}, udp({ destinationPort: 5060 }, Buffer.from(hex, 'hex')));
    assert.deepEqual(hook.pass(build('0000ff80')).datagram, build('00ff00c080'));
  });

  test('looks at both ports, and leaves other ports, protocols and payloads alone', async () => {
    const hook = await driveHook(rewritePayload, sip);
    assert.equal(hook.pass(message('10.0.0.7', { sourcePort: 5060, destinationPort: 9 })).replacement.length, 2);
    for (const datagram of [
      message('10.0.0.7', { sourcePort: 9, destinationPort: 9 }),
      message('10.0.0.8 10.0.0.'),
      message(''),
      ipv4({}, tcp({ destinationPort: 5060 }, Buffer.from('10.0.0.7'))),
    ]) {
      assert.deepEqual(hook.pass(datagram), { verdict: FORWARD, datagram, replacement: [] });
    }
  });

  test('leaves fragments and what a capture cut off alone', async () => {
    const hook = await driveHook(rewritePayload, sip);
    const body = Buffer.from('10.0.0.7');
    for (const datagram of [
      ipv4({ moreFragments: true }, udp({ destinationPort: 5060, length: 99 }, body)),
      ipv4({ fragmentOffset: 64 }, octets(17, body)),
      ipv6({ extensions: [fragment(0, true)] }, udp({ destinationPort: 5060, length: 99 }, body)),
    ]) {
      assert.deepEqual(hook.pass(datagram), { verdict: FORWARD, datagram, replacement: [] });
    }
    const whole = message('10.0.0.7 and more');
    for (const missing of [1, 8, 17, 20]) {
      assert.deepEqual(hook.pass(whole, undefined, missing).datagram, whole.subarray(0, -missing));
    }
  });

  test('does not look behind the UDP length, and keeps what is there', async () => {
    const hook = await driveHook(rewritePayload, sip);
    // Eight octets of data, then eight of surplus (RFC 9868) with the same text.
    const surplus = Buffer.from('10.0.0.7');
    const build = (data: string) => {
      const inner = message(data);
      const datagram = Buffer.concat([inner, surplus]);
      const header = ipv4({ totalLength: datagram.length }, octets(17, inner.subarray(20)));
      return Buffer.concat([header, surplus]);
    };
    assert.deepEqual(hook.pass(build('10.0.0.7')).datagram, build('203.0.113.40'));
    assert.deepEqual(hook.pass(build('10.0.0.8')).replacement, []);
  });

  test('drops the packet when the pool is exhausted, at the first buffer and at the second', async () => {
    const hook = await driveHook(rewritePayload, sip);
    const datagram = message(`10.0.0.7 ${'x'.repeat(60_000)}`);
    const outcomes = new Set<string>();
    for (let limit = 0; limit <= limitBytes; limit = limit * 2 + 64) {
      setPoolLimit(limit);
      const { failuresTotal } = systemPool.totals();
      const { verdict, replacement } = hook.pass(datagram);
      const hasFailed = systemPool.totals().failuresTotal > failuresTotal;
      assert.equal(verdict, hasFailed ? DROP : FORWARD);
      assert.equal(replacement.length, hasFailed ? 0 : 2);
      outcomes.add(hasFailed ? 'drop' : 'forward');
    }
    assert.deepEqual([...outcomes].sort(), ['drop', 'forward']);
  });

  test('drops the packet when it would be longer than 65,535 octets, and takes one that is just that long', async () => {
    const hook = await driveHook(rewritePayload, sip);
    const room = 65_535 - IP_AND_UDP - sip.replace.length;
    const fits = hook.pass(message(`10.0.0.7${'x'.repeat(room)}`));
    assert.deepEqual([fits.verdict, fits.datagram.length], [FORWARD, 65_535]);
    assert.deepEqual(fits.datagram, message(`203.0.113.40${'x'.repeat(room)}`));
    assert.equal(hook.verdict(message(`10.0.0.7${'x'.repeat(room + 1)}`)), DROP);
    assert.equal(hook.verdict(message('10.0.0.7'.repeat(8000))), DROP);
  });

  for (const [change, line] of [
    [{ protocol: 'sctp' }, 'protocol: "sctp" is not valid; expected tcp or udp'],
    [{ port: '80' }, 'port: "80" is not valid; expected an integer from 0 to 65535'],
    [{ port: 65_536 }, 'port: 65536 is not valid; expected an integer from 0 to 65535'],
    [{ port: undefined }, 'port: is missing; expected an integer from 0 to 65535'],
    [{ find: '' }, 'find: "" is not valid; expected a string that is not empty'],
    [{ find: 10 }, 'find: 10 is not valid; expected a string that is not empty'],
    [{ replace: undefined }, 'replace: is missing; expected a string'],
    [{ encoding: 'latin1' }, 'encoding: "latin1" is not valid; expected utf8 or hex'],
    [{ encoding: 'hex', find: '0x00' }, 'find: "0x00" is not valid; expected pairs of hexadecimal digits'],
    [
      { encoding: 'hex', find: '00', replace: '123' },
      'replace: "123" is not valid; expected pairs of hexadecimal digits',
    ],
    [{ protocol: 'tcp' }, 'replace: 12 octets for 8; expected the same length, TCP sequence numbers count octets'],
    [
      // Four letters each, but five octets against four.
      { protocol: 'tcp', find: 'caf\u00e9', replace: 'cafe' },
      'replace: 4 octets for 5; expected the same length, TCP sequence numbers count octets',
    ],
    [{ ports: [1] }, 'ports: unknown option; expected protocol, port, find, replace, encoding'],
  ] as const) {
    test(`refuses ${JSON.stringify(change)} with one exact line`, async () => {
      assert.equal(await refusal(rewritePayload, { ...sip, ...change }), line);
    });
  }
});
