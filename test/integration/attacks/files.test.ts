/**
 * Files that never end, and tools that do not: `--check`, a start and `doctor` say so and go on, and wait for none.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stockHook } from '../../support/live.ts';
import { hostLab, rootOnly } from '../../support/netns.ts';
import { FIREHOOKD, writeConfig } from './attack.ts';

const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
/** Far less than whoever waits for a pipe would take, which is for ever. */
const TIMEOUT_MS = 100_000;

test('a named pipe as config, as hook and as a file of options is refused by name', {
  skip: rootOnly('mkfifo'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const attach = [{ host: 'eth0' }];
  const { folder, file } = await writeConfig(ns.host, { attach, hooks: [{ module: './pipe.ts' }] });
  const pipe = path.join(folder, 'pipe.ts');
  await ns.host.output('mkfifo', ['-m', '666', pipe]);
  const listed = await writeConfig(ns.host, {
    attach,
    hooks: [{ ...stockHook('block-list', { file: pipe }), allow: { files: [pipe] } }],
  });
  for (const [config, reason] of [
    [pipe, /pipe\.ts: not a regular file/],
    [file, /pipe\.ts: not a regular file but a named pipe/],
    [listed.file, /pipe\.ts.*not a regular file|pipe\.ts: .*named pipe/],
  ] as const) {
    for (const [command, args] of [
      [FIREHOOKD, ['-c', config, '--check']],
      [FIREHOOKD, ['-c', config]],
      [FIREHOOK, ['doctor', '-c', config]],
    ] as const) {
      const { code, stdout, stderr } = await ns.host.run(command, args, { timeoutMs: TIMEOUT_MS });
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, reason, [command, ...args].join(' '));
    }
  }
});

test('doctor names a tool that hangs and does not listen, and goes on', { skip: rootOnly() }, async (t) => {
  const { ns } = await hostLab(t);
  const { folder, file } = await writeConfig(ns.host, { attach: [{ host: 'eth0' }], hooks: [stockHook('pass-all')] });
  const bin = path.join(folder, 'bin');
  await mkdir(bin);
  const tool = path.join(bin, 'getent');
  await writeFile(tool, "#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n");
  await chmod(tool, 0o755);
  const { code, stdout, stderr } = await ns.host.run(FIREHOOK, ['doctor', '-c', file], {
    env: { PATH: `${bin}:${process.env['PATH']}` },
    timeoutMs: TIMEOUT_MS,
  });
  // It says nothing about the machine that a tool did not answer: that is to be looked at, and has not failed.
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /^warn +getent .*did not answer in \d+ s; the machine may be busy: try again$/m);
  assert.match(
    stdout,
    /^warn +hooks .*getent passwd .*did not answer in \d+ s; the machine may be busy: try again \[FIREHOOK_ATTACH_TOOL\]$/m,
  );
  assert.match(stdout, /, 0 failed$/m);
});
