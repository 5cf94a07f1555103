/**
 * Tries a part of the plumbing, or the whole of an attach, on p0 (and p1), and takes it back; run by `doctor` inside its
 * throw-away namespace.
 *
 * ```
 *   node try-plumbing ingress | egress | marks | wall | redirect | offloads       one part
 *   node try-plumbing host | bridge        all that firehookd does, and the lease confirmed once; a bridge with detours and at the ports
 * ```
 * A program of its own, because the plumbing works on the namespace it is in. Exit code 1 with what was refused as the
 * one line on standard error; {@link NO_ANSWER} when the kernel was too slow.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises';
import { takeMarked } from '../../drivers/classic-bpf.ts';
import { NETLINK_GENERIC, NETLINK_NETFILTER, NETLINK_ROUTE, NetlinkSocket } from '../../netlink/socket.ts';
import type { Attachment } from '../../plumbing/attach/attachment.ts';
import { findLinks } from '../../plumbing/attach/find-links.ts';
import type { LeaseControl } from '../../plumbing/contract.ts';
import { KernelPlumbing } from '../../plumbing/kernel-plumbing.ts';
import type { Link } from '../../plumbing/link.ts';
import { lookAtLinks } from '../../plumbing/look.ts';
import { ACCEPT, forwardTo, interfaceInSet, type Rule, setMark, socketGroupIs } from '../../plumbing/netlink/clause.ts';
import { addTable, batch, deleteTable, type Table } from '../../plumbing/netlink/nftables.ts';
import { addFilterQueue, addRedirect, deleteFilterQueue } from '../../plumbing/netlink/tc-messages.ts';
import { Offloads } from '../../plumbing/offloads.ts';
import { noAnswerIn } from '../../plumbing/run-tool.ts';
import { ALIVE, atDevice, wall } from '../../plumbing/tables.ts';
import { NO_ANSWER } from './no-answer.ts';

/** The kernel may take this long to confirm a lease. */
const LEASE_TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 10;

type Ports = readonly [Link, Link];

const PARTS: Readonly<Record<string, (ports: Ports) => Promise<void>>> = {
  ingress: async ([p0, p1]) => await tryTable(chainAt(p0, 'ingress', [[interfaceInSet('iif', ALIVE), forwardTo(p1)]])),
  egress: async ([p0, p1]) => await tryTable(chainAt(p0, 'egress', [[interfaceInSet('oif', ALIVE), forwardTo(p1)]])),
  marks: async ([p0]) => await tryTable(chainAt(p0, 'egress', [[socketGroupIs(1), ACCEPT], [setMark(1)]])),
  wall: async ([p0]) => await tryTable(wallOf(p0)),
  redirect: async ([p0, p1]) => {
    await withSocket(NETLINK_ROUTE, async (route) => {
      for (const side of ['ingress', 'egress'] as const) {
        const redirect = { ifindex: p0.ifindex, side, program: takeMarked(1), target: p1.ifindex };
        await route.request('redirect p0 to p1', [addFilterQueue(p0.ifindex, side), addRedirect(redirect)]);
        await route.request('remove the filters of p0', [deleteFilterQueue(p0.ifindex)]);
      }
    });
  },
  offloads: async ([p0]) => {
    await withSocket(NETLINK_GENERIC, async (generic) => {
      const offloads = new Offloads(generic);
      const names = await offloads.wrongAt(p0.ifindex, 'near', 'cut');
      if (names.length > 0) await offloads.set(p0.ifindex, names, false);
      if ((await offloads.wrongAt(p0.ifindex, 'near', 'cut')).length > 0) throw new Error('the offloads stay on');
    });
  },
  host: async ([p0]) =>
    await tryAttachments(
      (['mark', 'group'] as const).map((knownBy) => ({ kind: 'host', links: [p0], knownBy, deliveredMark: 1 })),
    ),
  bridge: async (links) =>
    await tryAttachments([
      { kind: 'bridge', links, takesAt: 'detour' },
      { kind: 'bridge', links, takesAt: 'port' },
    ]),
};

async function main(part: string): Promise<void> {
  const links = await lookAtLinks();
  const [p0, p1] = findLinks(['p0', 'p1'], 'host', links);
  const action = PARTS[part];
  if (p0 === undefined || p1 === undefined || action === undefined) throw new Error(`no part "${part}"`);
  await action([p0, p1]);
}

async function tryAttachments(attachments: readonly Attachment[]): Promise<void> {
  const plumbing = new KernelPlumbing();
  try {
    for (const attachment of attachments) {
      const ports = attachment.links.map(({ ifindex }) => ifindex);
      try {
        await plumbing.protect(attachment, 'drop', []);
        await plumbing.equip(attachment, 'cut');
        await confirmLease(plumbing.lease, ports);
        const [damage] = await plumbing.inspect(attachment, await plumbing.readLinks());
        if (damage !== undefined) throw new Error(damage.text);
      } finally {
        plumbing.lease.allow(false);
        for (const ifindex of ports) await plumbing.undo(ifindex);
      }
    }
    if ((await plumbing.findTraces()).length > 0) throw new Error('not everything could be taken back');
  } finally {
    plumbing.close();
  }
}

/** Has the lease of the ports renewed, and the kernel say so. */
async function confirmLease(lease: LeaseControl, ports: readonly number[]): Promise<void> {
  const end = performance.now() + LEASE_TIMEOUT_MS;
  lease.setPorts(ports);
  lease.allow(true);
  for (; !lease.state.held; await delay(LOOK_AGAIN_MS)) {
    // Again and again: on a busy machine this loop may stand still for longer than the lease waits for a word.
    lease.beat();
    const { lastError } = lease.state;
    if (lastError !== null) throw new Error(`the lease is not confirmed: ${lastError}`);
    if (performance.now() <= end) continue;
    process.exitCode = NO_ANSWER;
    throw new Error(`the lease thread ${noAnswerIn(LEASE_TIMEOUT_MS)}`);
  }
}

async function tryTable(table: Table): Promise<void> {
  await withSocket(NETLINK_NETFILTER, async (nft) => {
    await nft.request('make a table', batch(addTable(table, 0)));
    await nft.request('delete a table', batch([deleteTable(table.family, table.name)]));
  });
}

/** A table of its own, with the set that every real one has. */
function chainAt(port: Link, hook: 'ingress' | 'egress', rules: readonly Rule[]): Table {
  const chains = [atDevice(hook, hook, port, rules)];
  return { family: 'netdev', name: 'probe', comment: '', counters: [], sets: [ALIVE], chains };
}

function wallOf(port: Link): Table {
  const memory = { kind: 'host', peer: 0, setPromiscuous: false, unsetLro: false } as const;
  const plan = {
    port,
    memory,
    onDown: 'drop',
    peer: null,
    detours: null,
    tolerated: [],
    own: null,
    kept: null,
  } as const;
  return wall({ ...plan, takesAt: 'detour', knownBy: 'group', deliveredMark: 0 });
}

async function withSocket(family: number, action: (socket: NetlinkSocket) => Promise<void>): Promise<void> {
  const socket = new NetlinkSocket(family);
  try {
    await action(socket);
  } finally {
    socket.close();
  }
}

main(process.argv[2] ?? '').catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode ??= 1;
});
