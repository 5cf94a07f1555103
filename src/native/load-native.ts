/**
 * Loads the native addon: the one place that knows where it may lie.
 *
 * Rule: an addon that is missing or was built for another Node is an error that names every path tried, and why each
 * failed. firehookd needs it with every driver, because it speaks to the kernel through it; what reads files only does not.
 *
 * @module
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { FirehookError } from '../errors.ts';
import type { NativeModule } from './native.d.ts';

/** Relative to this file: beside the source, and from dist/native back to it. */
const CANDIDATES = ['./build/Release/firehook.node', '../../src/native/build/Release/firehook.node'];

/** For an operator without it. */
const ADVICE = 'build it: npm run build:native';

let loaded: NativeModule | null = null;
let isSealed = false;

/**
 * The addon, loaded once.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING naming the paths tried
 */
export function loadNative(): NativeModule {
  if (isSealed)
    throw new FirehookError('FIREHOOK_DRIVER_MISSING', 'the native addon is out of reach of hooks', { advice: '' });
  if (loaded !== null) return loaded;
  const require = createRequire(import.meta.url);
  const attempts: string[] = [];
  for (const candidate of CANDIDATES) {
    const file = fileURLToPath(new URL(candidate, import.meta.url));
    try {
      loaded = Object.freeze(require(file) as NativeModule);
      return loaded;
    } catch (error) {
      attempts.push(`${file}: ${(error as Error).message.split('\n')[0]}`);
    }
  }
  throw new FirehookError('FIREHOOK_DRIVER_MISSING', `native addon; tried ${attempts.join('; ')}`, { advice: ADVICE });
}

/** Keeps the addon from whoever asks for it from now on: hooks run in this process. Who has it keeps it. */
export function sealNative(): void {
  const { cache } = createRequire(import.meta.url);
  for (const name of Object.keys(cache)) if (name.endsWith('.node')) delete cache[name];
  loaded = null;
  isSealed = true;
}
