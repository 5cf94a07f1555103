/**
 * Names of the object manager, as far as drivers of this kind use them: devices and symbolic links.
 *
 * ```
 *   \Device\Name   \Name                            devices
 *   \DosDevices\Name = \??\Name = \DosDevices\Global\Name = \\.\Name of user mode      links
 * ```
 * Rule: names are compared without regard to case. Each driver has names of its own: two drivers of a chain do not meet.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/introduction-to-ms-dos-device-names
 *
 * @module
 */

import { STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_SYNTAX_BAD } from './status.ts';
import { upcased } from './unicode.ts';

/** A name as a key of a map; or why it is none. */
export type NameKey = { readonly key: string } | { readonly status: number };

const USER_PREFIX = /^\\\\[.?]\\/;

/** Makes the key of a kernel name such as `\Device\Name`. */
export function keyOfName(name: string): NameKey {
  const [root, ...parts] = upcased(name).split('\\');
  if (root !== '' || parts.length === 0) return { status: STATUS_OBJECT_PATH_SYNTAX_BAD };
  if (parts.includes('')) return { status: STATUS_OBJECT_NAME_INVALID };
  const [folder = '', ...rest] = parts;
  if (folder === '??' || folder === 'DOSDEVICES') {
    const names = rest[0] === 'GLOBAL' ? rest.slice(1) : rest;
    return names.length === 1 ? { key: `\\??\\${names[0]}` } : { status: STATUS_OBJECT_PATH_NOT_FOUND };
  }
  const depth = folder === 'DEVICE' ? 2 : 1;
  return parts.length === depth ? { key: `\\${parts.join('\\')}` } : { status: STATUS_OBJECT_PATH_NOT_FOUND };
}

/** Makes the key of a name that user mode opens: also `\\.\Name` and `\\?\Name`. */
export function keyOfUserName(name: string): NameKey {
  return keyOfName(USER_PREFIX.test(name) ? name.replace(USER_PREFIX, '\\??\\') : name);
}
