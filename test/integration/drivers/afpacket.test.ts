/**
 * The conformance suite of drivers against the native AF_PACKET driver, live.
 *
 * @module
 */

import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runLiveSuite } from '../../conformance/live-run.ts';
import { rootOnly } from '../../support/netns.ts';

const SUITE = fileURLToPath(new URL('../../conformance/afpacket.live.ts', import.meta.url));

test('afpacket keeps the driver contract on live interfaces', { skip: rootOnly() }, (t) => runLiveSuite(t, SUITE));
