/**
 * Makes the plumbing of an attach on p0 (and p1) and takes it back; run by `doctor` inside its throw-away namespace.
 *
 * A program of its own, because the plumbing works on the namespace it is in. Exit code 1 with what was refused as the
 * one line on standard error.
 *
 * @module
 */

import { readLinks } from '../../supervisor/links.ts';
import { type Attachment, engage, findLinks, findTraces, prepare, undo } from '../../supervisor/plumbing.ts';

function main(kind: string | undefined): void {
  const links = readLinks();
  const [p0] = findLinks(['p0'], 'host', links);
  const [p1] = findLinks(['p1'], 'host', links);
  if (p0 === undefined || p1 === undefined) throw new Error('p0 and p1 are missing');
  const attachment: Attachment = kind === 'bridge' ? { kind, links: [p0, p1] } : { kind: 'host', links: [p0] };
  try {
    prepare(attachment, 'cut');
    engage(attachment, 'drop', new Map());
  } finally {
    undo(attachment);
  }
  if (findTraces().length > 0) throw new Error('not everything could be taken back');
}

try {
  main(process.argv[2]);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
