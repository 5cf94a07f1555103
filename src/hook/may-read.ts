/**
 * Why a file of a hook cannot be read by the user who bundles it, and the command that changes it.
 *
 * @module
 */

import { PathError, pathSteps } from '../config/path-steps.ts';

/** Execute permission of a folder. */
const ENTER = 0o1n;

/**
 * What keeps a user from reading a file or folder, and the command that changes it.
 *
 * @param user - `the user firehook`
 * @param isFolder - its list is what is wanted
 */
export function forbidden(file: string, user: string, isFolder = false): string {
  let end = file;
  try {
    for (const step of pathSteps(file)) end = step.path;
  } catch (error) {
    if (error instanceof PathError && error.code === 'EACCES') {
      return mayNotEnter(error.folder, user);
    }
  }
  return `${user} may not read it: chmod o+r${isFolder ? 'x' : ''} ${end}`;
}

/**
 * The same for another user, by modes alone: the folders on the way that this user may not enter; '' where it may.
 *
 * @param who - user and group of that user
 */
export function barrier(file: string, user: string, who: { readonly uid: number; readonly gid: number }): string {
  try {
    for (const { path, stats } of pathSteps(file)) {
      const shift = stats.uid === BigInt(who.uid) ? 6n : stats.gid === BigInt(who.gid) ? 3n : 0n;
      if (stats.isDirectory() && ((stats.mode >> shift) & ENTER) === 0n) return mayNotEnter(path, user);
    }
  } catch {
    // It is gone.
  }
  return '';
}

function mayNotEnter(folder: string, user: string): string {
  return `${user} may not enter ${folder}: chmod o+x ${folder}, or keep the hooks where it may`;
}
