/**
 * The papers keep their word: what they link to, name, print and tabulate is there, and is so.
 *
 * Rule: a paper is compared with the source, never with another paper.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { textFiles } from '../../src/cli/init/templates.ts';
import { parseConfig } from '../../src/config/load-config.ts';
import { ERRORS } from '../../src/errors.ts';
import { bundleHooks } from '../../src/hook/bundle-hook.ts';
import { loadHook } from '../../src/hook/load-hook.ts';
import { HOOK_MODULE_NAMES, HOOK_MODULES } from '../../src/hook-modules.ts';
import * as firehook from '../../src/index.ts';
import { isKnownLinktype } from '../../src/wire/link.ts';
import {
  anchors,
  bareFilesIn,
  codeBlocks,
  codeOf,
  compilerProblems,
  configKeysIn,
  type JsonSchema,
  keysOf,
  pathsIn,
  ROOT,
  tableRows,
  withoutCode,
} from '../support/documents.ts';

interface PackageJson {
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

const PACKAGE = JSON.parse(read('package.json')) as PackageJson;
/** Those of this checkout, and those of a package that `firehook init` makes. */
const SCRIPTS = { ...PACKAGE.scripts, ...scriptsOfInit() };
const PAPERS = [
  ...readdirSync(ROOT),
  ...['docs', 'src', 'hooks', 'test'].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true }).map((file) => path.join(folder, String(file))),
  ),
].filter((file) => file.endsWith('.md'));
const README = read('README.md');
const CONFIG_KEYS = keysOf(JSON.parse(read('config/firehook.schema.json')) as JsonSchema);
/** Every file of the checkout that a page may name without its folder. */
const FILE_NAMES = new Set(
  ['src', 'test', 'hooks', 'bin', 'packaging'].flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true }).map((file) => path.basename(String(file))),
  ),
);
/** Set by those who run tests and builds. */
const VARIABLES = ['FIREHOOK_ASAN', 'FIREHOOK_NO_SKIP'];
const FIREHOOK_HELP = help('firehook');
const FIREHOOKD_HELP = help('firehookd');
const COMMANDS = Array.from(FIREHOOK_HELP.matchAll(/^ {2}([a-z]+) .*\S$/gm), ([, name = '']) => name).filter(
  (name) => name !== 'help',
);

function read(file: string): string {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

function scriptsOfInit(): Record<string, string> {
  const versions = { firehook: '0.0.0', zod: '0.0.0', typescript: '0.0.0' };
  const files = textFiles({ name: 'a', hook: 'a', language: 'TypeScript', versions });
  return (JSON.parse(files.get('package.json') ?? '') as PackageJson).scripts;
}

/** What the program prints about itself, from the source. */
function help(program: string): string {
  const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', `src/cli/${program}.ts`, '--help'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return stdout;
}

for (const paper of PAPERS) {
  describe(paper, () => {
    const text = read(paper);

    test('links to pages and headings that are there', () => {
      const broken: string[] = [];
      for (const [, target = ''] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [file = '', anchor] = target.split('#');
        const page = file === '' ? paper : path.join(path.dirname(paper), file);
        if (!existsSync(path.join(ROOT, page))) broken.push(target);
        else if (anchor !== undefined && !anchors(read(page)).includes(anchor)) broken.push(target);
      }
      assert.deepEqual(broken, []);
    });

    test('names npm scripts, commands and files that are there', () => {
      const code = codeOf(text);
      const wrong = [
        ...Array.from(code.matchAll(/npm run ([\w:-]+)/g), ([, name = '']) => name).filter(
          (name) => !(name in SCRIPTS),
        ),
        ...Array.from(code.matchAll(/\bfirehook ([a-z]+)\b/g), ([, name = '']) => name).filter(
          (name) => !COMMANDS.includes(name),
        ),
        ...Array.from(code.matchAll(/\bfirehookd(?: -c \S+)? (--[a-z]+)/g), ([, name = '']) => name).filter(
          (name) => !FIREHOOKD_HELP.includes(name),
        ),
        ...pathsIn(text).filter((name) => !existsSync(path.join(ROOT, name))),
      ];
      assert.deepEqual(wrong, []);
    });

    test('names files, keys of the configuration and error codes that are there', () => {
      const wrong = [
        ...bareFilesIn(text).filter((name) => !FILE_NAMES.has(name)),
        ...configKeysIn(text, CONFIG_KEYS).filter(
          (key) => !CONFIG_KEYS.some((known) => known === key || known.endsWith(`.${key}`)),
        ),
        ...Array.from(text.matchAll(/\bFIREHOOK_[A-Z][A-Z_]*[A-Z]\b/g), ([code]) => code).filter(
          (code) => !(code in ERRORS) && !VARIABLES.includes(code),
        ),
      ];
      assert.deepEqual(wrong, []);
    });

    test('does not call anything simple, easy or obvious', () => {
      assert.doesNotMatch(withoutCode(text), /\b(?:simply|easy|easily|obviously)\b/i);
    });
  });
}

describe('README.md', () => {
  const hooks = codeBlocks(README, 'ts').filter((code) => code.includes('defineHook'));
  const configs = codeBlocks(README, 'yaml');
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-docs-'));
  const file = path.join(folder, 'no-telnet.ts');

  before(() => {
    // Started by root, replay has hooks read as another user.
    chmodSync(folder, 0o755);
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(file, hooks[0] ?? '');
  });
  after(() => rmSync(folder, { recursive: true }));

  test('prints one hook, which the compiler takes and firehook loads', async () => {
    assert.equal(hooks.length, 1);
    assert.deepEqual(compilerProblems([file]), []);
    const [bundle] = await bundleHooks(file, HOOK_MODULE_NAMES);
    assert.ok(bundle);
    assert.equal(loadHook(bundle, HOOK_MODULES).name, 'no-telnet');
  });

  test('prints what replay says of that hook and the shipped capture', () => {
    const capture = path.join(ROOT, 'config/demo.pcap');
    const args = [path.join(ROOT, 'bin/firehook'), 'replay', capture, '--hook', file];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
    const [shown = ''] = codeBlocks(README, 'console').filter((block) => block.includes('replay'));
    const [, ...lines] = shown.split('\n').filter((line) => !line.startsWith('Written:'));
    assert.equal(stdout, lines.join('\n'), stderr);
  });

  test('prints the line of an error as it is', () => {
    const [block = ''] = codeBlocks(README, 'console').filter((text) => text.includes('--loud'));
    const { status, stderr } = spawnSync(process.execPath, ['bin/firehook', 'status', '--loud'], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    assert.equal(status, 2);
    assert.equal(block, `$ bin/firehook status --loud\n${stderr}`);
  });

  test('prints configurations that are valid, the first of them for that hook', () => {
    assert.equal(configs.length, 2);
    for (const config of configs) assert.ok(parseConfig(config, folder, 'firehook.yaml').config);
    const [first = ''] = configs;
    assert.equal(parseConfig(first, folder, 'firehook.yaml').config.hooks[0]?.module, file);
  });

  test('has every command in its table, and no other', () => {
    const named = tableRows(README, 'command').map(([command = '']) => command);
    const ofFirehook = named.flatMap((command) => /^firehook ([a-z]+)/.exec(command)?.[1] ?? []);
    assert.deepEqual(ofFirehook.sort(), COMMANDS.toSorted());
    assert.equal(named.filter((command) => command.startsWith('firehookd ')).length, named.length - COMMANDS.length);
  });

  test('lists the stock hooks that are there', () => {
    const stock = readdirSync(path.join(ROOT, 'hooks')).filter((name) => /^[^_].*\.ts$/.test(name));
    const listed = tableRows(README, 'hook').map(([name]) => `${name}.ts`);
    assert.deepEqual(listed.sort(), stock.sort());
  });

  test('gives the verdicts the numbers that hooks import', () => {
    const numbers = tableRows(README, 'verdict').map(([name, number]) => [name, Number(number)]);
    const { FORWARD, DROP, ICMP_ON_DROP, ACCEPT } = firehook;
    assert.deepEqual(numbers, Object.entries({ FORWARD, DROP, ICMP_ON_DROP, ACCEPT }));
  });

  test('says in bold what is not supported', () => {
    const section = /## What is not supported\n(.*?)\n## /s.exec(README)?.[1] ?? '';
    const lines = section.split('\n').filter((line) => line.startsWith('- '));
    assert.ok(lines.length >= 10);
    for (const line of lines) assert.match(line, /^- \*\*/);
  });
});

describe('the exit codes', () => {
  const rows = tableRows(README, 'exit code');
  const sentence = rows.map((row) => row.join(' ')).join(', ');

  test('have one meaning each in the README, and cover every error', () => {
    const codes = rows.map(([code]) => Number(code));
    assert.deepEqual(codes, [0, 1, 2, 3, 4]);
    for (const [name, { exitCode }] of Object.entries(ERRORS)) assert.ok(codes.includes(exitCode), name);
  });

  test('mean the same in docs/errors.md and in what the programs print', () => {
    assert.ok(read('docs/errors.md').includes(`Exit codes of the commands: ${sentence}.`));
    assert.ok(FIREHOOK_HELP.includes(`Exit codes: ${sentence}.`), FIREHOOK_HELP);
    const withoutSocket = rows.filter(([code]) => code !== '3').map((row) => row.join(' '));
    assert.ok(FIREHOOKD_HELP.includes(`Exit codes: ${withoutSocket.join(', ')}.`), FIREHOOKD_HELP);
  });
});

describe('the other papers', () => {
  test('docs/dependencies.md has every package with its version, and no other', () => {
    const listed = tableRows(read('docs/dependencies.md'), 'package').map(([name, version]) => `${name} ${version}`);
    const pinned = Object.entries({
      ...PACKAGE.dependencies,
      ...PACKAGE.optionalDependencies,
      ...PACKAGE.devDependencies,
    });
    assert.deepEqual(listed.sort(), pinned.map(([name, version]) => `${name} ${version}`).sort());
  });

  test('docs/dependencies.md has the licence that each package says it has', () => {
    for (const [name = '', , licence] of tableRows(read('docs/dependencies.md'), 'package')) {
      const { license } = JSON.parse(read(`node_modules/${name}/package.json`)) as { license: string };
      assert.equal(licence, license, name);
    }
  });

  test('docs/drivers.md names every member of the contract', () => {
    const page = read('docs/drivers.md');
    const contract = read('src/drivers/contract.ts');
    for (const [, type = '', body = ''] of contract.matchAll(/^export interface (\w+) \{\n(.*?)^\}/gms)) {
      const members = Array.from(body.matchAll(/^ {2}(?:readonly )?(\w+)\??[(:]/gm), ([, member = '']) => member);
      assert.ok(members.length > 0, type);
      for (const member of members) assert.match(page, new RegExp(`\\b${member}\\b`), `${type}.${member}`);
    }
    for (const [, flag = ''] of contract.matchAll(/^export const (FRAME_\w+)/gm))
      assert.ok(page.includes(`\`${flag}\``), flag);
  });

  test('docs/drivers.md prints the set-up of the suite as the memory driver has it', () => {
    const suite = read('test/conformance/memory.test.ts');
    for (const block of codeBlocks(read('docs/drivers.md'), 'ts')) assert.ok(suite.includes(block), block);
  });

  test('docs/operations.md says what the systemd unit says', () => {
    const unit = read('config/firehook.service');
    const page = read('docs/operations.md');
    const value = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';
    assert.equal(value('RestartSec'), '3');
    assert.match(page, /starts it again when it fails, every three seconds/);
    assert.match(page, /under systemd that is three seconds later/);
    // The one folder that can be written is where the default socket and the locks are.
    assert.deepEqual([value('ProtectSystem'), value('RuntimeDirectory')], ['strict', 'firehook']);
    assert.equal(value('LogsDirectory'), 'firehook');
    // The unit's own cgroup, and what the plumbing writes below /proc/sys: nothing else there.
    assert.match(
      page,
      /nothing but `\/run\/firehook`, `\/var\/log\/firehook` and `\/etc\/firehook` can be written, and the cgroup of the unit/,
    );
    const writable = Array.from(unit.matchAll(/^ReadWritePaths=(.*)$/gm), ([, one]) => one);
    assert.deepEqual(writable, ['-/sys/fs/cgroup/system.slice/%n', '-/etc/firehook', '-/proc/sys/net/ipv6/conf']);
    const written = Array.from(
      read('src/plumbing/detour-keeper.ts').matchAll(/\/proc\/sys\/[\w/]+/g),
      ([file]) => file,
    );
    assert.deepEqual(written, ['/proc/sys/net/ipv6/conf/']);
  });

  test('SECURITY.md is in the package, and names the version that gets fixes', () => {
    const { files, version } = JSON.parse(read('package.json')) as { files: string[]; version: string };
    assert.ok(files.includes('SECURITY.md'));
    assert.ok(read('SECURITY.md').includes(`\`${version.split('.').slice(0, 2).join('.')}.x\``));
  });

  test('src/README.md lists every folder and file of src/', () => {
    const [map = ''] = /^```\n.*?^```/ms.exec(read('src/README.md')) ?? [];
    const listed = Array.from(map.matchAll(/^([a-z-]+(?:\/|\.ts)) /gm), ([, name]) => name);
    const there = readdirSync(path.join(ROOT, 'src')).filter((name) => !name.endsWith('.md'));
    const expected = there.map((name) => (statSync(path.join(ROOT, 'src', name)).isDirectory() ? `${name}/` : name));
    assert.deepEqual(listed.sort(), expected.sort());
  });

  test('docs/drivers.md lists the link types that are read, and no other', () => {
    const listed = tableRows(read('docs/drivers.md'), 'linktype').flatMap(([numbers = '']) => numbers.split(', '));
    const known = Array.from({ length: 512 }, (_, linktype) => linktype).filter(isKnownLinktype);
    assert.deepEqual(
      listed.map(Number).toSorted((a, b) => a - b),
      known,
    );
  });

  test('CONTRIBUTING.md names every npm script', () => {
    const text = read('CONTRIBUTING.md');
    for (const name of Object.keys(PACKAGE.scripts)) {
      // npm's own step of `npm pack`: its parts are named.
      if (name === 'prepack') continue;
      assert.ok(text.includes(name === 'test' ? '`npm test`' : `\`npm run ${name}\``), name);
    }
  });

  test('docs/configuration.md promises that --check lists every problem, and it does', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'firehook-docs-'));
    try {
      const file = path.join(folder, 'bad.yaml');
      writeFileSync(file, 'attach:\n  - tap: eth0\npolicy: { onDown: maybe, onStop: never }\nlanes: none\n');
      const args = ['--import', 'tsx', path.join(ROOT, 'src/cli/firehookd.ts'), '-c', file, '--check'];
      const { status, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
      assert.equal(status, 2);
      const lines = stderr.trimEnd().split('\n');
      assert.equal(lines.length, 3, stderr);
      for (const key of ['policy.onDown', 'policy.onStop', 'lanes']) {
        assert.equal(lines.filter((line) => line.includes(` ${key}: `)).length, 1, stderr);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
