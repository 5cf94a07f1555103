/**
 * Upgrades with `driver: pcap`.
 *
 * @module
 */

import { testUpgrades } from './live-upgrade.ts';

testUpgrades('bridge', 'pcap', 1, 4, 10_000);
testUpgrades('host', 'pcap', 1, 3, 10_000);
