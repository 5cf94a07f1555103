/**
 * Where the compiled part of firehook may lie, and what to say where none of it fits this machine.
 *
 * ```
 *   src/native/build/Release/         compiled here: by bin/setup, or by npm run build:native where nothing else fits
 *   prebuilds/linux-<cpu>-glibc/      compiled for everybody: comes with the published package (packaging/prebuilt)
 * ```
 * Each has the addon, `firehook.node`, and the launcher, `firehook-launch`. Rule: what was compiled on this machine comes first. The
 * published package has none, so there the prebuilt one is loaded; and a developer's newer build is never passed over.
 *
 * @module
 */

import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** From this file or, compiled, from dist/native: the root of the package. */
const ROOT = path.resolve(fileURLToPath(new URL('../..', import.meta.url)));

/** What the filter of system calls is written for, and the prebuilt files are made for (process.arch). */
const CPUS: readonly string[] = ['x64', 'arm64'];

/** One place that was tried, and why it would not do. */
export interface Attempt {
  readonly file: string;
  readonly reason: string;
}

/** The folders, in the order they are tried. */
export function nativeFolders(): readonly string[] {
  return [path.join(ROOT, 'src/native/build/Release'), path.join(ROOT, 'prebuilds', `linux-${process.arch}-glibc`)];
}

/** Version of the C library of this process; '' where it is another one than glibc, which here means musl. */
export function glibcVersion(): string {
  const { header } = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime ?? '';
}

/**
 * What to do where no addon loads.
 *
 * @param machine - CPU, as `process.arch`, and version of glibc; '' for musl
 * @param root - folder of the package, in which a build is started
 * @internal
 */
export function adviceFor(
  attempts: readonly Attempt[],
  machine: { readonly cpu: string; readonly glibc: string },
  root = ROOT,
): string {
  if (!CPUS.includes(machine.cpu)) return `firehook runs on ${CPUS.join(' and ')}, and this machine is ${machine.cpu}`;
  const build = `build it here, with a C++ compiler, make and python3: cd ${root} && npm run build:native`;
  if (machine.glibc === '')
    return `the prebuilt files are for glibc and this system has another C library, so ${build}`;
  const needed = attempts.map(({ reason }) => /version `GLIBC_([\d.]+)' not found/.exec(reason)?.[1]).find(Boolean);
  if (needed === undefined) return build;
  return `the prebuilt files are for glibc ${needed} or newer and this system has ${machine.glibc}, so ${build}`;
}
