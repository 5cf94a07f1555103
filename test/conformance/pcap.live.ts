/**
 * The pcap driver under the conformance suite, live (`live-suite.ts`).
 *
 * Not a test file by itself: `test/integration/drivers/pcap.test.ts` runs it in a namespace and passes the results on.
 *
 * @module
 */

import { openPcap } from '../../src/drivers/pcap.ts';
import { liveConformance } from './live-suite.ts';

liveConformance('pcap', (ports) => openPcap({ bufferMiB: 8, ports }));
