/**
 * Makes the plumbing of an attach on p0 (and p1), has the lease confirmed once, and takes it back; run by `doctor` inside its
 * throw-away namespace. A bridge is made both ways, with detours and at the ports.
 *
 * A program of its own, because the plumbing works on the namespace it is in. Exit code 1 with what was refused as the
 * one line on standard error.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises';
import { type Attachment, engage, findLinks, findTraces, prepare, undo } from '../../plumbing/attach.ts';
import { Lease } from '../../plumbing/lease.ts';
import { readLinks } from '../../plumbing/links.ts';
import { Fence } from '../../supervisor/fence.ts';

/** The kernel may take this long to confirm a lease. */
const LEASE_TIMEOUT_MS = 5_000;
const LOOK_AGAIN_MS = 10;

async function main(kind: string | undefined): Promise<void> {
  const links = readLinks();
  const [p0] = findLinks(['p0'], 'host', links);
  const [p1] = findLinks(['p1'], 'host', links);
  if (p0 === undefined || p1 === undefined) throw new Error('p0 and p1 are missing');
  const attachments: readonly Attachment[] =
    kind === 'bridge'
      ? [
          { kind, links: [p0, p1], takesAt: 'detour' },
          { kind, links: [p0, p1], takesAt: 'port' },
        ]
      : [{ kind: 'host', links: [p0] }];
  for (const attachment of attachments) {
    try {
      prepare(attachment, 'cut');
      engage(attachment, 'drop', new Map());
      await confirmLease(attachment.links.map(({ ifindex }) => ifindex));
    } finally {
      undo(attachment);
    }
  }
  if (findTraces().length > 0) throw new Error('not everything could be taken back');
}

/** Has nft renew the lease of the ports, and the kernel say so. */
async function confirmLease(ports: readonly number[]): Promise<void> {
  const fence = new Fence();
  let refusal: string | null = null;
  const lease = new Lease(fence, (text) => {
    refusal = text;
  });
  const end = performance.now() + LEASE_TIMEOUT_MS;
  try {
    lease.setPorts(ports);
    lease.renew();
    while (!fence.isOpen) {
      if (refusal !== null || performance.now() > end) throw new Error(refusal ?? 'nft -e -i does not confirm a lease');
      await delay(LOOK_AGAIN_MS);
    }
  } finally {
    lease.stop();
    fence.release();
  }
}

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
