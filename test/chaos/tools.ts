/**
 * The system tools that a daemon finds in its PATH, and what becomes of them: they work, are slow, fail, or are missing.
 *
 * Rule: the folder is all of the daemon's PATH. A wrapper looks at the mode each time it is called; only for `missing` are
 * the wrappers themselves taken away. A tool that was started before a change goes on as it was.
 *
 * @module
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** What the tools do. */
export type ToolsMode = 'failing' | 'missing' | 'slow' | 'working';

const WRAPPED = ['nft', 'ip', 'tc', 'ethtool'] as const;
const PLAIN = ['getent', 'taskset'] as const;
const SLOW_SECONDS = 2;

/** The folder with the tools. */
export class Tools {
  readonly folder: string;
  readonly #modeFile: string;

  /** @param parent - an existing folder in which the tools' own is made */
  constructor(parent: string) {
    this.folder = path.join(parent, 'tools');
    this.#modeFile = path.join(parent, 'tools-mode');
    mkdirSync(this.folder);
    symlinkSync(process.execPath, path.join(this.folder, 'node'));
    for (const tool of PLAIN) symlinkSync(whereIs(tool), path.join(this.folder, tool));
    this.set('working');
  }

  /** Switches all tools at once. */
  set(mode: ToolsMode): void {
    writeFileSync(`${this.#modeFile}.new`, mode);
    renameSync(`${this.#modeFile}.new`, this.#modeFile);
    for (const tool of WRAPPED) {
      const file = path.join(this.folder, tool);
      if (mode === 'missing') rmSync(file, { force: true });
      else this.#write(file, tool);
    }
  }

  #write(file: string, tool: string): void {
    const lines = [
      '#!/bin/sh',
      `read -r mode <${this.#modeFile}`,
      `[ "$mode" = failing ] && { echo "${tool}: failing, as asked" >&2; exit 1; }`,
      `[ "$mode" = slow ] && /bin/sleep ${SLOW_SECONDS}`,
      `exec ${whereIs(tool)} "$@"`,
    ];
    // In one step: a daemon may call it at this moment.
    writeFileSync(`${file}.new`, `${lines.join('\n')}\n`);
    chmodSync(`${file}.new`, 0o755);
    renameSync(`${file}.new`, file);
  }
}

/**
 * Path of a program.
 *
 * @throws Error when it is not installed
 */
export function whereIs(tool: string): string {
  const { stdout } = spawnSync('sh', ['-c', `command -v ${tool}`], { encoding: 'utf8' });
  const file = stdout.trim();
  if (file === '') throw new Error(`${tool}: not installed`);
  return file;
}
