/**
 * What older kernels cannot do, by their version.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseConfig } from '../../../src/config/load-config.ts';
import type { Config } from '../../../src/config/schema.ts';
import { hasKernel, KERNEL_WITH_EGRESS, kernelWarnings } from '../../../src/plumbing/kernel.ts';

describe('a kernel version', () => {
  for (const release of ['5.16.0', '5.16-rc1', '6.1.0-28-amd64', '10.0.1']) {
    test(`${release} is 5.16 or newer`, () => assert.ok(hasKernel(KERNEL_WITH_EGRESS, release)));
  }
  for (const release of ['5.15.0-130-generic', '4.19.0', '', 'unknown']) {
    test(`"${release}" is not`, () => assert.ok(!hasKernel(KERNEL_WITH_EGRESS, release)));
  }
});

describe('UDP super-datagrams', () => {
  const OLD = '6.1.0-50-amd64';

  test('are warned of where afpacket takes at a port, and the kernel drops them', () => {
    const [warning, ...others] = kernelWarnings(config('[{ bridge: [a, b] }, { tap: c }, { host: d }]'), OLD);
    assert.match(warning ?? '', /Linux 6\.1\.0-50-amd64 drops .* at a, b, c; boot 6\.2 or newer, .*ethtool -K/);
    assert.deepEqual(others, []);
  });

  test('are not where the kernel has them, the driver is another or there is a host alone', () => {
    assert.deepEqual(kernelWarnings(config('[{ bridge: [a, b] }]'), '6.2.0'), []);
    assert.deepEqual(kernelWarnings(config('[{ bridge: [a, b] }]', 'pcap'), OLD), []);
    assert.deepEqual(kernelWarnings(config('[{ host: a }]'), OLD), []);
  });
});

function config(attach: string, driver = 'afpacket'): Config {
  return parseConfig(`driver: ${driver}\nattach: ${attach}`, '/', 'x.yaml').config;
}
