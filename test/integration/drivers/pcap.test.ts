/**
 * The conformance suite of drivers against npm `pcap`, live: `test/conformance/pcap.live.ts` in a namespace of its own.
 *
 * A process cannot enter a namespace later, so the suite runs in a child; each of its promises is a subtest here, with the
 * result, the reason of a skip and the failure that the child reports.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLab, rootOnly } from '../../support/netns.ts';

const SUITE = fileURLToPath(new URL('../../conformance/pcap.live.ts', import.meta.url));
/** Promises of the suite, and the one that no excuse is left over. */
const LEAST_PROMISES = 13;

test('pcap keeps the driver contract on live interfaces', { skip: rootOnly() }, async (t) => {
  const { ns } = await createLab(t, {
    namespaces: { a: {} },
    links: [0, 1].map((id) => [{ in: 'a', name: `p${id}` } as const, { in: 'a', name: `q${id}` } as const] as const),
  });
  // npm pcap gives a handle back with the process.
  const args = ['--import', 'tsx', '--test-force-exit', '--test-reporter', 'tap', SUITE];
  const { code, stdout, stderr } = await ns.a.run(process.execPath, args, { timeoutMs: 150_000 });
  const results = readResults(stdout);
  assert.ok(results.length >= LEAST_PROMISES, `only ${results.length} results\n${stdout}${stderr}`);
  for (const { title, isOk, skip, details } of results) {
    await t.test(title, { skip }, () => assert.ok(isOk, details));
  }
  assert.equal(code, 0, stderr);
});

/** The subtests of the suite in the TAP that node prints: indented once, with the failure in a block below. */
function readResults(tap: string): { title: string; isOk: boolean; skip: string | false; details: string }[] {
  const pattern = /^ {4}(not )?ok \d+ - (.*?)(?: # SKIP (.*))?\n((?: {6}.*\n)*)/gm;
  return [...tap.matchAll(pattern)].map(([, not, title, skip, details]) => ({
    title: title ?? '',
    isOk: not === undefined,
    skip: skip ?? false,
    details: details ?? '',
  }));
}
