/**
 * Builds the addon from a copy of `src/native` in a temporary folder, so that the one in use stays as it is.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { finish, startProcess } from '../support/processes.ts';

const SOURCES = fileURLToPath(new URL('../../src/native', import.meta.url));
const TIMEOUT_MS = 150_000;

/**
 * @param env - added to the environment of the build, for example FIREHOOK_ASAN
 * @param headers - folder with `include/node` of the Node to build for
 * @returns path of the addon; its folder goes with the test
 */
export async function buildAddon(
  t: TestContext,
  env: Readonly<Record<string, string>>,
  headers: string = headersOfThisNode(),
): Promise<string> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'firehook-addon-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(SOURCES, folder, { recursive: true, filter: (source) => path.basename(source) !== 'build' });
  // As npm runs it in its scripts: node-gyp comes with npm.
  const command = `node-gyp rebuild --directory='${folder}'${headers === '' ? '' : ` --nodedir='${headers}'`}`;
  const building = startProcess('npm', ['exec', '--offline', '-c', command], { env });
  const { code, stdout, stderr } = await finish(building, TIMEOUT_MS);
  assert.equal(code, 0, `${stdout}${stderr}`);
  return path.join(folder, 'build/Release/firehook.node');
}

/** Where the headers of the running Node lie beside it, which saves a download; '' where they do not. */
function headersOfThisNode(): string {
  const prefix = path.dirname(path.dirname(realpathSync(process.execPath)));
  return existsSync(path.join(prefix, 'include/node/node_version.h')) ? prefix : '';
}
