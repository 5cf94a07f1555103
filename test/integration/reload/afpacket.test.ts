/**
 * Reloads with `driver: afpacket`.
 *
 * @module
 */

import { testReloads } from './live-reload.ts';

testReloads('afpacket', 1, 20, 50_000);
testReloads('afpacket', 2, 8, 20_000);
