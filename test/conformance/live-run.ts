/**
 * Runs a live conformance suite in a namespace of its own and makes each of its promises a subtest here.
 *
 * A process cannot enter a namespace later, so the suite runs in a child; a subtest has the result, the reason of a skip
 * and the failure that the child reports.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createLab } from '../support/netns.ts';

/** Promises of the driver suite, and the one that no excuse is left over. */
const LEAST_PROMISES = 13;
const TIMEOUT_MS = 150_000;

interface Promised {
  readonly title: string;
  readonly isOk: boolean;
  readonly skip: string | false;
  readonly details: string;
}

/**
 * @param suite - path of a `<driver>.live.ts`
 * @param args - its arguments
 * @param env - added to its environment
 * @param least - fewer results mean that it did not run to its end
 */
export async function runLiveSuite(
  t: TestContext,
  suite: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
  least: number = LEAST_PROMISES,
): Promise<void> {
  const { ns } = await createLab(t, {
    namespaces: { a: {} },
    links: [0, 1].map((id) => [{ in: 'a', name: `p${id}` } as const, { in: 'a', name: `q${id}` } as const] as const),
  });
  // Some drivers give a handle back with the process only.
  const command = ['--import', 'tsx', '--test-force-exit', '--test-reporter', 'tap', suite, ...args];
  const { code, stdout, stderr } = await ns.a.run(process.execPath, command, { env, timeoutMs: TIMEOUT_MS });
  const results = readResults(stdout);
  assert.ok(results.length >= least, `only ${results.length} results\n${stdout}${stderr}`);
  for (const { title, isOk, skip, details } of results) {
    await t.test(title, { skip }, () => assert.ok(isOk, details));
  }
  assert.equal(code, 0, stderr);
}

/** The subtests of the suite in the TAP that node prints: indented once, with the failure in a block below. */
function readResults(tap: string): Promised[] {
  const pattern = /^ {4}(not )?ok \d+ - (.*?)(?: # SKIP (.*))?\n((?: {6}.*\n)*)/gm;
  return [...tap.matchAll(pattern)].map(([, not, title, skip, details]) => ({
    title: title ?? '',
    isOk: not === undefined,
    skip: skip ?? false,
    details: details ?? '',
  }));
}
