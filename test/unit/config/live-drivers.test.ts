/**
 * The table of drivers: that it says of each what the driver itself says, and that nobody asks for one by its name.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { driversWith, LIVE_DRIVER_NAMES, LIVE_DRIVERS } from '../../../src/config/live-drivers.ts';
import { openAfpacket } from '../../../src/drivers/afpacket.ts';
import type { Driver } from '../../../src/drivers/contract.ts';
import { openPcap } from '../../../src/drivers/pcap.ts';
import { ROOT } from '../../support/documents.ts';

const PORT = { id: 0, capture: null, direction: 'any', send: null, maxFrameLength: 1514, captureLength: 2048 } as const;

test('each row has what the driver of that name says of itself', () => {
  const open: Readonly<Record<string, () => Driver>> = {
    afpacket: () => openAfpacket({ ports: [PORT] }),
    pcap: () => openPcap({ ports: [PORT] }),
  };
  assert.deepEqual(Object.keys(open), LIVE_DRIVER_NAMES);
  for (const name of LIVE_DRIVER_NAMES) {
    const driver = open[name]?.();
    assert.ok(driver !== undefined);
    assert.equal(driver.name, name);
    assert.equal(driver.capabilities.live, true);
    assert.equal(driver.capabilities.sharesPort, LIVE_DRIVERS[name].sharesPort);
    // What takes super-frames in one piece has to know what is not final in them.
    assert.equal(driver.capabilities.offloads, LIVE_DRIVERS[name].superFrames === 'whole');
    driver.stop();
  }
});

test('no other file compares the name of a driver', () => {
  const files = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' });
  // Formats of capture files have one of the names, too.
  const asks = /(?<!ormat) [!=]== '(afpacket|pcap)'/;
  const asking = files.filter(
    (file) => file.endsWith('.ts') && asks.test(readFileSync(path.join(ROOT, 'src', file), 'utf8')),
  );
  assert.deepEqual(asking, []);
});

test('drivers are named by what they can do', () => {
  assert.equal(
    driversWith(() => true),
    'afpacket or pcap',
  );
  assert.equal(
    driversWith(({ sharesPort }) => sharesPort),
    'afpacket',
  );
});
