/**
 * The guide for authors of hooks keeps its word: every example is compiled, loaded, and met by packets, and no stock hook is left out.
 *
 * ```
 *   every ts block ─> compiler ─> bundle ─> lab ─> packets of guide-cases.ts ─> what became of them
 *   every yaml block ─> parsed ─> hooks with their rights and tables ─> the same
 *   every sh block of the first hook ─> run as it stands
 * ```
 * Rule: a block of a language that nobody looks at fails.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { defaultSettings } from '../../../src/config/schema.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { loadChain } from '../../../src/lane/load-chain.ts';
import { NO_GRANT } from '../../../src/lane/messages.ts';
import { FaultNotes, tryOnSamples } from '../../../src/lane/trial.ts';
import { columnOf, HOOK_COUNTERS } from '../../../src/telemetry/counters.ts';
import {
  type LabHook,
  type LabOptions,
  type Outcome,
  openLab,
  type PacketCheck,
  readPacket,
} from '../../../src/testing/index.ts';
import { compilerProblems, ROOT, tableRows } from '../../support/documents.ts';
import {
  configOf,
  definitionOf,
  EXAMPLES,
  type Example,
  fileOf,
  GUIDE_PAGES,
  GuideFolder,
} from '../../support/guide.ts';
import { runFirehook, runFirehookd } from '../cli/run-firehook.ts';
import { type Case, CONFIGURATIONS, HOOKS, type Step } from './guide-cases.ts';

const README = read('hooks/README.md');
const folder = new GuideFolder();
after(() => folder.remove());

const ofLanguage = (language: string): Example[] => EXAMPLES.filter((example) => example.language === language);
const hooks = ofLanguage('ts');
const windows = hooks.filter(({ code }) => code.includes('export const firewallHook'));
const configs = ofLanguage('yaml');
const stockHooks = readdirSync(path.join(ROOT, 'hooks'))
  .filter((name) => /^[^_].*\.ts$/.test(name))
  .map((name) => path.parse(name).name);

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

/** Sends the packets of a case through the hooks, and looks at what became of each. */
async function run(entries: readonly LabHook[], options: LabOptions, { steps, later }: Case): Promise<void> {
  const lab = await openLab(entries, options);
  try {
    for (const [index, step] of steps.entries()) {
      if (step.afterMs !== undefined) await lab.tick(step.afterMs);
      const outcome = await lab.send(step.datagram, step.from === undefined ? {} : { from: step.from });
      look(outcome, step, `packet ${index}`);
    }
    if (later !== undefined) {
      const { sent } = await lab.tick(later.ms);
      assertChecked(sent, later.sent, 'later');
    }
  } finally {
    await lab.close();
  }
}

function assertChecked(sent: Outcome['sent'], checks: readonly PacketCheck[], what: string): void {
  assert.equal(sent.length, checks.length, what);
  for (const [index, check] of checks.entries()) assert.deepEqual(check(sent[index] ?? assert.fail()), [], what);
}

function look({ verdict, by, out, back, sent, reason }: Outcome, step: Step, what: string): void {
  assert.equal(verdict, step.verdict, `${what}: ${reason}`);
  if (step.by !== undefined) assert.equal(by, step.by, what);
  if (step.sent !== undefined) assertChecked(sent, step.sent, what);
  if (step.check === undefined) return;
  const [left] = verdict === 'forwarded' ? out : back;
  assert.ok(left !== undefined && readPacket(left) !== null, what);
  assert.deepEqual(step.check(left), [], what);
}

describe('the guide for authors', () => {
  test('has no block of a language that nobody looks at', () => {
    // A drawing has no language.
    const looked = ['', 'ts', 'yaml', 'json', 'text', 'sh', 'grammar'];
    assert.deepEqual(
      EXAMPLES.filter(({ language }) => !looked.includes(language)).map(({ id }) => id),
      [],
    );
    assert.ok(hooks.length >= 10 && configs.length >= 15);
  });

  test('has packets for every example, and for nothing else', () => {
    const files = hooks.filter((example) => !windows.includes(example)).map(fileOf);
    assert.deepEqual(files.sort(), Object.keys(HOOKS).sort());
    assert.deepEqual(configs.map(({ id }) => id).sort(), Object.keys(CONFIGURATIONS).sort());
  });

  test('has examples that the compiler takes', () => {
    assert.deepEqual(compilerProblems(hooks.map((example) => folder.placeOf(example).module)), []);
  });

  test('is mapped: every page stands in the table of the README', () => {
    const mapped = Array.from(README.matchAll(/\]\(\.\.\/(docs\/[\w/-]+\.md)\)/g), ([, page]) => page);
    for (const page of GUIDE_PAGES) if (page !== 'hooks/README.md') assert.ok(mapped.includes(page), page);
  });

  for (const [name, one] of Object.entries(HOOKS)) {
    test(`${name} does what the page says`, async () => {
      const hook = definitionOf(await folder.load({ module: path.join(folder.path, name) }));
      const { options, allow, attach = 'bridge' } = one;
      const entry = { hook, ...(options === undefined ? {} : { options }), ...(allow === undefined ? {} : { allow }) };
      await run([entry], { attach, folder: folder.path }, one);
    });
  }

  for (const { id, code } of configs) {
    test(`${id} does what the page says`, async () => {
      const one = CONFIGURATIONS[id] ?? assert.fail();
      const { hooks: entries, options } = await folder.labOf(code);
      // What a page leaves to chance.
      const own = one.options as object | undefined;
      const seeded =
        own === undefined
          ? entries
          : entries.map((entry) => ({ ...entry, options: { ...(entry.options as object), ...own } }));
      await run(seeded, { ...options, ...(one.attach === undefined ? {} : { attach: one.attach }) }, one);
    });
  }
});

test('the hook of the Windows door drops ICMP and nothing else', async () => {
  assert.equal(windows.length, 1);
  const [bundle] = await bundleHooks(path.join(folder.path, 'drop-icmp.ts'), HOOK_MODULE_NAMES);
  assert.ok(bundle !== undefined);
  const notes = new FaultNotes();
  const loaded = await loadChain({
    hooks: [{ bundle, priority: undefined, options: undefined, allow: NO_GRANT }],
    folder: folder.path,
    log: () => undefined,
    onFault: (hook, text) => notes.note(hook, text()),
    onHookError: 'drop',
    poolLimitMiB: 1,
    trackChanges: false,
    send: () => false,
  });
  const { faults } = await tryOnSamples(loaded, defaultSettings(), notes);
  loaded.teardown();
  assert.deepEqual(faults, []);
  const { counters } = loaded.chain;
  const [dropped, seen] = [
    counters[columnOf(HOOK_COUNTERS, 'dropped')] ?? 0,
    counters[columnOf(HOOK_COUNTERS, 'seen')] ?? 0,
  ];
  assert.ok(dropped > 0 && dropped < seen, `${dropped} of ${seen}`);
});

describe('the first hook in five minutes', () => {
  const commands = ofLanguage('sh')
    .filter(({ page }) => page === 'hooks/README.md')
    .flatMap(({ code }) => code.trim().split('\n'));
  const inFolder = (word: string): string => (/\.(?:ts|pcap|yaml)$/.test(word) ? path.join(folder.path, word) : word);

  test('replays as it says', () => {
    const [command = ''] = commands.filter((line) => line.startsWith('firehook replay'));
    const { code, stdout, stderr } = runFirehook(...command.split(' ').slice(1).map(inFolder));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^drop-telnet /m);
    assert.ok(existsSync(path.join(folder.path, 'out.pcap')));
  });

  test('is checked as it says', () => {
    const [command = ''] = commands.filter((line) => line.endsWith('--check'));
    const [config] = configs.filter(({ id }) => id === 'hooks/README.md yaml 0');
    writeFileSync(path.join(folder.path, 'firehook.yaml'), JSON.stringify(configOf(config?.code ?? '')));
    const args = command.split(' ').slice(1).map(inFolder);
    const { code, stdout, stderr } = runFirehookd(...args, '--no-interfaces');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /drop-telnet \(0\)/);
  });
});

describe('the stock hooks', () => {
  test('are all in the table of the README, and no other', () => {
    assert.deepEqual(
      tableRows(README, 'hook')
        .map(([name]) => name)
        .sort(),
      stockHooks.toSorted(),
    );
    const named = tableRows(read('docs/hook-costs.md'), 'stock hook').map(([name]) => name);
    assert.deepEqual(named.sort(), stockHooks.toSorted());
  });

  for (const name of stockHooks) {
    test(`${name} has a page with its options, an example, what it does not do, its cost, and a test of its own`, () => {
      const page = `docs/hooks/${name}.md`;
      const text = read(page);
      assert.ok(text.startsWith(`# ${name}\n`));
      const uses = configs.filter((example) => example.page === page && example.code.includes(`./hooks/${name}.ts`));
      assert.ok(uses.length > 0, 'an example');
      const [, limits = ''] = /\n## What it does not do\n\n(.*?)\n## /s.exec(text) ?? [];
      const items = limits.split('\n').filter((line) => line.startsWith('- '));
      assert.ok(items.length > 0, 'what it does not do');
      assert.ok(items.filter((line) => line.startsWith('- **')).length > 0, 'in bold');
      assert.match(text, /\n## Cost\n\n/);
      assert.ok(readdirSync(import.meta.dirname).includes(`${name}.test.ts`));
    });
  }
});
