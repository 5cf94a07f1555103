/**
 * The guide for authors of hooks as a folder of files: every example of its pages where its author would have it, ready to be loaded.
 *
 * ```
 *   hooks/README.md, docs/hook-*.md, docs/hooks/*.md ─ blocks ─> NAME.ts, FILE.txt, node_modules/PACKAGE ─> bundled ─> a chain, or a lab
 * ```
 * Rule: nothing of an example is written here. A hook has the file that its name says, a text the file that its first line says.
 *
 * @module
 */

import assert from 'node:assert/strict';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { type HookModule, locateModule } from '../../src/config/hook-module.ts';
import { parseConfig } from '../../src/config/load-config.ts';
import type { Config } from '../../src/config/schema.ts';
import { bundleModules } from '../../src/hook/bundle-hook.ts';
import type { DefinedHook } from '../../src/hook/contract.ts';
import { type LoadedHook, loadHook } from '../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../src/hook-modules.ts';
import type { LabHook, LabOptions } from '../../src/testing/index.ts';
import { ROOT } from './documents.ts';

const GENERATED = 'docs/hook-reference.md';
const PACKAGE = 'firehook-hook-foo';
const { version: VERSION } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { version: string };

/** The pages, from the root of the checkout. */
export const GUIDE_PAGES: readonly string[] = [
  'hooks/README.md',
  ...readdirSync(path.join(ROOT, 'docs'))
    .filter((name) => /^hook-.*\.md$/.test(name))
    .map((name) => `docs/${name}`)
    .filter((name) => name !== GENERATED),
  ...readdirSync(path.join(ROOT, 'docs/hooks')).map((name) => `docs/hooks/${name}`),
];

/** A block of code of a page. */
export interface Example {
  readonly page: string;
  readonly language: string;
  readonly code: string;
  /** The page, the language, and its number among those of both, from 0: `docs/hook-flows.md yaml 0`. */
  readonly id: string;
}

/** Every block of the guide, in order. */
export const EXAMPLES: readonly Example[] = GUIDE_PAGES.flatMap((page) => {
  const counts = new Map<string, number>();
  const text = readFileSync(path.join(ROOT, page), 'utf8');
  const fences = text.matchAll(/^( *)```(\w*)\n(.*?)^ *```$/gms);
  return Array.from(fences, ([, indent = '', language = '', block = '']) => {
    const count = counts.get(language) ?? 0;
    counts.set(language, count + 1);
    const code = block.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    return { page, language, code, id: `${page} ${language} ${count}` };
  });
});

/** The file of a hook that is an example: what it calls itself, or `drop-icmp` for the one that has no name. */
export function fileOf({ code }: Example): string {
  return `${/\bname: '([\w-]+)'/.exec(code)?.[1] ?? 'drop-icmp'}.ts`;
}

/** What a configuration of the guide says, with an attach where it leaves that out. */
export function configOf(yaml: string): Record<string, unknown> {
  return { attach: [{ tap: 'nowhere0' }], ...(parse(yaml) as object) };
}

/** A folder with the stock hooks and every example in it. Remove it with {@link GuideFolder.remove}. */
export class GuideFolder {
  readonly path: string = mkdtempSync(path.join(tmpdir(), 'firehook-guide-'));

  constructor() {
    // Started by root, the programs read hooks as another user.
    chmodSync(this.path, 0o755);
    cpSync(path.join(ROOT, 'hooks'), path.join(this.path, 'hooks'), { recursive: true });
    cpSync(path.join(ROOT, 'config/demo.pcap'), path.join(this.path, 'traffic.pcap'));
    mkdirSync(path.join(this.path, 'node_modules'));
    symlinkSync(path.join(ROOT, 'node_modules/zod'), path.join(this.path, 'node_modules/zod'));
    this.#write('package.json', '{ "type": "module" }');
    this.#write('address.txt', '192.0.2.66\n');
    for (const example of EXAMPLES) this.#place(example);
  }

  remove(): void {
    rmSync(this.path, { recursive: true });
  }

  /** A configuration as firehook reads it. */
  config(yaml: string): Config {
    return parseConfig(JSON.stringify(configOf(yaml)), this.path, 'firehook.yaml', locateModule).config;
  }

  /** The hook in a file or a package, bundled and evaluated as in a lane. */
  async load(found: HookModule): Promise<LoadedHook> {
    const [bundles = []] = await bundleModules([found], HOOK_MODULE_NAMES, { version: VERSION });
    const [bundle, ...others] = bundles;
    assert.ok(bundle !== undefined && others.length === 0, found.module);
    return loadHook(bundle, HOOK_MODULES);
  }

  /** Where an example lies. */
  placeOf(example: Example): HookModule {
    return { module: path.join(this.path, fileOf(example)) };
  }

  /** The hooks of a configuration for a lab, with the rights that it grants and the tables that it has. */
  async labOf(yaml: string): Promise<{ readonly hooks: LabHook[]; readonly options: LabOptions }> {
    const { hooks, tables } = this.config(yaml);
    const entries: LabHook[] = [];
    for (const { name, priority, options, allow, ...found } of hooks) {
      const hook = definitionOf(await this.load(found));
      const named = name === undefined ? {} : { name };
      entries.push({ hook, options, allow, ...named, ...(priority === undefined ? {} : { priority }) });
    }
    const lists = Object.entries(tables).map(([name, { file }]) => [name, this.#lines(file)] as const);
    return { hooks: entries, options: { folder: this.path, tables: Object.fromEntries(lists) } };
  }

  #lines(file: string): string[] {
    return readFileSync(path.resolve(this.path, file), 'utf8').split('\n');
  }

  #place(example: Example): void {
    const { language, code } = example;
    // One without the name of a file is a drawing.
    const [, textFile] = /^# ([\w-]+\.txt)/.exec(code) ?? [];
    if (language === 'text' && textFile !== undefined) this.#write(textFile, code);
    if (language === 'json') this.#write(`node_modules/${PACKAGE}/package.json`, code);
    if (language !== 'ts') return;
    this.#write(fileOf(example), code);
    if (!/\bapi: /.test(code)) return;
    this.#write(`node_modules/${PACKAGE}/hook.js`, code);
    this.#write(`node_modules/${PACKAGE}/strict.js`, code.replace("name: 'foo'", "name: 'foo-strict'"));
  }

  #write(name: string, text: string): void {
    const file = path.join(this.path, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** The definition of a hook for a lab. */
export function definitionOf(hook: LoadedHook): DefinedHook {
  assert.ok(hook.kind === 'defined', `${hook.name} is made with defineHook`);
  return hook.definition;
}
