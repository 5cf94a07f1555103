/**
 * Netlink messages: written one after another into one buffer, and read from what the kernel answered.
 *
 * ```
 *   0 length (4)   4 type (2)   6 flags (2)   8 sequence (4)   12 port id of the sender (4)   16 body, filled up to 4
 * ```
 * Rule: pure. A message that is longer than what came ends the reading.
 *
 * @see netlink(7), include/uapi/linux/netlink.h
 * @module
 */

import { align, join, readAttributes, readI32, readText, readU16, readU32, u16, u32 } from './octets.ts';

/** Header of a message, in octets. */
const HEADER = 16;

/** Types of messages that every netlink family has. */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

/** Flags of a request. */
export const NLM_F_REQUEST = 0x001;
export const NLM_F_ACK = 0x004;
/** All entries, not one. */
export const NLM_F_DUMP = 0x300;
/** Refuse what is there already. */
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
/** Behind those that are there. */
export const NLM_F_APPEND = 0x800;

/** Flag of an answer: something changed while it was put together, so it may be incoherent. */
const NLM_F_DUMP_INTR = 0x010;
/** Flags of an error: the request is not repeated in it in full; attributes explain it. */
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
/** Attribute of an error that explains it in words. */
const NLMSGERR_ATTR_MSG = 1;

/** One message. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** Of the socket that asked, in answers and events; 0 where the kernel itself acted. */
  readonly portId: number;
  readonly body: Uint8Array;
}

/** A request before it has a number: what to do, how, and the octets that say it. */
export interface Request {
  readonly type: number;
  /** Without NLM_F_REQUEST, which every request has. */
  readonly flags: number;
  readonly body: Uint8Array;
}

/**
 * Requests as one buffer, numbered from `sequence` on.
 *
 * @param sequence - of the first
 */
export function writeRequests(requests: readonly Request[], sequence: number): Uint8Array {
  return join(
    requests.flatMap(({ type, flags, body }, i) => {
      const length = HEADER + body.length;
      const header = [u32(length), u16(type), u16(flags | NLM_F_REQUEST), u32(sequence + i), u32(0)];
      return [...header, body, new Uint8Array(align(length) - length)];
    }),
  );
}

/** The messages in what the kernel sent. */
export function readMessages(bytes: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset + HEADER <= bytes.length; ) {
    const length = readU32(bytes, offset);
    if (length < HEADER || offset + length > bytes.length) break;
    messages.push({
      type: readU16(bytes, offset + 4),
      flags: readU16(bytes, offset + 6),
      sequence: readU32(bytes, offset + 8),
      portId: readU32(bytes, offset + 12),
      body: bytes.subarray(offset + HEADER, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/** What the kernel refused, and why. */
export interface Refusal {
  /** Positive, as in errno(3). */
  readonly errno: number;
  /** The kernel's own words; '' where it had none. */
  readonly words: string;
  /** Number of the request. */
  readonly sequence: number;
}

/** The refusal that a message carries; null for an acknowledgement and for every other message. */
export function readRefusal({ type, flags, sequence, body }: Message): Refusal | null {
  if (type !== NLMSG_ERROR && type !== NLMSG_DONE) return null;
  const errno = -readI32(body);
  if (errno <= 0) return null;
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, words: '', sequence };
  // The header of the request follows the number, and its body unless it is left out; only then come the attributes.
  const repeated = type === NLMSG_DONE ? 0 : (flags & NLM_F_CAPPED) === 0 ? align(readU32(body, 4)) : HEADER;
  return { errno, words: readText(readAttributes(body.subarray(4 + repeated)).get(NLMSGERR_ATTR_MSG)), sequence };
}

/** True when an answer says that its entries may not belong together: the dump has to be asked for again. */
export function isInterrupted({ flags }: Message): boolean {
  return (flags & NLM_F_DUMP_INTR) !== 0;
}
