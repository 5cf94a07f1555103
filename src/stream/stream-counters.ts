/**
 * What a stream table says of a segment, why a reading closed, and what the table counts: places in one Float64Array.
 *
 * Floor 1. Rules: every stream that was opened was closed for one of the reasons or is in the table,
 * `OPENED = sum of CLOSED + size`; and every segment of a stream that is being read moves exactly one counter of
 * `COUNT_RESULT + result`.
 *
 * @module
 */

/** The direction is not being read: it was never opened, or its reading is closed. */
export const STREAM_UNREAD = 0;
/** Nothing new: no octets, or octets that are known and agree. */
export const STREAM_SAME = 1;
/** New octets are in order. */
export const STREAM_GREW = 2;
/** The segment lies behind a gap. Its octets are kept, up to the bound of the stream. */
export const STREAM_WAITS = 3;
/** The stream has ended: everything up to the FIN is in order, or it was reset. Said once. */
export const STREAM_ENDED = 4;
/** The stream is read up to its bound: the segment has brought the last octets, or lies beyond. */
export const STREAM_FULL = 5;
/** The start of the stream is not known, so that nothing can be read: no SYN was seen. */
export const STREAM_NO_START = 6;
/** Over a bound of this stream: too far behind a gap, or too many pieces. The octets were not kept. */
export const STREAM_TOO_FAR = 7;
/** Over the bound of all memory. The octets were not kept. */
export const STREAM_NO_ROOM = 8;
/** The connection has gone on without octets that are missing here. They will not come again. Said from then on. */
export const STREAM_MISSED = 9;
/** The segment contradicts an earlier one: other octets at the same place, or another end. Said from then on. */
export const STREAM_DISAGREES = 10;

/** What a segment did to its stream, by number. */
export type StreamResult = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10;

/** Why a reading closed: the caller has read enough. */
export const CLOSED_READ = 0;
/** Why a reading closed: the caller dropped the flow. */
export const CLOSED_DROPPED = 1;
/** Why a reading closed: nothing new came for the idle timeout. */
export const CLOSED_EXPIRED = 2;
/** Why a reading closed: its room was needed. */
export const CLOSED_EVICTED = 3;
/** Why a reading closed: the index of its flow belongs to a later flow. */
export const CLOSED_REPLACED = 4;

/** Why a reading closed, by number. */
export type CloseReason = 0 | 1 | 2 | 3 | 4;

/** First place of the closed readings, by reason. */
export const COUNT_CLOSED = 0;
/** Streams opened. */
export const COUNT_OPENED = 5;
/** Streams that were not opened because there was no place. */
export const COUNT_UNOPENED = 6;
/** Octets put in order. */
export const COUNT_OCTETS = 7;
/** Segments that contradict an earlier one and were the first to do so, or met a stream that keeps its first octets. */
export const COUNT_CONTRADICTIONS = 8;
/** Streams of which octets were missed. */
export const COUNT_MISSED = 9;
/** Segments with urgent octets, which a receiver may take out of the stream. */
export const COUNT_URGENT = 10;
/** First place of the results: `COUNT_RESULT + result`. `STREAM_UNREAD` is not counted. */
export const COUNT_RESULT = 11;

/** Places in all. */
export const COUNTERS = COUNT_RESULT + STREAM_DISAGREES + 1;
