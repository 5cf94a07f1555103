/**
 * docs/bad-hooks.md keeps its word: each hook of its first two tables is run, and does what stands there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_WIDTH } from '../../../src/hook/hook-chain.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { rowAt } from '../../../src/lane/ledger.ts';
import { type LoadedChain, loadChain } from '../../../src/lane/load-chain.ts';
import { NO_GRANT } from '../../../src/lane/messages.ts';
import { HOOK_COUNTERS, rowFrom } from '../../../src/telemetry/counters.ts';
import { ROOT } from '../../support/documents.ts';
import { frameOf } from '../../support/frame-of.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { quietLane } from '../lane/lane-rig.ts';

const PAGE = readFileSync(path.join(ROOT, 'docs/bad-hooks.md'), 'utf8');
const IMPORTS = "import { DROP, defineHook, FORWARD, HELD, IPFreeBuff } from 'firehook';\n";
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bad-'));
after(() => rmSync(folder, { recursive: true }));

/** Rows of two codes, of the section with this heading. */
function rowsOf(heading: string): (readonly [string, string])[] {
  const [, section = ''] = new RegExp(`^## ${heading}\n(.*?)(?=^## |$(?![\\s\\S]))`, 'ms').exec(PAGE) ?? [];
  return Array.from(
    section.matchAll(/^\| `([^`]+)` +\| `([^`]+)` *\|$/gm),
    ([, code = '', said = '']) => [code, said] as const,
  );
}

async function load(texts: readonly string[], onHookError: 'drop' | 'forward', lines: string[]): Promise<LoadedChain> {
  const hooks = [];
  for (const [index, text] of texts.entries()) {
    const file = path.join(folder, index === 0 ? 'x.ts' : `other-${index}.ts`);
    writeFileSync(file, IMPORTS + text);
    const [bundle] = await bundleHooks(file, HOOK_MODULE_NAMES);
    assert.ok(bundle !== undefined);
    hooks.push({ bundle, priority: -index, options: undefined, allow: NO_GRANT });
  }
  const log = (_level: string, hook: string, message: string | (() => string)): void => {
    lines.push(`${hook}: ${typeof message === 'string' ? message : message()}`);
  };
  return loadChain({ hooks, folder, log, onHookError, poolLimitMiB: 1, trackChanges: false, send: () => false });
}

describe('refused before the first packet', () => {
  const rows = rowsOf('Refused before the first packet');
  test('has its rows', () => assert.ok(rows.length >= 9));
  for (const [code, said] of rows) {
    test(code, async () => {
      await assert.rejects(
        load([code], 'drop', []),
        ({ message }: Error) => message.includes(said) || assert.fail(message),
      );
    });
  }
});

describe('a fault with a packet', () => {
  const rows = rowsOf('A fault with a packet');
  test('has its rows', () => assert.ok(rows.length >= 11));
  for (const [code, said] of rows) {
    for (const onHookError of ['drop', 'forward'] as const) {
      test(`${code} with onHookError: ${onHookError}`, async () => {
        const lines: string[] = [];
        const bad = `export default defineHook({ name: 'bad', onPacket(packet, context) { ${code} } } as never);`;
        const other = `export default defineHook({ name: 'other', onPacket: ({ length, ip }) => (length === 33 && ip.ttl === 64 ? FORWARD : DROP) });`;
        const loaded = await load([bad, other], onHookError, lines);
        const lane = quietLane(loaded.chain);
        const frame = ethernet({}, ipv4({}, udp({}, Buffer.from('whole'))));
        for (let count = 0; count < 3; count++) lane.onFrame(frameOf(Buffer.from(frame)));
        lane.onBatchEnd();
        loaded.teardown();
        assert.equal(lines.length, 3, lines.join('\n'));
        for (const line of lines) assert.ok(line.startsWith(`bad: ${said}`), line);
        const [hook, next] = [0, 1].map((index) => rowFrom(HOOK_COUNTERS, loaded.chain.counters, index * HOOK_WIDTH));
        const row = rowAt(lane.ledger, 0);
        const passes = onHookError === 'forward' ? 3 : 0;
        assert.deepEqual([hook?.seen, hook?.faults, hook?.dropped], [3, 3, 3 - passes]);
        assert.deepEqual([next?.seen, next?.forwarded], [passes, passes], 'the other one sees it as it was');
        assert.deepEqual([row.forwarded, row.droppedByFault, row.hookFaults], [passes, 3 - passes, 3]);
      });
    }
  }
});

test('the tests that the page names are there', () => {
  const named = [...PAGE.matchAll(/`(test\/[a-z/-]+\.test\.ts)`/g)].map(([, file = '']) => file);
  assert.ok(named.length >= 6);
  for (const file of named) assert.ok(existsSync(path.join(ROOT, file)), file);
});
