/**
 * `firehook init NAME`: makes the package of a hook, which runs, is tested and can be published.
 *
 * ```
 *   NAME/  package.json  hook.ts  hook.test.js  packets.test.ts  firehook.yaml  capture.pcap  README.md  tsconfig.json  .gitignore
 *          node_modules/  firehook, zod ─> this installation        .bin/ firehook, firehookd
 * ```
 * Rule: nothing that is there is changed, and nothing is fetched. Links in the place of an installation let every command of the new package
 * work at once; `npm install` keeps them.
 *
 * @module
 */

import { lstatSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { fileReason } from '../config/file-reason.ts';
import { packageNameProblem } from '../config/package-name.ts';
import { FirehookError, isFirehookError } from '../errors.ts';
import { printable } from '../telemetry/printable.ts';
import { sampleCapture } from './init/capture.ts';
import { hookFile, type PackageFacts, textFiles } from './init/templates.ts';

/** What the command line says. */
export interface InitOptions {
  readonly js?: boolean;
}

/** From this file or, compiled, from dist/cli: the root of the package. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** What npm packages of hooks are often called; the name of the hook goes without it. */
const PREFIX = 'firehook-hook-';

/** Longest name of a hook, in characters. */
const MAX_HOOK_NAME = 64;

/**
 * Makes a package in a folder below the current one, and says what to do next.
 *
 * @param name - of the package; the folder has its last part
 * @throws {@link FirehookError} FIREHOOK_USAGE for a name that npm does not take; FIREHOOK_INIT when a file is there already, or cannot be
 *   written
 */
export function init(name: string, { js = false }: InitOptions): void {
  const problem = packageNameProblem(name);
  if (problem !== '') throw new FirehookError('FIREHOOK_USAGE', `init: ${JSON.stringify(name)} ${problem}`);
  const facts: PackageFacts = {
    name,
    hook: hookName(name),
    language: js ? 'JavaScript' : 'TypeScript',
    versions: ownVersions(),
  };
  const folder = path.resolve(path.basename(name));
  const files = new Map<string, string | Buffer>([...textFiles(facts), ['capture.pcap', sampleCapture()]]);
  try {
    refuseExisting(folder, [...files.keys()]);
    mkdirSync(folder, { recursive: true });
    // Who makes a file of that name meanwhile keeps it.
    for (const [file, content] of files) writeFileSync(path.join(folder, file), content, { flag: 'wx' });
    linkInstallation(path.join(folder, 'node_modules'));
  } catch (cause) {
    if (isFirehookError(cause)) throw cause;
    throw new FirehookError('FIREHOOK_INIT', `${folder}: ${fileReason(cause)}`, { cause });
  }
  process.stdout.write(`${nextSteps(facts, [...files.keys()])}\n`);
}

/** `@me/firehook-hook-telnet` is the package of a hook named `telnet`. */
function hookName(name: string): string {
  const base = path.basename(name);
  const short = base.length > PREFIX.length && base.startsWith(PREFIX) ? base.slice(PREFIX.length) : base;
  return short.replaceAll(/[^a-z0-9-]/g, '-').slice(0, MAX_HOOK_NAME);
}

/** This firehook, and the versions of the packages that it was made and tried with. */
function ownVersions(): PackageFacts['versions'] {
  const { version, dependencies, devDependencies } = JSON.parse(
    readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
  ) as {
    version: string;
    dependencies: { zod: string };
    devDependencies: { typescript: string };
  };
  return { firehook: version, zod: dependencies.zod, typescript: devDependencies.typescript };
}

/** Before anything is written: either all of it is made, or nothing. */
function refuseExisting(folder: string, files: readonly string[]): void {
  const there = files.filter((file) => lstatSync(path.join(folder, file), { throwIfNoEntry: false }) !== undefined);
  const [first, ...others] = there;
  if (first === undefined) return;
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`;
  throw new FirehookError('FIREHOOK_INIT', `${path.join(folder, first)} is there already${more}`, {
    advice: 'nothing was written; take another name, or another folder',
  });
}

/** Links in `node_modules` as `npm link` makes them. One that is there stays. */
function linkInstallation(modules: string): void {
  const zod = path.dirname(createRequire(import.meta.url).resolve('zod/package.json'));
  const links: readonly (readonly [string, string])[] = [
    ['firehook', ROOT],
    ['zod', zod],
    ['.bin/firehook', '../firehook/bin/firehook'],
    ['.bin/firehookd', '../firehook/bin/firehookd'],
  ];
  mkdirSync(path.join(modules, '.bin'), { recursive: true });
  for (const [name, target] of links) {
    const link = path.join(modules, name);
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) symlinkSync(target, link);
  }
}

function nextSteps(facts: PackageFacts, files: readonly string[]): string {
  const folder = path.basename(facts.name);
  return `Made ${folder}: ${files.toSorted().join(', ')}.

  cd ${folder}
  npm test          # packets that the tests make, and those of capture.pcap, through the hook
  npm run check     # what firehookd finds before it starts
  npm run replay    # what the hook does with the capture

The hook is in ${hookFile(facts)}, its options in firehook.yaml; README.md goes on from there.
Nothing has to be installed for this: node_modules leads to ${printable(ROOT)}.`;
}
