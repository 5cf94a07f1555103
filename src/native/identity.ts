/**
 * Who this process is to the kernel: changed by Node.js, or by the addon where this Node.js was built not to.
 *
 * A Node.js that was built with the libuv of its distribution, as Debian 13 does, refuses every change: it cannot ask that
 * libuv whether it uses io_uring, whose kernel thread would go on with the old rights.
 *
 * Rule: where libuv may use io_uring nobody changes anything, the addon neither.
 *
 * @see CVE-2024-22017; the Node.js documentation of UV_USE_IO_URING
 * @module
 */

import { loadNative } from './load-native.ts';
import type { NativeModule } from './native.d.ts';

/** From this version on libuv has no such kernel thread unless it is asked for. */
const UV_WITHOUT_THREAD = [1, 49] as const;

/**
 * Changes the effective group. Needs root, or the group among its own.
 *
 * @throws Error when the kernel refuses, or neither Node.js nor the addon can do it
 */
export function setEffectiveGroup(group: number): void {
  change(
    () => process.setegid?.(group),
    (native) => native.setEffectiveGroup(group),
  );
}

/**
 * Changes user and group for good, and leaves all supplementary groups. Needs root.
 *
 * @throws Error when the kernel refuses, or neither Node.js nor the addon can do it
 */
export function setUser(user: number, group: number): void {
  change(
    () => {
      process.setgroups?.([]);
      process.setgid?.(group);
      process.setuid?.(user);
    },
    (native) => native.becomeUser(user, group),
  );
}

/** False for a Node.js that refuses to change the identity of a process, whatever the process may do. */
export function canNodeChange(): boolean {
  const own = process.getegid?.();
  if (own === undefined) return false;
  try {
    process.setegid?.(own);
    return true;
  } catch (error) {
    return !isRefusal(error);
  }
}

function isRefusal(error: unknown): boolean {
  // What the kernel refuses has a code of the kernel.
  return (error as NodeJS.ErrnoException).code === 'ERR_INVALID_STATE';
}

function change(byNode: () => void, byAddon: (native: NativeModule) => void): void {
  try {
    byNode();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    byAddon(addonInstead(error as Error));
  }
}

function addonInstead(refusal: Error): NativeModule {
  if (mayUseIoUring(process.env['UV_USE_IO_URING'], process.versions.uv))
    throw new Error(`this Node.js refuses (${refusal.message}); start it with UV_USE_IO_URING=0`);
  try {
    return loadNative();
  } catch (cause) {
    throw new Error(`this Node.js refuses (${refusal.message}), and without the addon: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/**
 * True unless libuv has certainly no kernel thread of io_uring.
 *
 * @param wanted - UV_USE_IO_URING as the process was started with
 * @param uv - version of libuv
 * @internal
 */
export function mayUseIoUring(wanted: string | undefined, uv: string): boolean {
  if (wanted !== undefined) return (Number.parseInt(wanted, 10) || 0) !== 0;
  const [major = 0, minor = 0] = uv.split('.').map(Number);
  return major < UV_WITHOUT_THREAD[0] || (major === UV_WITHOUT_THREAD[0] && minor < UV_WITHOUT_THREAD[1]);
}
