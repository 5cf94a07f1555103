/**
 * `firehookd --check` as root: files that others may write, and files that the lanes' user may not read.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { runFirehook, runFirehookd } from './run-firehook.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: others are refused for root only';

/** A folder with a configuration of one hook that imports `parts/part.ts`. */
function stage(t: TestContext, more = ''): { readonly at: (name: string) => string; readonly config: string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-check-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const at = (name: string) => path.join(folder, name);
  mkdirSync(at('parts'), { mode: 0o755 });
  const files = {
    'parts/part.ts': "export const name = 'checked';\n",
    'hook.ts':
      "import { defineHook, FORWARD } from 'firehook';\nimport { name } from './parts/part.ts';\n" +
      'export default defineHook({ name, onPacket: () => FORWARD });\n',
    'firehook.yaml': `attach:\n  - tap: fh-none0\nhooks:\n  - module: ./hook.ts\n${more}`,
  };
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(at(name), text);
    chmodSync(at(name), 0o644);
  }
  return { at, config: at('firehook.yaml') };
}

describe('firehookd --check as root', { skip }, () => {
  test('loads what only root may write', (t) => {
    const { code, stdout, stderr } = runFirehookd('-c', stage(t).config, '--check', '--no-interfaces');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /ok; hooks in running order: checked \(0\)/);
  });

  test('refuses each file that others may write, and says what to do', (t) => {
    const { at, config } = stage(t);
    for (const [name, mode, back, command] of [
      ['firehook.yaml', 0o646, 0o644, 'chmod go-w'],
      ['hook.ts', 0o666, 0o644, 'chmod go-w'],
      ['parts/part.ts', 0o666, 0o644, 'chmod go-w'],
      ['parts', 0o777, 0o755, 'chmod go-w'],
    ] as const) {
      chmodSync(at(name), mode);
      const { code, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
      chmodSync(at(name), back);
      assert.equal(code, 2, stderr);
      assert.equal(
        stderr,
        `firehookd: error [FIREHOOK_FILE_WRITABLE]: others may write what decides about the traffic: ${at(name)}: every user may write to it (mode 0${mode.toString(8)}); ${command} ${at(name)}; trustWritable: true in the configuration accepts it\n`,
      );
    }
    chownSync(at('parts/part.ts'), 47_301, 0);
    const { code, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(code, 2);
    assert.match(stderr, /part\.ts: it belongs to user 47301, and not to root; chown root \/.*part\.ts; trustWritable/);
  });

  test('loads it with a warning when trustWritable is true, and doctor shows who may write', (t) => {
    const { at, config } = stage(t, 'trustWritable: true\n');
    for (const name of ['firehook.yaml', 'hook.ts', 'parts/part.ts']) chmodSync(at(name), 0o666);
    const { code, stdout, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /checked \(0\)/);
    assert.match(stderr, /firehookd: warning: trustWritable: true: whoever may write the files of hooks/);
    const doctor = runFirehook('doctor', '-c', config);
    assert.match(doctor.stdout, /file modes.*hook\.ts: every user may write to it/);
  });

  test('refuses a package.json that others may write, above the hook and of a package that leads elsewhere', (t) => {
    const { at, config } = stage(t);
    writeFileSync(at('package.json'), '{ "imports": {} }');
    chmodSync(at('package.json'), 0o666);
    const { code, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(code, 2);
    assert.match(stderr, /package\.json: every user may write to it/);
    rmSync(at('package.json'));
    mkdirSync(at('node_modules/away'), { recursive: true, mode: 0o755 });
    writeFileSync(at('node_modules/away/package.json'), '{ "main": "../../parts/part.ts" }');
    chmodSync(at('node_modules/away/package.json'), 0o666);
    writeFileSync(at('hook.ts'), "export { name } from 'away';\n");
    const away = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(away.code, 2);
    assert.match(away.stderr, /away\/package\.json: every user may write to it/);
  });

  test('refuses a folder that an import goes by and that others may write, wherever the file is', (t) => {
    const { at, config } = stage(t);
    mkdirSync(at('open'));
    symlinkSync('../parts/part.ts', at('open/part.ts'));
    chmodSync(at('open'), 0o777);
    writeFileSync(at('hook.ts'), "export { name } from './open/part.ts';\n");
    const { code, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(code, 2);
    assert.match(stderr, /\/open: every user may write to it \(mode 0777\)/);
    chmodSync(at('open'), 0o1777);
    lchownSync(at('open/part.ts'), 47_301, 0);
    writeFileSync(at('hook.ts'), "export { name } from './open/part';\n");
    const sticky = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(sticky.code, 2);
    assert.match(sticky.stderr, /\/open\/part\.ts: it belongs to user 47301, and not to root; chown -h root/);
  });

  test('refuses of a package what others may write: its package.json, its file, the link to it and the folder of that', (t) => {
    const { at, config } = stage(t);
    for (const folder of ['node_modules', 'checkout', 'checkout/foo']) mkdirSync(at(folder), { mode: 0o755 });
    symlinkSync('../checkout/foo', at('node_modules/foo'));
    const peers = '{ "main": "main.ts", "peerDependencies": { "firehook": "*" } }';
    const hook = "import { defineHook } from 'firehook';\n";
    for (const [name, text] of [
      ['checkout/foo/package.json', peers],
      ['checkout/foo/main.ts', `${hook}export default defineHook({ api: 1, name: 'packaged', onPacket: () => 0 });\n`],
      ['firehook.yaml', 'attach:\n  - tap: fh-none0\nhooks:\n  - module: foo\n'],
    ] as const) {
      writeFileSync(at(name), text);
      chmodSync(at(name), 0o644);
    }
    const good = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /packaged \(0\)/);
    for (const name of [
      'checkout/foo/package.json',
      'checkout/foo/main.ts',
      'checkout/foo',
      'checkout',
      'node_modules',
    ]) {
      const mode = name.endsWith('n') || name.endsWith('ts') ? 0o644 : 0o755;
      chmodSync(at(name), mode | 0o022);
      const { code, stderr } = runFirehookd('-c', config, '--check', '--no-interfaces');
      chmodSync(at(name), mode);
      assert.equal(code, 2, stderr);
      assert.ok(stderr.includes(`${at(name)}: every user may write to it`), stderr);
    }
    lchownSync(at('node_modules/foo'), 47_301, 0);
    const link = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.match(link.stderr, /node_modules\/foo: it belongs to user 47301, and not to root; chown -h root/);
    const doctor = runFirehook('doctor', '-c', config);
    assert.match(doctor.stdout, /file modes.*node_modules\/foo: it belongs to user 47301/);
  });

  test('says which user may not read a hook, and the command that lets it', (t) => {
    const { at, config } = stage(t);
    chmodSync(at('parts'), 0o700);
    const closed = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(closed.code, 2);
    assert.match(
      closed.stderr,
      /hook\.ts:2:22: cannot find '\.\/parts\/part\.ts': .*: the user firehook may not read it: chmod o\+rx \/.*\/parts\n$/,
    );
    chmodSync(at('parts'), 0o755);
    chmodSync(at('hook.ts'), 0o600);
    const unreadable = runFirehookd('-c', config, '--check', '--no-interfaces');
    assert.equal(unreadable.code, 2);
    assert.match(unreadable.stderr, /hook\.ts: the user firehook may not read it: chmod o\+r \/.*\/hook\.ts\n$/);
    const { code, stderr } = runFirehook('replay', 'config/demo.pcap', '--hook', at('hook.ts'));
    assert.equal(code, 2, stderr);
    assert.match(stderr, /hook\.ts: the user firehook may not read it/);
  });
});
