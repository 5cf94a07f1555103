/**
 * The error of an npm package with native code that npm has not built: `pcap` and `raw-socket`, which `driver: pcap` needs.
 *
 * They are optional: npm 12 builds no package unasked, and a build that fails leaves the package out, so an installation never fails by
 * them. Rule: the error has the one command that builds them where this firehook lies.
 *
 * @module
 */

import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FirehookError } from '../errors.ts';

/** From this file or, compiled, from dist/drivers: the root of the package. */
const ROOT = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));

/**
 * @param name - of the npm package
 * @param cause - what loading it threw
 * @param root - folder that firehook is installed in
 * @returns FIREHOOK_DRIVER_MISSING with the command that builds the package
 */
export function packageMissing(name: 'pcap' | 'raw-socket', cause: unknown, root = ROOT): FirehookError {
  // Behind the first line Node lists the modules that wanted it.
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0] ?? '';
  // Only a checkout has the lock file. Elsewhere npm ci refuses, and `npm rebuild` alone would build with the nan that raw-socket names,
  // which Node.js 24 refuses: `overrides` of package.json hold where npm is started in its folder.
  const command = existsSync(path.join(root, 'package-lock.json')) ? 'npm ci' : 'npm install --omit=dev';
  return new FirehookError('FIREHOOK_DRIVER_MISSING', `npm ${name}: ${reason}`, {
    cause,
    advice:
      `driver: pcap needs npm pcap and npm raw-socket, and npm has not built them: install a C++ compiler, make, python3 and libpcap-dev, ` +
      `then run: cd ${root} && ${command} - or leave driver out, for afpacket`,
  });
}
