/**
 * Where metrics may be told: on this machine and nowhere else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/load-config.ts';
import { parseLoopback } from '../../../src/config/loopback-address.ts';

test('an address of the loopback interface is taken', () => {
  assert.deepEqual(parseLoopback('127.0.0.1:9477'), { host: '127.0.0.1', port: 9477 });
  assert.deepEqual(parseLoopback('127.255.0.9:1'), { host: '127.255.0.9', port: 1 });
  assert.deepEqual(parseLoopback('[::1]:65535'), { host: '::1', port: 65_535 });
});

test('any other is not', () => {
  for (const text of [
    '',
    '0.0.0.0:9477',
    '192.0.2.7:9477',
    '[::]:9477',
    '[::ffff:127.0.0.1]:9477',
    '[fe80::1]:9477',
    'localhost:9477',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '127.0.0.1:+9',
    '127.1:9477',
    '127.0.0.1.example:9477',
    '::1:9477',
    ' 127.0.0.1:9477',
  ])
    assert.equal(parseLoopback(text), null, text);
});

test('the configuration refuses it with the reason and what to do', () => {
  const text = 'attach: [{ tap: lan0 }]\nmetrics: { listen: "0.0.0.0:9477" }\n';
  assert.throws(
    () => parseConfig(text, '/', 'x.yaml'),
    /metrics\.listen: "0\.0\.0\.0:9477" is not valid; expected an address of this machine alone, .*because whoever reaches it may read; put a proxy/,
  );
  assert.throws(
    () => parseConfig('attach: [{ tap: lan0 }]\nmetrics: { listen: 9477 }\n', '/', 'x.yaml'),
    /metrics\.listen: 9477 is not valid/,
  );
});
