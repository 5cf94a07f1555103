/**
 * The afpacket driver under the conformance suite, live (`live-suite.ts`).
 *
 * Not a test file by itself: `test/integration/drivers/afpacket.test.ts` runs it in a namespace and passes the results on.
 * With a path as its argument it takes the addon from there: `test/native/asan.test.ts` gives one with sanitizers.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { AfpacketDriver } from '../../src/drivers/afpacket.ts';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule } from '../../src/native/native.d.ts';
import { liveConformance } from './live-suite.ts';

const file = process.argv[2];
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);

liveConformance('afpacket', (ports) => {
  const rings = ports.map(({ id }) => ({ port: id, slots: 4096, fanoutGroup: -1 }));
  return new AfpacketDriver(native, { ports, rings });
});
