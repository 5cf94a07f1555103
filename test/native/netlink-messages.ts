/**
 * Netlink messages for the tests of the addon: built octet by octet, and read.
 *
 * ```
 *   message:    length 4 | type 2 | flags 2 | number 4 | port 4 | family header | attributes     (netlink(7))
 *   attribute:  length 2 | type 2 | value, padded to 4                                           numbers of nf_tables: big-endian
 * ```
 * The batches of a lease stand at the end: what the thread of the addon sends five times a second.
 *
 * @see linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
 * @module
 */

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const NETLINK_GENERIC = 16;
export const RTNLGRP_LINK = 1;
export const RTM_NEWLINK = 16;
export const RTM_GETLINK = 18;

export const NFT_MSG_NEWTABLE = 0xa00;
export const NFT_MSG_GETTABLE = 0xa01;
export const NFT_MSG_DELTABLE = 0xa02;
export const NFT_MSG_NEWSET = 0xa09;
export const NFT_MSG_NEWSETELEM = 0xa0c;
export const NFT_MSG_GETSETELEM = 0xa0d;
export const NFT_MSG_DELSETELEM = 0xa0e;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NFNL_SUBSYS_NFTABLES = 10;
export const NFPROTO_NETDEV = 5;

/** Linux 6.9: NFT_TABLE_F_OWNER | NFT_TABLE_F_PERSIST. */
export const OWNED = 2 | 4;
const NFT_SET_TIMEOUT = 0x10;
/** How nft names the type of an interface's index. */
const TYPE_IFINDEX = 20;
const NLA_F_NESTED = 0x8000;

/** A message, or an attribute, as it was read. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

let sequence = 0;

/** A message with a number of its own. */
export function message(type: number, flags: number, ...body: readonly Buffer[]): Buffer {
  const payload = Buffer.concat(body);
  sequence += 1;
  const header = Buffer.alloc(16);
  header.writeUInt32LE(16 + payload.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | flags, 6);
  header.writeUInt32LE(sequence, 8);
  return padded(Buffer.concat([header, payload]));
}

function padded(octets: Buffer): Buffer {
  return Buffer.concat([octets, Buffer.alloc((4 - (octets.length % 4)) % 4)]);
}

export function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return padded(Buffer.concat([header, value]));
}

export function nested(type: number, ...attributes: readonly Buffer[]): Buffer {
  return attribute(type | NLA_F_NESTED, Buffer.concat(attributes));
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`);
}

export function be32(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

export function be64(value: bigint): Buffer {
  const octets = Buffer.alloc(8);
  octets.writeBigUInt64BE(value);
  return octets;
}

/** The header of every nfnetlink message: family, version 0, resource. */
function family(which: number, resource = 0): Buffer {
  return Buffer.from([which, 0, resource >> 8, resource & 255]);
}

/** A message of nf_tables on the netdev family. */
export function nft(type: number, flags: number, ...attributes: readonly Buffer[]): Buffer {
  return message(type, flags, family(NFPROTO_NETDEV), ...attributes);
}

/** One transaction. The kernel tells its end by the acks of the messages that ask for one. */
export function batch(...messages: readonly Buffer[]): Buffer {
  return Buffer.concat([
    message(NFNL_MSG_BATCH_BEGIN, 0, family(0, NFNL_SUBSYS_NFTABLES)),
    ...messages,
    message(NFNL_MSG_BATCH_END, 0, family(0, NFNL_SUBSYS_NFTABLES)),
  ]);
}

export function newTable(name: string, flags = 0): Buffer {
  return nft(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK, attribute(1, text(name)), attribute(2, be32(flags)));
}

export function deleteTable(name: string): Buffer {
  return nft(NFT_MSG_DELTABLE, NLM_F_ACK, attribute(1, text(name)));
}

/** A set of interface numbers whose elements may have a timeout: `set alive { type iface_index; flags timeout; }`. */
export function newSet(table: string, name: string): Buffer {
  return nft(
    NFT_MSG_NEWSET,
    NLM_F_CREATE | NLM_F_ACK,
    attribute(1, text(table)),
    attribute(2, text(name)),
    attribute(3, be32(NFT_SET_TIMEOUT)),
    attribute(4, be32(TYPE_IFINDEX)),
    attribute(5, be32(4)),
    attribute(10, be32(1)),
  );
}

/** An element, by an interface's number, which is in the order of this machine. */
function element(ifindex: number, timeoutMs?: number): Buffer {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(ifindex);
  const timeout = timeoutMs === undefined ? [] : [attribute(4, be64(BigInt(timeoutMs)))];
  return nested(1, nested(1, attribute(1, key)), ...timeout);
}

function elements(type: number, flags: number, table: string, set: string, ...list: readonly Buffer[]): Buffer {
  return nft(type, flags, attribute(1, text(table)), attribute(2, text(set)), nested(3, ...list));
}

/** The port of a lease. */
export interface LeasePort {
  readonly table: string;
  readonly set: string;
  readonly ifindex: number;
}

/**
 * Gives each port one more second, whether its element lives or has lapsed:
 *
 * ```
 *   BATCH_BEGIN  res_id 10
 *   for each port:  NEWSETELEM  CREATE      table, set, { key }
 *                   DELSETELEM              table, set, { key }
 *                   NEWSETELEM  CREATE      table, set, { key, timeout 1000 ms }      the very last one: CREATE|ACK
 *   BATCH_END    res_id 10
 *
 *   table: NFTA_SET_ELEM_LIST_TABLE 1; set: NFTA_SET_ELEM_LIST_SET 2; both end with a zero octet
 *   { }:   NFTA_SET_ELEM_LIST_ELEMENTS 3 | nested > NFTA_LIST_ELEM 1 | nested > NFTA_SET_ELEM_KEY 1 | nested > NFTA_DATA_VALUE 1,
 *          the interface's number in the order of this machine; NFTA_SET_ELEM_TIMEOUT 4, ms, 64 bits, big-endian
 * ```
 * The first one makes the second one true; without it a lease that has lapsed would make the whole transaction fail. One ack
 * is enough: it comes when the transaction is in force. Errors come without being asked for.
 */
export function renewal(ports: readonly LeasePort[], timeoutMs = 1000): Buffer {
  return batch(
    ...ports.flatMap(({ table, set, ifindex }, index) => [
      elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, table, set, element(ifindex)),
      elements(NFT_MSG_DELSETELEM, 0, table, set, element(ifindex)),
      elements(
        NFT_MSG_NEWSETELEM,
        NLM_F_CREATE | (index === ports.length - 1 ? NLM_F_ACK : 0),
        table,
        set,
        element(ifindex, timeoutMs),
      ),
    ]),
  );
}

/** Ends the lease of each port: without elements DELSETELEM empties the set, and it is no error where it is empty. */
export function lapse(ports: readonly LeasePort[]): Buffer {
  return batch(
    ...ports.map(({ table, set }) =>
      nft(NFT_MSG_DELSETELEM, NLM_F_ACK, attribute(1, text(table)), attribute(2, text(set))),
    ),
  );
}

/** Asks for the elements of a set; answered by messages of type NFT_MSG_NEWSETELEM. */
export function dumpElements(table: string, set: string): Buffer {
  return nft(NFT_MSG_GETSETELEM, NLM_F_DUMP, attribute(1, text(table)), attribute(2, text(set)));
}

/** Asks for every interface: family header `ifinfomsg`. */
export function dumpLinks(): Buffer {
  return message(RTM_GETLINK, NLM_F_DUMP, Buffer.alloc(16));
}

/** The messages of an answer. */
export function readMessages(answer: ArrayBuffer): Message[] {
  const octets = Buffer.from(answer);
  const messages: Message[] = [];
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt32LE(at);
    messages.push({
      type: octets.readUInt16LE(at + 4),
      flags: octets.readUInt16LE(at + 6),
      sequence: octets.readUInt32LE(at + 8),
      body: octets.subarray(at + 16, at + length),
    });
    at += length + ((4 - (length % 4)) % 4);
  }
  return messages;
}

/** The attributes of a message or of a nested one: their values by type, the last of each. */
export function readAttributes(octets: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= octets.length; ) {
    const length = octets.readUInt16LE(at);
    if (length < 4) throw new Error(`an attribute of ${length} octets`);
    attributes.set(octets.readUInt16LE(at + 2) & 0x3fff, octets.subarray(at + 4, at + length));
    at += length + ((4 - (length % 4)) % 4);
  }
  return attributes;
}

/** The error number of each NLMSG_ERROR, 0 for an ack. */
export function errorsOf(answer: ArrayBuffer): number[] {
  return readMessages(answer)
    .filter(({ type }) => type === NLMSG_ERROR)
    .map(({ body }) => Math.abs(body.readInt32LE(0)));
}
