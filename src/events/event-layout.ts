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
 * ```
 * Floor 1. Rule: one writer, one reader. What finds no room is lost and counted: what is there already is never overwritten.
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
