/**
 * The file of events: whole lines, also where the disk is full in the middle of one, and a new file in the place of the old one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { LineFile } from '../../../src/events/line-file.ts';

test('what is added is in the file as soon as it is flushed, and in the next one from its exchange on', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-lines-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const names = ['a', 'b'].map((name) => path.join(folder, name));
  const file = new LineFile();
  file.add('lost\n');
  file.flush();
  file.exchange(openSync(names[0] as string, 'a'));
  file.add('one\n');
  file.add('two\n');
  file.flush();
  file.add('three\n');
  file.exchange(openSync(names[1] as string, 'a'));
  file.add('four\n');
  file.flush();
  assert.deepEqual(
    names.map((name) => readFileSync(name, 'utf8')),
    ['one\ntwo\nthree\n', 'four\n'],
  );
  assert.deepEqual([file.written, file.lost, file.error], [4, 1, '']);
});

test('a device that is full takes nothing, and it is counted and said', () => {
  const file = new LineFile();
  file.exchange(openSync('/dev/full', 'a'));
  file.add('one\n');
  file.add('two\n');
  file.flush();
  assert.deepEqual([file.written, file.lost], [0, 2]);
  assert.match(file.error, /ENOSPC/);
});
