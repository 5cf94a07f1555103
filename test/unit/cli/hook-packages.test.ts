/**
 * Hooks by the name of an npm package: `firehookd --check`, `firehook doctor` and `firehook replay` take them, warn and refuse.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { ROOT } from '../../support/documents.ts';
import { runFirehook, runFirehookd } from './run-firehook.ts';

const DEMO = path.join(ROOT, 'config/demo.pcap');
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-packages-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 });
  writeFileSync(file, text, { mode: 0o644 });
  return file;
}

/** Makes a package whose hook drops telnet, with this in its package.json and in its definition. */
function pack(name: string, manifest: object, definition = 'api: 1,'): string {
  write(`node_modules/${name}/package.json`, JSON.stringify({ version: '1.2.0', exports: './hook.js', ...manifest }));
  write(
    `node_modules/${name}/hook.js`,
    `import { DROP, defineHook, FORWARD } from 'firehook';
    export default defineHook({ name: '${path.basename(name)}', ${definition} onPacket: ({ destinationPort }) => (destinationPort === 23 ? DROP : FORWARD) });`,
  );
  return name;
}

const config = (...modules: string[]): string =>
  write(
    'firehook.yaml',
    JSON.stringify({ attach: [{ tap: 'nowhere0' }], hooks: modules.map((module) => ({ module })) }),
  );
const check = (...modules: string[]) => runFirehookd('-c', config(...modules), '--check', '--no-interfaces');

const good = pack('@me/good', { peerDependencies: { firehook: '*' } });
const silent = pack('silent', {});

describe('a hook in a package', () => {
  test('is tried by --check, and runs in replay', () => {
    const { code, stdout, stderr } = check(good);
    assert.equal(code, 0, stderr);
    assert.equal(stderr, '');
    assert.match(stdout, /ok; hooks in running order: good \(0\); each met 102 sample packets/);
    const replayed = runFirehook('replay', DEMO, '-c', config(good), '--json');
    assert.equal(replayed.code, 0, replayed.stderr);
    const [hook] = (JSON.parse(replayed.stdout) as ReplayReport).hooks;
    assert.equal(hook?.name, 'good');
    assert.equal(hook.dropped, 6);
  });

  test('stands in a configuration beside paths, and twice with a name each', () => {
    write('own.js', 'export function firewallHook() { return 0; }');
    const hooks = [{ module: 'own.js' }, { module: silent }, { module: silent, name: 'again' }];
    const file = write('firehook.yaml', JSON.stringify({ attach: [{ tap: 'nowhere0' }], hooks }));
    const { code, stdout, stderr } = runFirehookd('-c', file, '--check', '--no-interfaces');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /running order: own \(0\), silent \(0\), again \(0\)/);
    // Once for the package, not once for each entry.
    assert.equal(stderr.match(/does not say/g)?.length, 1, stderr);
  });

  test('is found from the current folder by replay --hook', () => {
    const firehook = path.join(ROOT, 'bin/firehook');
    const { status, stdout, stderr } = spawnSync(process.execPath, [firehook, 'replay', DEMO, '--hook', good], {
      cwd: folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^good +0 +39 /m);
  });

  test('that says no range of versions is warned of by --check, doctor and replay', () => {
    const warning = /package silent 1\.2\.0 does not say with which versions of firehook it works/;
    const { code, stderr } = check(silent);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^firehookd: warning: /);
    assert.match(stderr, warning);
    assert.match(runFirehook('replay', DEMO, '-c', config(silent)).stderr, warning);
    assert.match(runFirehook('doctor', '-c', config(silent)).stdout, warning);
  });

  test('for another firehook is refused by all of them, with both versions', () => {
    const old = pack('old', { peerDependencies: { firehook: '^99.0.0' } });
    const refusal =
      /\[FIREHOOK_HOOK_VERSION\].*package old 1\.2\.0 works with firehook \^99\.0\.0 .* this is firehook \d/;
    for (const { code, stderr } of [check(old), runFirehook('replay', DEMO, '-c', config(old))]) {
      assert.equal(code, 2, stderr);
      assert.match(stderr, refusal);
    }
    assert.match(
      runFirehook('doctor', '-c', config(old)).stdout,
      /works with firehook \^99\.0\.0.*FIREHOOK_HOOK_VERSION/,
    );
  });

  test('says the version of the interface, and a file beside the configuration need not', () => {
    const unsaid = pack('unsaid', { peerDependencies: { firehook: '*' } }, '');
    const { code, stderr } = check(unsaid);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /\[FIREHOOK_HOOK_VERSION\].*unsaid\/hook\.js: api: is missing; a hook in an npm package says/);
    assert.equal(check('./node_modules/unsaid/hook.js').code, 0);
  });

  test('that is not installed is refused with the places that were looked at', () => {
    const { code, stderr } = check('not-installed');
    assert.equal(code, 2);
    assert.match(stderr, /\/not-installed: no such file, and no package not-installed in node_modules of \/.*; write/);
  });
});
