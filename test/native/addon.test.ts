/**
 * What the addon does with wrong arguments, wrong moments and closed handles, in a namespace with interfaces to open.
 *
 * @module
 */

import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runLiveSuite } from '../conformance/live-run.ts';
import { rootOnly } from '../support/netns.ts';

const SUITE = fileURLToPath(new URL('./addon.live.ts', import.meta.url));
/** Of the suite of the fence. */
const FENCE_PROMISES = 11;
const FENCE = fileURLToPath(new URL('./fence.live.ts', import.meta.url));

test('the addon refuses what it cannot do, whatever it is given', { skip: rootOnly() }, (t) => runLiveSuite(t, SUITE));

test('a ring with a fence sends nothing that the kernel may have sent on', { skip: rootOnly() }, (t) =>
  runLiveSuite(t, FENCE, [], {}, FENCE_PROMISES),
);
