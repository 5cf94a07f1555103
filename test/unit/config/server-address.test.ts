/**
 * Servers as the configuration and hooks write them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSameServer, parseServer, type Server } from '../../../src/config/server-address.ts';

describe('a server', () => {
  test('is a protocol, an address and a port', () => {
    assert.deepEqual(parseServer('tcp://192.0.2.7:443'), {
      protocol: 'tcp',
      address: Uint8Array.of(192, 0, 2, 7),
      port: 443,
    });
    const six = parseServer('udp://[2001:db8::53]:53');
    assert.deepEqual([six?.protocol, six?.port, six?.address.length], ['udp', 53, 16]);
  });

  for (const text of [
    '',
    'tcp://example.org:443',
    'tcp://192.0.2.7',
    'tcp://192.0.2.7:0',
    'tcp://192.0.2.7:65536',
    'tcp://192.0.2.7:443/',
    'tcp://2001:db8::1:443',
    'tcp://[192.0.2.7]:443',
    'tcp://[fe80::1%eth0]:443',
    'tcp://192.0.2.07:443',
    'tcp://192.0.2.0/24:443',
    'icmp://192.0.2.7:1',
    'TCP://192.0.2.7:443',
    ' tcp://192.0.2.7:443',
  ])
    test(`is not ${JSON.stringify(text)}`, () => assert.equal(parseServer(text), null));

  test('is the same however it is written', () => {
    const [a, b, c] = ['tcp://[2001:db8::1]:80', 'tcp://[2001:db8:0:0::1]:80', 'tcp://[2001:db8::1]:81'].map(
      (text) => parseServer(text) as Server,
    ) as [Server, Server, Server];
    assert.equal(isSameServer(a, b), true);
    assert.equal(isSameServer(a, c), false);
    assert.equal(isSameServer(a, { ...a, protocol: 'udp' }), false);
  });
});
