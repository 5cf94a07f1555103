/**
 * How the events of hooks lie in the memory that a lane shares with whoever writes them down: a ring of slots.
 *
 * ```
 *   0    head (int32)    slots written since the start, by the lane
 *   64   tail (int32)    slots read, by the reader
 *   128  slot 0 | slot 1 | ... | slot 2047                          512 octets each, little-endian
 *
 *   slot:   0  octets in use (u16)     2  hook (u16)       4  type (u8)     5  IP version: 0, 4, 6 (u8)   6  protocol (u8)
 *           7  1: something was cut    8  interface of arrival, -1 for none (i32)     12  seconds (u32)     16  nanoseconds (u32)
 *          20  source port (i32)      24  destination port (i32), both -1 for none   28  source (16)       44  destination (16)
 *          60  fields, one behind the other:
 *              kind (u8: 1 number, 2 text) | octets of the name (u8) | name, ASCII | number (f64), or octets (u16) and text in UTF-8
 *
 *   a packet that ended (type 16), in the place of the fields:
 *          60  reason (u8)     61  verdict (u8)     62  what the octets begin with (u8)     64  place of the way (i32)
 *          68  octets of the packet (i32)     72  flow, -1 for none (i32)     76  its generation (i32)
 *          80  left out before it, for the same hook and reason (f64)         88  octet where the transport header starts (i32)
 *          92  octets that were copied (i32)     96  the first octets of the packet, at most 128
 *
 *   a flow that ended (type 17), in the place of the fields:
 *          60  why it ended (u8)     61  its state (u8)     62  whether it was answered (u8)     64  flags of TCP: there, back, of either (u8 each)
 *          68  flow (i32)     72  its generation (i32)     80  left out before it (f64)     88  first packet (f64, ms since 1970)
 *          96  last packet (f64)     104  packets there, 112 back (f64)     120  octets there, 128 back (f64)
 * ```
 * Floor 1. Rule: one writer, one reader. What finds no room is lost and counted: what is there already is never overwritten. Types from 16 on
 * are firehook's own: the lane writes them, and no hook asks for them.
 *
 * @module
 */

/** What an event can be, by its number in memory. */
export const EVENT_TYPES = ['alert', 'dns', 'tls', 'flow', 'anomaly'] as const;

/** What an event is. */
export type EventType = (typeof EVENT_TYPES)[number];

/** Slots of a ring. */
export const SLOTS = 2048;
/** Octets of a slot. */
export const SLOT_OCTETS = 512;
/** Octets before the first slot. */
export const RING_HEADER = 128;
/** Octets of a ring: 1 MiB and its header. */
export const RING_OCTETS: number = RING_HEADER + SLOTS * SLOT_OCTETS;

/** Place of the head among 32-bit numbers. */
export const HEAD = 0;
/** Place of the tail among 32-bit numbers: in another cache line. */
export const TAIL = 16;

export const AT_LENGTH = 0;
export const AT_HOOK = 2;
export const AT_TYPE = 4;
export const AT_VERSION = 5;
export const AT_PROTOCOL = 6;
export const AT_FLAGS = 7;
export const AT_INTERFACE = 8;
export const AT_SECONDS = 12;
export const AT_NANOSECONDS = 16;
export const AT_SOURCE_PORT = 20;
export const AT_DESTINATION_PORT = 24;
export const AT_SOURCE = 28;
export const AT_DESTINATION = 44;
export const AT_FIELDS = 60;

/** Flag: a text was shortened, or a field was left out. */
export const FLAG_CUT = 1;

export const KIND_NUMBER = 1;
export const KIND_TEXT = 2;

/** Characters of the name of a field. */
export const MAX_FIELD_NAME = 32;
/** Octets of a text; what is longer is cut. */
export const MAX_TEXT = 256;

/** Type of a packet that did not go on. */
export const TYPE_DROP = 16;
/** Type of a flow that ended. */
export const TYPE_FLOW = 17;

/** In the place of a hook where an event is of none. */
export const NO_HOOK = 0xffff;

/** Why a packet did not go on, by its number in memory: as the ledger has it. */
export const DROP_REASONS = [
  'hook',
  'fault',
  'malformed',
  'non_ip',
  'unreadable',
  'pool',
  'too_long',
  'send_error',
  'truncated',
] as const;
/** Why a packet did not go on. */
export type DropReason = (typeof DROP_REASONS)[number];

/** Verdicts that end a packet, by number in memory; 0 where no hook gave one. */
export const DROP_VERDICTS = ['', 'DROP', 'ICMP_ON_DROP', 'REPLY', 'RESET'] as const;

export const AT_REASON = 60;
export const AT_VERDICT = 61;
export const AT_START = 62;
/** Octet: length of the hook's own reason, which follows what was copied; 0 without one. */
export const AT_NOTE_LENGTH = 63;
export const AT_WAY = 64;
export const AT_PACKET_LENGTH = 68;
export const AT_DROP_FLOW = 72;
export const AT_DROP_GENERATION = 76;
export const AT_SUPPRESSED = 80;
export const AT_TRANSPORT = 88;
export const AT_COPIED = 92;
export const AT_COPY = 96;
/** Octets of a packet that are copied: 40 of IPv6, 60 of TCP, and room for extension headers. */
export const MOST_COPIED = 128;

/** What the copied octets begin with: an IP header that was found well formed. */
export const STARTS_WITH_IP = 0;
/** The same: a frame of Ethernet, in which no well-formed datagram was found. */
export const STARTS_WITH_ETHERNET = 1;
/** The same: a frame of another kind. */
export const STARTS_WITH_OTHER = 2;

export const AT_END_REASON = 60;
export const AT_STATE = 61;
export const AT_ANSWERED = 62;
export const AT_FLAGS_SEEN = 64;
export const AT_FLOW = 68;
export const AT_GENERATION = 72;
export const AT_FIRST_MS = 88;
export const AT_LAST_MS = 96;
export const AT_PACKETS = 104;
export const AT_OCTETS = 120;
export const FLOW_END = 136;
