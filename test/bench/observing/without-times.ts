/**
 * A copy of the built daemon that does not measure how long hooks take, for a bench to compare with.
 *
 * Rule: it differs in one line, and where that line is not found there is no copy: a bench that compares a program with itself says nothing.
 *
 * @module
 */

import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** A copy. */
export interface Variant {
  /** Path of its `firehookd`. */
  readonly firehookd: string;
  remove(): void;
}

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));
/** Counts a packet down to the one that is measured. */
const LINE = /^ *if \(--times\.left === 0\)\s+timed = times\.next\([^;]*;$/m;

/**
 * Makes the copy.
 *
 * @throws Error where the line is not there any more
 */
export function copyWithoutTimes(): Variant {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-variant-'));
  chmodSync(folder, 0o755);
  for (const name of ['bin', 'dist', 'package.json']) {
    cpSync(path.join(CHECKOUT, name), path.join(folder, name), { recursive: true });
  }
  cpSync(path.join(CHECKOUT, 'src/native'), path.join(folder, 'src/native'), { recursive: true });
  symlinkSync(path.join(CHECKOUT, 'node_modules'), path.join(folder, 'node_modules'));
  const file = path.join(folder, 'dist/hook/hook-chain.js');
  const text = readFileSync(file, 'utf8');
  if (!LINE.test(text)) throw new Error(`${file}: the line that counts down to a measured packet is another`);
  writeFileSync(file, text.replace(LINE, ''));
  return {
    firehookd: path.join(folder, 'bin/firehookd'),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
