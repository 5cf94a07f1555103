/**
 * What the addon does with wrong arguments, wrong moments and closed handles, in a namespace with interfaces to open.
 *
 * @module
 */

import { test } from 'node:test';
import { runLiveSuite } from '../conformance/live-run.ts';
import { rootOnly } from '../support/netns.ts';
import { SUITES } from './suites.ts';

for (const { title, file, promises } of SUITES) {
  test(title, { skip: rootOnly() }, (t) => runLiveSuite(t, file, [], {}, promises));
}
