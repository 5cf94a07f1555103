/**
 * Loads the native addon, from the first place that has one which fits.
 *
 * Rule: an addon that is missing or was built for another machine is an error that names every path tried, why each
 * failed, and what to do. firehookd needs it with every driver, because it speaks to the kernel through it; what reads files only does not.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { FirehookError } from '../errors.ts';
import type { NativeModule } from './native.d.ts';
import { type Attempt, adviceFor, glibcVersion, nativeFolders } from './native-folder.ts';

let loaded: { readonly native: NativeModule; readonly folder: string } | null = null;
let isSealed = false;

/**
 * The addon, loaded once.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING naming the paths tried
 */
export function loadNative(): NativeModule {
  return load().native;
}

/**
 * The folder that the addon was loaded from: the launcher beside it was built with it.
 *
 * @throws {@link FirehookError} as {@link loadNative}
 */
export function nativeFolder(): string {
  return load().folder;
}

function load(): { readonly native: NativeModule; readonly folder: string } {
  if (isSealed)
    throw new FirehookError('FIREHOOK_DRIVER_MISSING', 'the native addon is out of reach of hooks', { advice: '' });
  if (loaded !== null) return loaded;
  const require = createRequire(import.meta.url);
  const attempts: Attempt[] = [];
  for (const folder of nativeFolders()) {
    const file = path.join(folder, 'firehook.node');
    try {
      loaded = { native: Object.freeze(require(file) as NativeModule), folder };
      return loaded;
    } catch (error) {
      const reason = existsSync(file) ? ((error as Error).message.split('\n')[0] ?? '') : 'not there';
      attempts.push({ file, reason });
    }
  }
  const tried = attempts.map(({ file, reason }) => `${file}: ${reason}`).join('; ');
  const machine = { cpu: process.arch, glibc: glibcVersion() };
  throw new FirehookError('FIREHOOK_DRIVER_MISSING', `native addon; tried ${tried}`, {
    advice: adviceFor(attempts, machine),
  });
}

/** Keeps the addon from whoever asks for it from now on: hooks run in this process. Who has it keeps it. */
export function sealNative(): void {
  const { cache } = createRequire(import.meta.url);
  for (const name of Object.keys(cache)) if (name.endsWith('.node')) delete cache[name];
  loaded = null;
  isSealed = true;
}
