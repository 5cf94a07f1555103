/**
 * The files of a timed apply: which file can be tried, and that the configuration is replaced whole or not at all.
 *
 * @module
 */

import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, test } from 'node:test';
import { isFirehookError } from '../../../src/errors.ts';
import { replaceConfig, trialFile } from '../../../src/supervisor/trial-file.ts';

const root = realpathSync(mkdtempSync(path.join(tmpdir(), 'firehook-trial-')));
test.after(() => rmSync(root, { recursive: true }));
let folder = '';
let own = { path: '', text: 'former\n' };
let file = '';

beforeEach(() => {
  folder = mkdtempSync(path.join(root, 'etc-'));
  own = { path: path.join(folder, 'firehook.yaml'), text: 'former\n' };
  file = path.join(folder, 'new.yaml');
  writeFileSync(own.path, own.text, { mode: 0o640 });
  writeFileSync(file, 'new\n');
});

function refusal(task: () => unknown, code: string): string {
  try {
    task();
  } catch (error) {
    assert.ok(isFirehookError(error));
    assert.equal(error.code, code, error.message);
    return error.message;
  }
  return assert.fail('it was not refused');
}

test('a file beside the configuration can be tried, also where its folder is given by a link', () => {
  assert.equal(trialFile(file, own, false), file);
  symlinkSync(folder, path.join(root, `${path.basename(folder)}-link`));
  assert.equal(trialFile(path.join(root, `${path.basename(folder)}-link`, 'new.yaml'), own, false), file);
});

test('a file in another folder is refused: its relative paths would mean something else after the confirmation', () => {
  const other = path.join(folder, 'other');
  mkdirSync(other);
  writeFileSync(path.join(other, 'new.yaml'), 'new\n');
  assert.match(
    refusal(() => trialFile(path.join(other, 'new.yaml'), own, false), 'FIREHOOK_APPLY_FILE'),
    /has to lie in/,
  );
  refusal(() => trialFile(path.join(root, 'not-there', 'new.yaml'), own, false), 'FIREHOOK_APPLY_FILE');
  refusal(() => trialFile('new.yaml', own, false), 'FIREHOOK_APPLY_FILE');
});

test('the configuration itself is refused, also by another name', () => {
  assert.match(
    refusal(() => trialFile(own.path, own, false), 'FIREHOOK_APPLY_FILE'),
    /own configuration/,
  );
  symlinkSync('firehook.yaml', path.join(folder, 'link.yaml'));
  refusal(() => trialFile(path.join(folder, 'link.yaml'), own, false), 'FIREHOOK_APPLY_FILE');
});

test('nothing is tried where the configuration is not what was loaded: a restart would read another one', () => {
  writeFileSync(own.path, 'edited\n');
  assert.match(
    refusal(() => trialFile(file, own, false), 'FIREHOOK_APPLY_FILE'),
    /somebody has changed it/,
  );
  rmSync(own.path);
  refusal(() => trialFile(file, own, false), 'FIREHOOK_APPLY_FILE');
});

test('a configuration that is a link cannot be replaced: that is said before anything happens', () => {
  writeFileSync(path.join(folder, 'real.yaml'), own.text);
  rmSync(own.path);
  symlinkSync('real.yaml', own.path);
  assert.match(
    refusal(() => trialFile(file, own, false), 'FIREHOOK_APPLY_FILE'),
    /symbolic link/,
  );
  assert.match(
    refusal(() => replaceConfig(own, 'new\n'), 'FIREHOOK_CONFIRM_FILE'),
    /symbolic link/,
  );
});

test('a file that others may write is refused where the daemon refuses such files, whatever it says of itself', () => {
  writeFileSync(file, 'trustWritable: true\n');
  chmodSync(file, 0o666);
  refusal(() => trialFile(file, own, true), 'FIREHOOK_FILE_WRITABLE');
  assert.equal(trialFile(file, own, false), file);
});

test('a confirmation replaces the text and nothing else: mode and owner stay, and no other file is left', () => {
  const before = statSync(own.path);
  replaceConfig(own, 'new\n');
  const after = statSync(own.path);
  assert.equal(readFileSync(own.path, 'utf8'), 'new\n');
  assert.deepEqual([after.mode, after.uid, after.gid], [before.mode, before.uid, before.gid]);
  assert.deepEqual(readdirSync(folder).sort(), ['firehook.yaml', 'new.yaml']);
});

test('a configuration that was changed meanwhile is not overwritten', () => {
  writeFileSync(own.path, 'edited\n');
  assert.match(
    refusal(() => replaceConfig(own, 'new\n'), 'FIREHOOK_CONFIRM_FILE'),
    /somebody has changed it/,
  );
  assert.equal(readFileSync(own.path, 'utf8'), 'edited\n');
});

test('what cannot be written leaves the configuration as it is, and no other file', () => {
  // Something is in the way under the very name.
  const inTheWay = path.join(folder, `.firehook.yaml.${process.pid}.new`);
  mkdirSync(inTheWay);
  refusal(() => replaceConfig(own, 'new\n'), 'FIREHOOK_CONFIRM_FILE');
  assert.equal(readFileSync(own.path, 'utf8'), own.text);
  assert.ok(statSync(inTheWay).isDirectory());
});
