/**
 * What the sender of datagrams hands to the addon, and what it does not: lengths and families. No socket is opened.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueuedSender } from '../../../src/drivers/queued-sender.ts';
import { loadNative } from '../../../src/native/load-native.ts';
import type { NativeModule } from '../../../src/native/native.d.ts';
import { ipv4, ipv6, udp } from '../../support/packet-builder.ts';

const DATAGRAM = ipv4({}, udp({}, Buffer.alloc(20, 1)));
const DATAGRAM6 = ipv6({}, udp({}, Buffer.alloc(20, 2)));

/** A sender, and what it asked the addon to send. */
function sender(hasIpv6: boolean): { readonly queued: QueuedSender; readonly sent: Buffer[] } {
  const sent: Buffer[] = [];
  const native: NativeModule = {
    ...loadNative(),
    adoptDatagramSender: () => ({ hasIpv6 }),
    sendDatagrams: (_sender, memory, entries, count) => {
      for (let i = 0; i < count; i++) {
        const [start = 0, length = 0] = entries.subarray(i * 2, i * 2 + 2);
        sent.push(Buffer.from(memory.subarray(start, start + length)));
      }
      return 0;
    },
    closeDatagramSender: () => undefined,
  };
  return { queued: new QueuedSender(native, { ipv4: 0, ipv6: hasIpv6 ? 1 : -1 }), sent };
}

test('a length that the datagram does not have, or that no datagram has, never reaches the addon', () => {
  const { queued, sent } = sender(true);
  const long = Buffer.alloc(70_000, 0x45);
  for (const length of [-1, 0, 19, DATAGRAM.length + 1, 20.5, Number.NaN, 2 ** 32]) {
    assert.equal(queued.send(DATAGRAM, length, 0), false, String(length));
  }
  assert.equal(queued.send(DATAGRAM6, 39, 0), false);
  assert.equal(queued.send(long, 65_536, 0), false);
  assert.equal(queued.flush(), 0);
  assert.deepEqual(sent, []);
});

test('datagrams reach the addon as they are, and those of a family that the host lacks do not', () => {
  const { queued, sent } = sender(false);
  assert.equal(queued.send(DATAGRAM, DATAGRAM.length, 0), true);
  assert.equal(queued.send(DATAGRAM6, DATAGRAM6.length, 0), false);
  assert.equal(queued.send(Buffer.alloc(40, 0x55), 40, 0), false);
  queued.close();
  assert.deepEqual(sent, [DATAGRAM]);
});
