/**
 * The pcap driver, as far as it can be tested without an interface: how it refuses what it cannot open.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LiveDevice, LivePortOptions } from '../../../src/drivers/live-port.ts';
import { libpcapVersion, openPcap } from '../../../src/drivers/pcap.ts';
import { isFirehookError } from '../../../src/errors.ts';

const PORT: LivePortOptions = {
  id: 0,
  capture: null,
  direction: 'any',
  send: null,
  maxFrameLength: 1514,
  captureLength: 2048,
};

/** A device that is not there. */
function none(name: string): LiveDevice {
  return { name, ifindex: 0x7fff_fff0 };
}

function refused(device: string) {
  return (error: unknown): boolean => {
    assert.ok(isFirehookError(error));
    assert.deepEqual([error.code, error.interfaceName], ['FIREHOOK_DRIVER_OPEN', device]);
    assert.ok(error.message.startsWith(`cannot open the interface: ${device}: `), error.message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  };
}

test('the package is there and says which libpcap it uses', () => {
  assert.match(libpcapVersion(), /^libpcap version \d+\.\d+/);
});

test('an interface that is not there is refused by name, for capture and for sending', () => {
  assert.throws(() => openPcap({ ports: [{ ...PORT, capture: none('fhnone0') }] }), refused('fhnone0'));
  assert.throws(() => openPcap({ ports: [{ ...PORT, send: none('fhnone1') }] }), refused('fhnone1'));
});

test('the right to capture and to send is given back when an interface is refused', () => {
  const before = process.getegid?.();
  assert.throws(() => openPcap({ ports: [{ ...PORT, send: none('fhnone0') }] }));
  assert.equal(process.getegid?.(), before);
});

test('a port without a device sends nothing, says so, and can be stopped twice', async () => {
  const driver = openPcap({ ports: [PORT, { ...PORT, id: 1 }] });
  assert.deepEqual(driver.ports, [
    { id: 0, linktype: 1, maxFrameLength: 0 },
    { id: 1, linktype: 1, maxFrameLength: 0 },
  ]);
  assert.equal(driver.capabilities.live, true);
  for (const port of [0, 1, 2, -1]) assert.equal(driver.transmit(port, Buffer.alloc(60), 60), false);
  assert.deepEqual(driver.stats(), { droppedByKernel: 0 });
  const done = driver.start({
    onFrame: () => assert.fail('there is nothing to receive'),
    onBatchEnd: () => undefined,
  });
  driver.stop();
  driver.stop();
  await done;
  await driver.start({ onFrame: () => assert.fail('it has been stopped'), onBatchEnd: () => undefined });
});
