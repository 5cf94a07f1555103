/**
 * The addon under the address and undefined-behaviour sanitizers: the conformance suite and the checks of its arguments.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runLiveSuite } from '../conformance/live-run.ts';
import { rootOnly } from '../support/netns.ts';
import { buildAddon } from './build-addon.ts';
import { SUITES } from './suites.ts';

const SUITE = fileURLToPath(new URL('../conformance/afpacket.live.ts', import.meta.url));

test('the addon makes no memory error while it keeps the driver contract and refuses wrong arguments', {
  skip: rootOnly('cc', 'npm'),
}, async (t) => {
  const addon = await buildAddon(t, { FIREHOOK_ASAN: '1' });
  const env = {
    // The sanitizer has to be there before the program is; it does not follow what Node itself never gives back.
    LD_PRELOAD: ['libasan.so', 'libubsan.so'].map(library).join(' '),
    ASAN_OPTIONS: 'detect_leaks=0:halt_on_error=1',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
  };
  assert.match(execFileSync('nm', ['-D', addon], { encoding: 'utf8' }), /__asan_init/, 'it was built with sanitizers');
  await t.test('the driver contract', (own) => runLiveSuite(own, SUITE, [addon], env));
  for (const { title, file, promises } of SUITES) {
    await t.test(title, (own) => runLiveSuite(own, file, [addon], env, promises));
  }
});

function library(name: string): string {
  return execFileSync('cc', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim();
}
