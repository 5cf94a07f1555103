/**
 * Upgrades with `driver: afpacket`.
 *
 * @module
 */

import { testUpgrades } from './live-upgrade.ts';

testUpgrades('bridge', 'afpacket', 1, 8, 10_000);
testUpgrades('bridge', 'afpacket', 2, 3, 10_000);
testUpgrades('host', 'afpacket', 1, 3, 10_000);
