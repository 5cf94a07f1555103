/**
 * nf_tables over netlink: the messages that make, change, list and delete tables, and batches of them.
 *
 * ```
 *   batch begin ─ messages of one transaction ─ batch end          all of it comes into force, or nothing
 * ```
 * Rule: pure. Numbers are in network order; the data in registers is not.
 *
 * @see include/uapi/linux/netfilter/nf_tables.h, nfnetlink.h
 * @module
 */

import {
  type Message,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  type Request,
} from '../../netlink/message.ts';
import {
  type Attributes,
  attribute,
  be16,
  be32,
  be64,
  join,
  nested,
  readAttributes,
  readBe32,
  readBe64,
  readText,
  text,
  u8,
  u32,
} from '../../netlink/octets.ts';
import { type Rule, writeExpressions } from './clause.ts';

/** Families of tables. */
export type Family = 'inet' | 'netdev';
const FAMILY: Readonly<Record<Family, number>> = { inet: 1, netdev: 5 };

const SUBSYSTEM = 10;
const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
/** Messages of nf_tables. */
const MSG = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  newSet: 9,
  getSet: 10,
  newSetElem: 12,
  delSetElem: 14,
  newGen: 15,
  newObj: 18,
  getObj: 19,
} as const;

/** Octets of a body before the attributes: family, version, and in answers 16 bits of the generation. */
export const NFGENMSG = 4;

/** Nobody else may change the table as long as the socket is open that made it. */
export const NFT_TABLE_F_OWNER = 0x2;
/** The table stays when its owner has gone. Linux 6.9. */
export const NFT_TABLE_F_PERSIST = 0x4;
const NFT_SET_TIMEOUT = 0x10;
/** Rules make elements. */
const NFT_SET_EVAL = 0x20;
/** What nft calls `iface_index`. */
const KEY_IFINDEX = 20;
/** What nft calls `inet_service`. */
const KEY_PORT = 13;
/** All there are. */
const MOST_PORTS = 65_536;
/** For nft, which prints the elements: they are in the order of this machine. */
const HOST_ORDER = 1;
const NFT_OBJECT_COUNTER = 1;

const NF_DROP = 0;
const NF_ACCEPT = 1;

/** Where a base chain stands. */
export interface Hook {
  readonly hook: 'ingress' | 'egress' | 'prerouting' | 'forward' | 'output' | 'postrouting';
  readonly priority: number;
  /** Of a netdev chain. */
  readonly device?: string;
}
const HOOK_NUMBER = { ingress: 0, egress: 1, prerouting: 0, forward: 2, output: 3, postrouting: 4 } as const;

/** A chain and its rules. */
export interface Chain {
  readonly name: string;
  /** Absent where it is only jumped to. */
  readonly hook?: Hook;
  readonly rules: readonly Rule[];
}

/** A table and what is in it. */
export interface Table {
  readonly family: Family;
  readonly name: string;
  readonly comment: string;
  readonly counters: readonly string[];
  /** Names of sets of interface numbers with timeouts. */
  readonly sets: readonly string[];
  /** Names of sets of ports that rules fill; each element has a timeout. @defaultValue none */
  readonly portSets?: readonly string[];
  readonly chains: readonly Chain[];
}

/** A table as the kernel lists it. */
export interface ListedTable {
  readonly family: Family | null;
  readonly name: string;
  readonly comment: string;
  readonly flags: number;
  /** Port id of the owner; 0 where there is none. */
  readonly owner: number;
}

/** Wraps the messages of a transaction. */
export function batch(requests: readonly Request[]): Request[] {
  const mark = (type: number): Request => ({ type, flags: 0, body: join([u8(0), u8(0), be16(SUBSYSTEM)]) });
  return [mark(NFNL_MSG_BATCH_BEGIN), ...requests, mark(NFNL_MSG_BATCH_END)];
}

/** Makes a table with all that is in it. */
export function addTable(table: Table, flags: number): Request[] {
  const { family, name } = table;
  const own = attribute(1, text(name));
  return [
    request(family, MSG.newTable, NLM_F_CREATE | NLM_F_EXCL, [
      own,
      attribute(2, be32(flags)),
      ...(table.comment === '' ? [] : [attribute(6, writeComment(table.comment))]),
    ]),
    ...table.counters.map((counter) =>
      request(family, MSG.newObj, NLM_F_CREATE | NLM_F_EXCL, [
        own,
        attribute(2, text(counter)),
        attribute(3, be32(NFT_OBJECT_COUNTER)),
        nested(4),
      ]),
    ),
    ...table.sets.map((set, i) =>
      request(family, MSG.newSet, NLM_F_CREATE | NLM_F_EXCL, [
        own,
        attribute(2, text(set)),
        attribute(3, be32(NFT_SET_TIMEOUT)),
        attribute(4, be32(KEY_IFINDEX)),
        attribute(5, be32(4)),
        attribute(10, be32(i + 1)),
        attribute(13, u8(0), u8(4), u32(HOST_ORDER)),
      ]),
    ),
    ...(table.portSets ?? []).map((set, i) =>
      request(family, MSG.newSet, NLM_F_CREATE | NLM_F_EXCL, [
        own,
        attribute(2, text(set)),
        attribute(3, be32(NFT_SET_TIMEOUT | NFT_SET_EVAL)),
        attribute(4, be32(KEY_PORT)),
        attribute(5, be32(2)),
        nested(9, attribute(1, be32(MOST_PORTS))),
        attribute(10, be32(table.sets.length + i + 1)),
      ]),
    ),
    ...table.chains.map((chain) => addChain(family, own, chain)),
    ...table.chains.flatMap((chain) => chain.rules.map((rule) => addRule(family, own, chain.name, rule))),
  ];
}

/** Deletes a table with all that is in it. */
export function deleteTable(family: Family, name: string): Request {
  return request(family, MSG.delTable, 0, [attribute(1, text(name))]);
}

/** Renews an element for so long, whether it lives or has lapsed: an element that lives does not take another timeout. */
export function renewElement(
  family: Family,
  table: string,
  set: string,
  ifindex: number,
  timeoutMs: number,
): Request[] {
  const element = (...more: readonly Uint8Array[]): Uint8Array[] => [
    attribute(1, text(table)),
    attribute(2, text(set)),
    nested(3, nested(1, nested(1, attribute(1, u32(ifindex))), ...more)),
  ];
  return [
    request(family, MSG.newSetElem, NLM_F_CREATE, element()),
    request(family, MSG.delSetElem, 0, element()),
    request(family, MSG.newSetElem, NLM_F_CREATE, element(attribute(4, be64(timeoutMs)))),
  ];
}

/** Takes all elements out of a set. */
export function flushSet(family: Family, table: string, set: string): Request {
  return request(family, MSG.delSetElem, 0, [attribute(1, text(table)), attribute(2, text(set))]);
}

/** Asks for all tables. */
export function listTables(): Request {
  return question(0, MSG.getTable, NLM_F_DUMP, []);
}

/** Asks for one table: refused with ENOENT where there is none. */
export function getTable(family: Family, name: string): Request {
  return question(FAMILY[family], MSG.getTable, 0, [attribute(1, text(name))]);
}

/** Asks for one chain. */
export function getChain(family: Family, table: string, name: string): Request {
  return question(FAMILY[family], MSG.getChain, 0, [attribute(1, text(table)), attribute(3, text(name))]);
}

/** Asks for one set. */
export function getSet(family: Family, table: string, name: string): Request {
  return question(FAMILY[family], MSG.getSet, 0, [attribute(1, text(table)), attribute(2, text(name))]);
}

/** Asks for all rules of a table. */
export function listRules(family: Family, table: string): Request {
  return question(FAMILY[family], MSG.getRule, NLM_F_DUMP, [attribute(1, text(table))]);
}

/** Asks for all counters of a table; none where there is no table. */
export function listCounters(family: Family, table: string): Request {
  const attributes = [attribute(1, text(table)), attribute(3, be32(NFT_OBJECT_COUNTER))];
  return question(FAMILY[family], MSG.getObj, NLM_F_DUMP, attributes);
}

/** Reads a table of an answer. */
export function readTable({ body }: Message): ListedTable {
  const attributes = attributesOf(body);
  return {
    family: body[0] === FAMILY.inet ? 'inet' : body[0] === FAMILY.netdev ? 'netdev' : null,
    name: readText(attributes.get(1)),
    flags: readBe32(attributes.get(2)),
    comment: readComment(attributes.get(6)),
    owner: readBe32(attributes.get(7)),
  };
}

/** Reads a counter of an answer: its name, and how many packets it has counted. */
export function readCounter({ body }: Message): [name: string, packets: number] {
  const attributes = attributesOf(body);
  return [readText(attributes.get(2)), readBe64(readAttributes(attributes.get(4)).get(2))];
}

/** Name of the table that an event is about; '' where it is about none, as at the end of a transaction. */
export function tableOfEvent({ type, body }: Message): string {
  if (type >>> 8 !== SUBSYSTEM || (type & 0xff) === MSG.newGen) return '';
  return readText(attributesOf(body).get(1));
}

function addChain(family: Family, table: Uint8Array, { name, hook }: Chain): Request {
  const base = hook === undefined ? [] : writeHook(hook);
  return request(family, MSG.newChain, NLM_F_CREATE | NLM_F_EXCL, [table, attribute(3, text(name)), ...base]);
}

function writeHook({ hook, priority, device }: Hook): Uint8Array[] {
  const where = [attribute(1, be32(HOOK_NUMBER[hook])), attribute(2, be32(priority))];
  if (device !== undefined) where.push(attribute(3, text(device)));
  return [nested(4, ...where), attribute(5, be32(NF_ACCEPT)), attribute(7, text('filter'))];
}

function addRule(family: Family, table: Uint8Array, chain: string, rule: Rule): Request {
  return request(family, MSG.newRule, NLM_F_CREATE | NLM_F_APPEND, [
    table,
    attribute(2, text(chain)),
    nested(4, ...writeExpressions(rule)),
  ]);
}

/** A change: acknowledged, so that a refusal is seen. */
function request(family: Family, message: number, flags: number, attributes: readonly Uint8Array[]): Request {
  return question(FAMILY[family], message, flags | NLM_F_ACK, attributes);
}

function question(family: number, message: number, flags: number, attributes: readonly Uint8Array[]): Request {
  const header = [u8(family), u8(0), be16(0)];
  return { type: (SUBSYSTEM << 8) | message, flags, body: join([...header, ...attributes]) };
}

/** Type, length and text, as libnftnl writes the comment of a table. */
function writeComment(comment: string): Uint8Array {
  const value = text(comment);
  return join([u8(0), u8(value.length), value]);
}

function readComment(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return '';
  for (let offset = 0; offset + 2 <= bytes.length; offset += 2 + (bytes[offset + 1] ?? 0)) {
    const end = offset + 2 + (bytes[offset + 1] ?? 0);
    if (bytes[offset] === 0 && end <= bytes.length) return readText(bytes.subarray(offset + 2, end));
  }
  return '';
}

function attributesOf(body: Uint8Array): Attributes {
  return readAttributes(body.subarray(NFGENMSG));
}

/** Verdict numbers of chain policies, for those who read them. @internal */
export const POLICY = { accept: NF_ACCEPT, drop: NF_DROP } as const;
