/**
 * What a flow table counts: places in one Float64Array.
 *
 * Floor 1. Rule: every flow that was made has ended for one of the reasons or is in the table,
 * `MADE = sum of ENDED + size`; and every packet that got no flow or was invalid moves one counter.
 *
 * @module
 */

/** Why a flow ended: no packet came for its timeout. */
export const ENDED_EXPIRED = 0;
/** Why a flow ended: TCP was reset or finished, and the time for late packets is over or its room was needed. */
export const ENDED_CLOSED = 1;
/** Why a flow ended: a SYN started a new one between the same ends. */
export const ENDED_REPLACED = 2;
/** Why a flow ended: the table was full. */
export const ENDED_EVICTED = 3;
/** Why a flow ended: the caller removed it. */
export const ENDED_REMOVED = 4;

/** Why a flow ended, by number. */
export type EndReason = 0 | 1 | 2 | 3 | 4;

/** First place of the ends, by reason. */
export const COUNT_ENDED = 0;
/** Flows made. */
export const COUNT_MADE = 5;
/** Of those, TCP connections whose start was not seen. */
export const COUNT_PICKED_UP = 6;
/** Packets that would have started a flow and found no room. */
export const COUNT_REFUSED = 7;
/** Flows that left a full table closed, before their time. */
export const COUNT_EVICTED_CLOSED = 8;
/** Flows that left a full table unanswered. */
export const COUNT_EVICTED_NEW = 9;
/** Flows that left a full table unused, with both ends known. */
export const COUNT_EVICTED_UNUSED = 10;
/** ICMP errors about a flow. */
export const COUNT_RELATED = 11;
/** Later fragments whose flow is known. */
export const COUNT_FRAGMENTS = 12;
/** Later fragments without a flow: their first one was not seen, or is forgotten. */
export const COUNT_FRAGMENTS_LOST = 13;
/** Packets that are no part of a flow by their kind: neighbour and router discovery, multicast listeners. */
export const COUNT_UNTRACKED = 14;
/** First place of the invalid packets, by reason: `COUNT_INVALID + reason`. */
export const COUNT_INVALID = 15;

/** Not invalid. */
export const VALID = 0;
/** TCP: a combination of flags that no sender uses. */
export const INVALID_FLAGS = 1;
/** No such packet can come in this state: an answer to nothing, or a segment without a connection. */
export const INVALID_STATE = 2;
/** TCP: the sequence number is outside of the window. */
export const INVALID_SEQUENCE = 3;
/** TCP: the acknowledgement is of data never sent, or far too old. */
export const INVALID_ACK = 4;
/** TCP: the reset has a wrong number. */
export const INVALID_RESET = 5;
/** The transport header ends too early, or is of an unknown type of ICMP. */
export const INVALID_HEADER = 6;
/** The ICMP error quotes no datagram of a flow, or is not for the one who sent it. */
export const INVALID_QUOTE = 7;

/** Why a packet is invalid, by number; 0 when it is not. */
export type InvalidReason = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;

/** The packet has a flow. */
export const MISSING_NOT = 0;
/** It is no part of a flow by its kind: neighbour and router discovery, multicast listeners. */
export const MISSING_UNTRACKED = 1;
/** A later fragment whose first one was not seen, or is forgotten. */
export const MISSING_FRAGMENT = 2;
/** It would have started a flow and the table is full of flows in use. */
export const MISSING_FULL = 3;
/** It is invalid, and no flow is known that it could belong to. */
export const MISSING_INVALID = 4;

/** Why a packet has no flow, by number. */
export type MissingReason = 0 | 1 | 2 | 3 | 4;

/** Places in all. */
export const COUNTERS = COUNT_INVALID + INVALID_QUOTE + 1;
