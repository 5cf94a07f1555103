/**
 * Where the segment in hand lies against the start of its stream, which the flow table knows from the SYN.
 *
 * Rule: numbers are words with a sign, and differences are taken on their circle (RFC 9293 section 3.4).
 *
 * @module
 */

import type { FlowTable } from '../../flow/flow-table.ts';
import { SYN } from '../../wire/tcp.ts';
import { ACKNOWLEDGEMENT, SEQUENCE, type SegmentInHand } from './segment-in-hand.ts';

/** Numbers that the SYN and the FIN take. */
const SYN_AND_FIN = 2;

/** Of the flows of a table. */
export class StreamStart {
  readonly #flows: FlowTable;
  readonly #segment: SegmentInHand;

  constructor(flows: FlowTable, segment: SegmentInHand) {
    this.#flows = flows;
    this.#segment = segment;
  }

  /** True where it is known. */
  isKnown(index: number, direction: number): boolean {
    return this.#flows.knowsStart(index, direction);
  }

  /** Number of the first octet. */
  first(index: number, direction: number): number {
    return (this.#flows.startOf(index, direction) + 1) | 0;
  }

  /** True for a SYN that starts another connection: its octets have no place in this one. */
  isOther(index: number, direction: number): boolean {
    return this.#segment.words[SEQUENCE] !== this.#flows.startOf(index, direction);
  }

  /** True when the segment ends behind the start. What does not is a keep-alive, or has no octets. */
  isBehind(index: number, direction: number): boolean {
    const { words, flags, length } = this.#segment;
    const end = (words[SEQUENCE] as number) + ((flags & SYN) >> 1) + length;
    return ((end - this.first(index, direction)) | 0) > 0;
  }

  /** True when the segment, of the other end, acknowledges octets. */
  isAcknowledged(index: number, direction: number): boolean {
    if (!this.isKnown(index, direction)) return false;
    const acknowledged = this.#segment.words[ACKNOWLEDGEMENT] as number;
    return ((acknowledged - this.#flows.startOf(index, direction)) | 0) > SYN_AND_FIN;
  }
}
