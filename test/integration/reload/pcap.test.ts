/**
 * Reloads with `driver: pcap`.
 *
 * @module
 */

import { testReloads } from './live-reload.ts';

testReloads('pcap', 1, 20, 50_000);
