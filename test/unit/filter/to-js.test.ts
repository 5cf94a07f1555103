/**
 * The JavaScript of a filter: what its text is made of, and what it does where octets or a link header are missing.
 *
 * That it takes the right packets is compared with libpcap in test/conformance/filter.test.ts.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseFilter } from '../../../src/filter/parse.ts';
import { compileFilter, filterSource } from '../../../src/filter/to-js.ts';
import { Random } from '../../chaos/random.ts';
import { validExpressions } from '../../conformance/filter-expressions.ts';
import { ETHERNET_EXPRESSIONS, LAYERED_EXPRESSIONS, PLAIN_EXPRESSIONS } from '../../conformance/filter-written.ts';
import { extension, icmpv4, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';

const LINK = Buffer.from('0200000000020200000000010800', 'hex');
/** Every word that may be in a predicate. */
const VOCABULARY =
  /^(?:bytes|length|link|linkLength|originalLength|h|n|t\d+|L\d+|\d+|const|let|if|else|while|return|break|true|false|Math|imul|\s|[-+*/%&|^<>=!~?:;.,(){}[\]])*$/;

/** Asks whether a datagram that came with a link header belongs to a filter. */
function takes(filter: string, datagram: Uint8Array, link: Uint8Array = LINK, original = datagram.length): boolean {
  return compileFilter(filter, { link: 'ethernet' })(datagram, datagram.length, link, link.length, original);
}

const TCP = ipv4({ source: '10.1.2.3' }, tcp({ destinationPort: 443 }, Buffer.from('data')));

describe('a compiled filter', () => {
  test('is made of numbers and fixed words only', () => {
    const random = new Random(11);
    const written = [...PLAIN_EXPRESSIONS, ...ETHERNET_EXPRESSIONS, ...LAYERED_EXPRESSIONS];
    const texts = [...written, ...validExpressions(random, 1000, true)];
    for (const text of texts) {
      for (const link of ['ethernet', 'frame'] as const) {
        let source = '';
        try {
          source = filterSource(parseFilter(text), { link }, text);
        } catch {
          // Refused behind MPLS or PPPoE: no text is made of it.
          continue;
        }
        assert.match(source, VOCABULARY, text);
      }
    }
  });

  test('can be put into a function of its reader', () => {
    const body = filterSource(parseFilter('tcp dst port 443'), { link: 'ethernet' });
    const compile = new Function(
      `const f0 = (bytes, length, link, linkLength, originalLength) => { ${body} };
       return (index, ...rest) => { switch (index) { case 0: return f0(...rest); } };`,
    ) as () => (...args: unknown[]) => unknown;
    assert.equal(compile()(0, TCP, TCP.length, LINK, LINK.length, TCP.length), true);
  });

  test('takes every packet when it is empty', () => {
    assert.equal(takes('', TCP), true);
    assert.equal(takes('', Buffer.alloc(0), Buffer.alloc(0)), true);
  });

  test('refuses a packet that ends before what it reads, also behind not', () => {
    for (const filter of ['tcp', 'not tcp', 'ip[9] = 6', 'not ip[9] = 6', 'ip[9] != 6 or tcp']) {
      assert.equal(takes(filter, TCP.subarray(0, 9)), false, filter);
    }
    assert.equal(takes('not tcp[60:4] = 0', TCP), false);
    assert.equal(takes('tcp or tcp[60:4] = 0', TCP), true);
    assert.equal(takes('tcp[60:4] = 0 or tcp', TCP), false);
  });

  test('does not read what is behind the captured octets, although it is there', () => {
    const predicate = compileFilter('tcp dst port 443', { link: 'ethernet' });
    assert.equal(predicate(TCP, 24, LINK, LINK.length, TCP.length), true);
    assert.equal(predicate(TCP, 23, LINK, LINK.length, TCP.length), false);
  });

  test('refuses a packet where a divisor is zero', () => {
    assert.equal(takes('ip[2:2] / ip[1] > 0', TCP), false);
    assert.equal(takes('not ip[2:2] % ip[1] = 0', TCP), false);
  });

  test('counts the link header and what was not captured as length', () => {
    assert.equal(takes(`len = ${LINK.length + 1400}`, TCP, LINK, 1400), true);
    assert.equal(takes('greater 1414', TCP, LINK, 1400), true);
    assert.equal(takes('less 1413', TCP, LINK, 1400), false);
  });

  test('says no to what it asks of a link header that is not there, and goes on', () => {
    const none = Buffer.alloc(0);
    for (const filter of [
      'vlan',
      'ether host 02:00:00:00:00:01',
      'mpls',
      'pppoes',
      'ether proto 0x88cc',
      'broadcast',
      'arp',
    ]) {
      assert.equal(takes(filter, TCP, none), false, filter);
      assert.equal(takes(`not ${filter} and tcp`, TCP, none), true, filter);
      assert.equal(takes(`${filter} or tcp`, TCP, none), true, filter);
    }
    // Octets cannot be read.
    assert.equal(takes('ether[0] = 2 or tcp', TCP, none), false);
  });

  test('reads octets of the frame across the end of the link header', () => {
    assert.equal(takes('ether[12:4] = 0x08004500', TCP), true);
    assert.equal(takes('ether[len - len + 12:4] = 0x08004500', TCP), true);
    assert.equal(takes('ether[14] = 0x45 and ether[23] = 6', TCP), true);
    assert.equal(takes(`ether[${LINK.length + TCP.length}] = 0`, TCP), false);
  });

  test('looks for IP in the datagram, whatever stands before it', () => {
    const tagged = Buffer.from('020000000002020000000001810000050800', 'hex');
    for (const filter of [
      'tcp',
      'tcp dst port 443',
      'host 10.1.2.3',
      'vlan and tcp',
      'vlan 5 and host 10.1.2.3',
      'ip[9] = 6',
    ])
      assert.equal(takes(filter, TCP, tagged), true, filter);
    for (const filter of ['vlan 6', 'vlan and udp', 'vlan and vlan', 'not vlan'])
      assert.equal(takes(filter, TCP, tagged), false, filter);
  });

  test('finds ports behind IPv4 options, and none in later fragments', () => {
    const options = ipv4({ options: Buffer.alloc(40, 1) }, udp({ destinationPort: 53 }));
    assert.equal(takes('udp dst port 53', options), true);
    const later = ipv4({ fragmentOffset: 1480 }, octets(17, Buffer.from('00350035', 'hex')));
    assert.equal(takes('udp port 53', later), false);
    assert.equal(takes('udp', later), true);
  });

  test('follows a chain of headers to its end, and no chain for ever', () => {
    const chain = ipv6({ extensions: [extension(0), extension(43, 24), extension(60)] }, udp());
    assert.equal(takes('ip6 protochain 17', chain), true);
    assert.equal(takes('ip6 protochain 6', chain), false);
    assert.equal(takes('udp', chain), false);
    // The authentication header at octet 20 leads to octet (3 + 2) * 4 again.
    const circle = ipv4({}, octets(51, Buffer.from([51, 3, 0, 0])));
    assert.equal(takes('ip protochain 6', circle), false);
    assert.equal(takes('not ip protochain 6', circle), false);
  });

  test('does what BPF does with numbers of 32 bits', () => {
    const icmp = ipv4({}, icmpv4());
    for (const filter of [
      '0xffffffff + 1 = 0',
      '0 - 1 = 0xffffffff',
      '-1 > 1',
      '0xffffffff * 0xffffffff = 1',
      '0x80000000 / 2 = 0x40000000',
      '0xffffffff % 10 = 5',
      '1 << ip[8] = 0',
      '0x80000000 >> 31 = 1',
    ]) {
      assert.equal(takes(filter, icmp), true, filter);
    }
  });
});
