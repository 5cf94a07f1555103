/**
 * Netlink sockets of the addon: every answer of a request, in order, and what multicast groups send.
 *
 * Not a test file by itself: `addon.test.ts` and `asan.test.ts` run it in a namespace with `p0` and `q0`. With a path as its
 * argument it takes the addon from there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { loadNative } from '../../src/native/load-native.ts';
import type { NativeModule, NativeNetlink } from '../../src/native/native.d.ts';
import { waitFor } from '../support/wait-for.ts';
import {
  attribute,
  batch,
  deleteTable,
  dumpElements,
  dumpLinks,
  errorsOf,
  lapse,
  message,
  NETLINK_GENERIC,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NFT_MSG_GETTABLE,
  NFT_MSG_NEWSETELEM,
  NFT_MSG_NEWTABLE,
  NLM_F_ACK,
  NLMSG_DONE,
  newSet,
  newTable,
  nft,
  OWNED,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTNLGRP_LINK,
  readAttributes,
  readMessages,
  renewal,
  text,
} from './netlink-messages.ts';

const ENOENT = 2;
const EEXIST = 17;
const EPERM = 1;
const O_CLOEXEC = 0o2000000;
const IFLA_IFNAME = 3;
const WRONG = [undefined, null, -1, 0.5, 'x', true, {}, () => undefined, Symbol('x'), 1n];

type Anything = (...args: unknown[]) => unknown;

const file = process.argv[2];
const native = file === undefined ? loadNative() : (createRequire(import.meta.url)(file) as NativeModule);

function refuses(name: keyof NativeModule, ...args: unknown[]): void {
  assert.throws(() => (native[name] as Anything)(...args), { name: 'TypeError', message: new RegExp(`^${name}`) });
}

/** Names of the interfaces in an answer. */
function namesOf(answer: ArrayBuffer): string[] {
  return readMessages(answer)
    .filter(({ type }) => type === RTM_NEWLINK)
    .map(({ body }) =>
      (readAttributes(body.subarray(16)).get(IFLA_IFNAME) ?? Buffer.of()).toString().replace('\0', ''),
    );
}

async function hasTable(netlink: NativeNetlink, name: string): Promise<boolean> {
  const answer = await native.requestNetlink(netlink, nft(NFT_MSG_GETTABLE, 0, attribute(1, text(name))));
  return readMessages(answer).some(({ type }) => type === NFT_MSG_NEWTABLE);
}

/** Sockets of this process: those of the whole namespace are the kernel's too. */
function sockets(): number {
  return readFileSync('/proc/self/net/netlink', 'utf8')
    .split('\n')
    .filter((line) => line.split(/ +/)[2] === String(process.pid) || Number(line.split(/ +/)[2]) > 0x8000_0000).length;
}

describe('a netlink socket', () => {
  test('gives every interface of a dump, up to its end', async () => {
    const route = native.openNetlink(NETLINK_ROUTE, []);
    const answer = await native.requestNetlink(route, dumpLinks());
    assert.deepEqual(namesOf(answer).sort(), ['lo', 'p0', 'p1', 'q0', 'q1']);
    assert.equal(readMessages(answer).at(-1)?.type, NLMSG_DONE);
    native.closeNetlink(route);
  });

  test('reads a dump of many parts whole', async () => {
    const nfTables = native.openNetlink(NETLINK_NETFILTER, []);
    const ports = Array.from({ length: 5000 }, (_, index) => ({ table: 'many', set: 's', ifindex: index + 1 }));
    assert.deepEqual(
      new Set(errorsOf(await native.requestNetlink(nfTables, batch(newTable('many'), newSet('many', 's'))))),
      new Set([0]),
    );
    assert.deepEqual(errorsOf(await native.requestNetlink(nfTables, renewal(ports, 600_000))), [0]);
    const parts = readMessages(await native.requestNetlink(nfTables, dumpElements('many', 's')));
    const lists = parts.filter(({ type }) => type === NFT_MSG_NEWSETELEM);
    assert.ok(lists.length > 4, `${lists.length} parts`);
    assert.equal(parts.at(-1)?.type, NLMSG_DONE);
    const keys = new Set<number>();
    for (const { body } of lists) {
      const list = readAttributes(body.subarray(4)).get(3) ?? Buffer.of();
      // Attributes of one type, each an element.
      for (let at = 0; at < list.length; at += list.readUInt16LE(at)) {
        const element = readAttributes(list.subarray(at + 4, at + list.readUInt16LE(at)));
        keys.add(
          readAttributes(element.get(1) ?? Buffer.of())
            .get(1)
            ?.readUInt32LE(0) ?? 0,
        );
      }
    }
    assert.equal(keys.size, ports.length);
    await native.requestNetlink(nfTables, batch(deleteTable('many')));
    native.closeNetlink(nfTables);
  });

  test('answers each message that asks for it, tells every error, and what was wrong in words', async () => {
    const nfTables = native.openNetlink(NETLINK_NETFILTER, []);
    const good = await native.requestNetlink(nfTables, batch(newTable('t'), newSet('t', 's')));
    assert.deepEqual(errorsOf(good), [0, 0]);
    // One wrong message undoes the whole transaction; the kernel goes on to look for more.
    const bad = batch(
      newTable('u'),
      deleteTable('nobody'),
      lapse([{ table: 't', set: 'none', ifindex: 1 }]).subarray(20, -20),
    );
    assert.deepEqual(errorsOf(await native.requestNetlink(nfTables, bad)), [0, ENOENT, ENOENT]);
    assert.equal(await hasTable(nfTables, 'u'), false);
    assert.equal(await hasTable(nfTables, 't'), true);
    const exclusive = 0x200;
    const again = message(
      NFT_MSG_NEWTABLE,
      0x400 | exclusive | NLM_F_ACK,
      Buffer.from([5, 0, 0, 0]),
      attribute(1, text('t')),
    );
    assert.deepEqual(errorsOf(await native.requestNetlink(nfTables, batch(again))), [EEXIST]);
    await native.requestNetlink(nfTables, batch(deleteTable('t')));
    native.closeNetlink(nfTables);

    const route = native.openNetlink(NETLINK_ROUTE, []);
    // NLMSG_ERROR: errno, header of the request, then the attributes of NETLINK_EXT_ACK; NLMSGERR_ATTR_MSG is 1.
    const noHeader = readMessages(await native.requestNetlink(route, message(RTM_GETLINK, NLM_F_ACK, Buffer.alloc(4))));
    assert.match(
      readAttributes(noHeader[0]?.body.subarray(20) ?? Buffer.of())
        .get(1)
        ?.toString() ?? '',
      /\w+ header/,
    );
    native.closeNetlink(route);
  });

  test('answers requests one after another, in order, however many there are at once', async () => {
    const route = native.openNetlink(NETLINK_ROUTE, []);
    const requests = Array.from({ length: 200 }, (_, index) =>
      index % 3 === 0 ? dumpLinks() : message(RTM_GETLINK, NLM_F_ACK, ifinfo(1)),
    );
    const order: number[] = [];
    const answers = await Promise.all(
      requests.map(async (request, index) => {
        const answer = await native.requestNetlink(route, request);
        order.push(index);
        return answer;
      }),
    );
    assert.deepEqual(order, [...requests.keys()]);
    for (const [index, answer] of answers.entries()) {
      const wanted = requests[index]?.readUInt32LE(8);
      assert.deepEqual(new Set(readMessages(answer).map((one) => one.sequence)), new Set([wanted]));
    }
    native.closeNetlink(route);
  });

  test('has a receive buffer of four megabytes and is not left to children', () => {
    const before = descriptors().map(linkOf);
    const route = native.openNetlink(NETLINK_ROUTE, []);
    const [line] = execFileSync('ss', ['-f', 'netlink', '-m', '-n'], { encoding: 'utf8' })
      .split('\n')
      .filter((one) => one.includes(`:${route.portId} `) || one.includes(`:${route.portId}`));
    assert.match(line ?? '', /rb8388608/);
    const fd = descriptors().find((one) => linkOf(one).startsWith('socket:') && !before.includes(linkOf(one)));
    const flags = /flags:\s*(\d+)/.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    assert.equal(Number.parseInt(flags ?? '', 8) & O_CLOEXEC, O_CLOEXEC);
    native.closeNetlink(route);
  });

  test('owns the tables it makes so: others cannot change them, and they stay when it goes', async () => {
    const owner = native.openNetlink(NETLINK_NETFILTER, []);
    const other = native.openNetlink(NETLINK_NETFILTER, []);
    const made = errorsOf(await native.requestNetlink(owner, batch(newTable('mine', OWNED))));
    assert.deepEqual(made, [0]);
    const shown = readMessages(
      await native.requestNetlink(other, nft(NFT_MSG_GETTABLE, 0, attribute(1, text('mine')))),
    );
    // NFTA_TABLE_OWNER
    assert.equal(
      readAttributes(shown[0]?.body.subarray(4) ?? Buffer.of())
        .get(7)
        ?.readUInt32BE(0),
      owner.portId,
    );
    assert.deepEqual(errorsOf(await native.requestNetlink(other, batch(deleteTable('mine')))), [EPERM]);
    assert.notEqual(spawnSync('nft', ['delete', 'table', 'netdev', 'mine']).status, 0);
    native.closeNetlink(owner);
    assert.equal(await hasTable(other, 'mine'), true);
    assert.deepEqual(errorsOf(await native.requestNetlink(other, batch(deleteTable('mine')))), [0]);
    native.closeNetlink(other);
  });

  test('may be closed while requests are under way: what was begun ends, what waits is rejected', async () => {
    const before = sockets();
    for (let round = 0; round < 20; round++) {
      const route = native.openNetlink(NETLINK_ROUTE, []);
      const results = Promise.allSettled([1, 2, 3].map(() => native.requestNetlink(route, dumpLinks())));
      native.closeNetlink(route);
      native.closeNetlink(route);
      const [first, ...others] = await results;
      assert.equal(first?.status, 'fulfilled');
      for (const one of others) {
        assert.ok(one.status === 'rejected');
        assert.equal((one.reason as NodeJS.ErrnoException).code, 'ECANCELED');
      }
      refuses('requestNetlink', route, dumpLinks());
    }
    await waitFor(() => sockets() === before, { what: 'the sockets to be closed' });
  });

  test('calls back with what its groups send, and not after it was closed', async () => {
    const links = native.openNetlink(NETLINK_ROUTE, [RTNLGRP_LINK]);
    const names: string[] = [];
    let after = 0;
    native.watchNetlink(links, (messages) => {
      if (messages !== null) names.push(...namesOf(messages));
      if (!names.includes('fresh0') || !names.includes('fresh1')) return;
      native.closeNetlink(links);
      after += 1;
    });
    const run = promisify(execFile);
    await run('ip', ['link', 'add', 'fresh0', 'type', 'veth', 'peer', 'name', 'fresh1']);
    await waitFor(() => names.includes('fresh0') && names.includes('fresh1'), { what: 'the news of two interfaces' });
    await run('ip', ['link', 'delete', 'fresh0']);
    await setImmediate();
    assert.equal(after, 1);
  });

  test('says that messages were lost, once, and goes on', async () => {
    const links = native.openNetlink(NETLINK_ROUTE, [RTNLGRP_LINK]);
    let lost = 0;
    const names: string[] = [];
    native.watchNetlink(links, (messages) => {
      if (messages === null) lost += 1;
      else names.push(...namesOf(messages));
    });
    // The event loop stands still meanwhile: more than the buffer holds.
    const flood = Array.from({ length: 8000 }, (_, index) => `link set dev p1 mtu ${1000 + (index % 2)}`).join('\n');
    execFileSync('ip', ['-batch', '-'], { input: flood });
    await waitFor(() => lost > 0, { what: 'the news of the loss' });
    execFileSync('ip', ['link', 'add', 'late0', 'type', 'veth', 'peer', 'name', 'late1']);
    await waitFor(() => names.includes('late1'), { what: 'the news of another interface' });
    assert.equal(lost, 1);
    execFileSync('ip', ['link', 'delete', 'late0']);
    native.closeNetlink(links);
  });

  test('does not keep the process alive by watching', () => {
    const program = `
      const native = require(${JSON.stringify(file ?? pathOfAddon())});
      native.watchNetlink(native.openNetlink(0, [1]), () => {});`;
    const { status, stderr } = spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', timeout: 30_000 });
    assert.equal(status, 0, stderr);
  });

  test('refuses wrong arguments, and says which call the kernel refused', async () => {
    refuses('openNetlink');
    refuses('openNetlink', 0);
    for (const wrong of [...WRONG, 32]) refuses('openNetlink', wrong, []);
    for (const wrong of [...WRONG, [-1], ['1'], [0.5], [{}], Array(65).fill(1)]) refuses('openNetlink', 0, wrong);
    assert.throws(() => native.openNetlink(31, []), { syscall: 'socket', code: 'EPROTONOSUPPORT' });
    assert.throws(() => native.openNetlink(NETLINK_ROUTE, [4_000_000]), {
      syscall: 'NETLINK_ADD_MEMBERSHIP',
      code: 'EINVAL',
    });
    const generic = native.openNetlink(NETLINK_GENERIC, []);
    const groups = native.openNetlink(NETLINK_ROUTE, [RTNLGRP_LINK]);
    const good = dumpLinks();
    const long = Buffer.from(good);
    long.writeUInt32LE(good.length + 4, 0);
    const short = Buffer.from(good);
    short.writeUInt32LE(15, 0);
    for (const wrong of [...WRONG, Buffer.of(), good.subarray(0, 15), good.subarray(0, -1), long, short]) {
      refuses('requestNetlink', generic, wrong);
    }
    for (const wrong of [...WRONG, groups, { portId: generic.portId }]) refuses('requestNetlink', wrong, good);
    const ignore = () => undefined;
    for (const wrong of [...WRONG, generic]) refuses('watchNetlink', wrong, ignore);
    for (const wrong of WRONG.filter((one) => typeof one !== 'function')) refuses('watchNetlink', groups, wrong);
    native.watchNetlink(groups, ignore);
    refuses('watchNetlink', groups, ignore);
    for (const wrong of WRONG) refuses('closeNetlink', wrong);
    native.closeNetlink(groups);
    refuses('watchNetlink', groups, ignore);
    // One datagram more than the send buffer takes.
    const huge = Buffer.concat(Array<Buffer>(400_000).fill(good));
    await assert.rejects(native.requestNetlink(generic, huge.subarray(0, good.length * 300_000)), {
      syscall: 'sendmsg',
    });
    native.closeNetlink(generic);
  });
});

function ifinfo(index: number): Buffer {
  const octets = Buffer.alloc(16);
  octets.writeInt32LE(index, 4);
  return octets;
}

function descriptors(): string[] {
  return readdirSync('/proc/self/fd');
}

/** What a descriptor is; '' for that of the folder that was read. */
function linkOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`);
  } catch {
    return '';
  }
}

function pathOfAddon(): string {
  return new URL('../../src/native/build/Release/firehook.node', import.meta.url).pathname;
}
