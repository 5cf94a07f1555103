/**
 * The streams of one hook: takes each packet of its connections to its stream, asks the hook, and says what becomes of the packet.
 *
 * ```
 *   take() ─ no flow ────────────────> octets for a port that is read: onUnseen, or an invalid segment of a connection that is read: dropped
 *          ─ other direction, ACK ──> what the receiver has: octets that were missed? has it all that was judged?
 *          ─ octets ─> StreamTable.feed ─ GREW, ENDED, FULL ─> onStream ─> verdict
 *                                      ├─ SAME, WAITS ─> goes on        ├─ DISAGREES ─> cut
 *                                      └─ TOO_FAR, NO_ROOM ─> dropped: it will be sent again
 * ```
 * Rules:
 * - What goes on of the octets up to the bound was read before, and agrees with what was read. So the segment that completes what is judged is
 *   always the one in hand.
 * - A verdict does not end the comparison. The octets stay until the receiver has acknowledged them: those that it never got could come again as
 *   others.
 * - Nothing is allocated for a packet.
 *
 * @see reading-states.ts, docs/hook-streams.md
 * @module
 */

import { DROP, FORWARD, ICMP_ON_DROP } from '../../firewall/constants.ts';
import { SETTLED_FORWARD } from '../../flow/flow-records.ts';
import {
  STREAM_DISAGREES,
  STREAM_ENDED,
  STREAM_FULL,
  STREAM_GREW,
  STREAM_MISSED,
  STREAM_NO_ROOM,
  STREAM_TOO_FAR,
  STREAM_UNREAD,
} from '../../stream/stream-counters.ts';
import { StreamTable } from '../../stream/stream-table.ts';
import { readU16 } from '../../wire/bytes.ts';
import { PROTOCOL_TCP } from '../../wire/ipv4.ts';
import { ACK, FIN, RST, SYN, URG } from '../../wire/tcp.ts';
import { type ChainFlows, NO_FLOW } from '../chain-flows.ts';
import { ACCEPT, type Handlers, REPLY, RESET, type Verdict } from '../contract.ts';
import type { PacketState } from '../packet/packet-state.ts';
import { CUT, IGNORED, JUDGED, LOST, READING, ReadingStates, UNKNOWN, UNSEEN, WATCHED } from './reading-states.ts';
import { ACKNOWLEDGEMENT, hasWrongChecksum, SEQUENCE, SegmentInHand } from './segment-in-hand.ts';
import { MORE, type StreamNumbers, type StreamPolicy, type StreamSettings } from './stream-contract.ts';
import { StreamHandle } from './stream-handle.ts';
import {
  CUTS,
  HELD_OFF,
  OWN_COUNTS,
  PASSED,
  streamNumbers,
  UNREAD,
  UNSEEN_STARTS,
  WRONG_CHECKSUMS,
} from './stream-numbers.ts';

/** What {@link HookStream} is made of. */
export interface HookStreamParts {
  /** Index of the hook in its chain. */
  readonly hook: number;
  readonly settings: StreamSettings;
  readonly handlers: Handlers;
  readonly flows: ChainFlows;
  readonly packet: PacketState;
  /** What becomes of a connection that the hook was at fault with. */
  readonly onHookError: 'drop' | 'forward';
  /** Place 1 is the time in milliseconds: an array of references, so that the number is an object once a batch. */
  readonly now: readonly (number | null)[];
}

const MIB = 1 << 20;

/** Reads for one hook. */
export class HookStream {
  readonly table: StreamTable;
  readonly #settings: StreamSettings;
  readonly #handlers: Handlers;
  readonly #flows: ChainFlows;
  readonly #packet: PacketState;
  readonly #onFault: StreamPolicy;
  readonly #now: readonly (number | null)[];
  readonly #hook: number;
  /** The hook has nothing else to do with a connection that is judged. */
  readonly #isAlone: boolean;
  readonly #isPort = new Uint8Array(65_536);
  readonly #states: ReadingStates;
  readonly #segment = new SegmentInHand();
  readonly #handle: StreamHandle;
  readonly #counts = new Float64Array(OWN_COUNTS);

  /** @throws RangeError when the memory is not to be had */
  constructor({ hook, settings, handlers, flows, packet, onHookError, now }: HookStreamParts) {
    const { most } = flows.table.records;
    this.#hook = hook;
    this.#settings = settings;
    this.#handlers = handlers;
    this.#flows = flows;
    this.#packet = packet;
    this.#onFault = onHookError;
    this.#now = now;
    this.#isAlone = handlers.onPacket === undefined && handlers.onFlow === undefined;
    for (const port of settings.ports) this.#isPort[port] = 1;
    this.#states = new ReadingStates(most);
    this.table = new StreamTable({
      flows: most,
      streams: settings.streams,
      octets: settings.memoryMiB * MIB,
      most: settings.most,
      idleMs: settings.idleMs,
      onClose: (index, generation) => this.#lose(index, generation),
    });
    this.#handle = new StreamHandle(flows, this.table.show(NO_STREAM));
  }

  /** The numbers at this moment. Makes an object. */
  get numbers(): StreamNumbers {
    return streamNumbers(this.#counts, this.table);
  }

  /** What becomes of the packet at hand. What the hook throws comes through; what it returned may be no verdict. */
  take(): Verdict {
    const { index, table } = this.#flows;
    if (index === NO_FLOW) return this.#takeStray();
    if (table.isRelated === 1) return FORWARD;
    if (this.#states.of(index) === UNKNOWN && !this.#meet(index)) return FORWARD;
    const state = this.#states.of(index);
    if (state === IGNORED) return FORWARD;
    if (state === CUT) return DROP;
    const { layout, bytes } = this.#packet;
    const isRead = table.direction === this.#states.directionOf(index);
    if (layout.isFragment) return isRead ? this.#takeUnreadable(index, state) : FORWARD;
    const segment = this.#segment;
    if (!segment.load(bytes, layout)) return isRead && this.#isStrict ? this.#holdOff() : FORWARD;
    if (!isRead) return (segment.flags & ACK) === 0 ? FORWARD : this.#takeAcknowledgement(index, state);
    // Also without octets it names a place that a receiver may take out of those to come.
    const isUrgent = (segment.flags & URG) !== 0 && state !== UNSEEN && this.#settings.onUnread !== 'forward';
    return isUrgent ? this.#takeUnreadable(index, state) : this.#takeSegment(index, state);
  }

  /** The flow at this index ends. */
  forget(index: number): void {
    const state = this.#states.of(index);
    if (state === READING || state === JUDGED) this.table.drop(index, this.#flows.table.records.generationOf(index));
    this.#states.forget(index);
  }

  /** A segment that cannot be read and that a receiver might take does not go on. */
  get #isStrict(): boolean {
    return this.#settings.onUnread !== 'forward' && this.#packet.context.isInline;
  }

  /** Decides whether a flow is read. @returns false where it is not, or that cannot be said yet */
  #meet(index: number): boolean {
    const { layout, bytes } = this.#packet;
    const { table, isFresh } = this.#flows;
    if (layout.protocol === PROTOCOL_TCP && layout.fragmentOffset !== 0) return false;
    const isFromTo = layout.protocol === PROTOCOL_TCP && layout.hasPorts;
    const toServer = isFromTo && this.#isPort[readU16(bytes, layout.transportOffset + 2)] === 1;
    const toClient = isFromTo && this.#isPort[readU16(bytes, layout.transportOffset)] === 1;
    const { direction } = table;
    const isOpened = table.knowsStart(index, 0);
    // Who opened is known, or it follows from the ports.
    const isServed = isOpened ? (direction === 0 ? toServer : toClient) : toServer || toClient;
    if (!isServed) {
      this.#ignore(index);
      return false;
    }
    const client = isOpened ? 0 : toServer ? direction : 1 - direction;
    const read = this.#settings.from === 'client' ? client : 1 - client;
    this.#states.begin(index, isOpened && isFresh ? WATCHED : UNSEEN, read);
    return true;
  }

  /** A packet without a flow: of a connection that is not known, or an invalid segment of one that is. */
  #takeStray(): Verdict {
    const { layout, bytes } = this.#packet;
    const { claimed } = this.#flows;
    if (layout.protocol !== PROTOCOL_TCP || layout.fragmentOffset !== 0 || !layout.hasPorts) return FORWARD;
    const end = layout.transportOffset + (this.#settings.from === 'client' ? 2 : 0);
    if (this.#isPort[readU16(bytes, end)] !== 1) return FORWARD;
    if (!this.#segment.load(bytes, layout)) return this.#isStrict ? this.#holdOff() : FORWARD;
    const { length, flags } = this.#segment;
    if (length === 0 && (claimed === NO_FLOW || (flags & URG) === 0)) return FORWARD;
    if (claimed === NO_FLOW) return this.#takeUnseen();
    const state = this.#states.of(claimed);
    if (state === UNKNOWN || state === IGNORED || state === UNSEEN) return FORWARD;
    if (state === CUT) return DROP;
    return this.#isStrict ? this.#holdOff() : FORWARD;
  }

  #takeUnseen(): Verdict {
    this.#count(UNSEEN_STARTS);
    switch (this.#settings.onUnseen) {
      case 'forward':
        return FORWARD;
      case 'drop':
        return DROP;
      case 'reset':
        return RESET;
    }
  }

  /** Octets that are there and cannot be put in their place: fragments, urgent data. */
  #takeUnreadable(index: number, state: number): Verdict {
    if (state === UNSEEN) return this.#end(index, this.#settings.onUnseen, UNSEEN_STARTS);
    const { onUnread } = this.#settings;
    // When it comes again, the receiver has what was judged.
    if (state === JUDGED && onUnread !== 'forward') return this.#holdOff();
    return this.#end(index, onUnread, UNREAD);
  }

  /** The other end says what it has. */
  #takeAcknowledgement(index: number, state: number): Verdict {
    const { table } = this;
    const acknowledged = this.#segment.words[ACKNOWLEDGEMENT] as number;
    const direction = this.#states.directionOf(index);
    if (state === WATCHED)
      return this.#isBeyondStart(index, direction) ? this.#end(index, this.#settings.onUnread, UNREAD) : FORWARD;
    if (state !== READING && state !== JUDGED) return FORWARD;
    const stream = table.find(index, this.#generationOf(index), direction);
    if (table.acknowledge(stream, acknowledged) === STREAM_MISSED)
      return this.#end(index, this.#settings.onUnread, UNREAD);
    if (state === JUDGED && table.isAcknowledged(stream)) {
      table.close(stream);
      this.#ignore(index);
    }
    return FORWARD;
  }

  /** True when octets are acknowledged that did not come by here. The SYN takes a number, and so does the FIN. */
  #isBeyondStart(index: number, direction: number): boolean {
    const { table } = this.#flows;
    if (!table.knowsStart(index, direction)) return false;
    return (((this.#segment.words[ACKNOWLEDGEMENT] as number) - table.startOf(index, direction)) | 0) > 2;
  }

  /** A segment of the direction that is read. */
  #takeSegment(index: number, state: number): Verdict {
    const { length, flags } = this.#segment;
    const hasOctets = length > 0;
    if (!hasOctets && ((flags & (FIN | RST | SYN)) === 0 || (state !== READING && state !== JUDGED))) return FORWARD;
    if (state === UNSEEN) return this.#end(index, this.#settings.onUnseen, UNSEEN_STARTS);
    if (state === LOST) return this.#end(index, this.#settings.onUnread, UNREAD);
    const { context, isPartial, bytes, layout } = this.#packet;
    if (context.isInline && !isPartial && hasWrongChecksum(bytes, layout)) {
      this.#count(WRONG_CHECKSUMS);
      return this.#holdOff();
    }
    const { onUnread } = this.#settings;
    if ((flags & SYN) !== 0 && hasOctets && this.#isOtherStart(index))
      return onUnread === 'forward' ? FORWARD : this.#holdOff();
    const stream = this.#streamOf(index, state);
    if (stream >= 0) return this.#feed(index, stream);
    if (stream === NOTHING_YET) return FORWARD;
    return state === WATCHED && onUnread !== 'forward' ? this.#holdOff() : this.#end(index, onUnread, UNREAD);
  }

  /** True for a SYN that starts another connection than the one that is read: its octets have no place in this one. */
  #isOtherStart(index: number): boolean {
    const start = this.#flows.table.startOf(index, this.#states.directionOf(index));
    return this.#segment.words[SEQUENCE] !== start;
  }

  /** The stream of the segment, which begins with its first octets. @returns {@link NO_STREAM}, {@link NOTHING_YET} */
  #streamOf(index: number, state: number): number {
    const direction = this.#states.directionOf(index);
    const generation = this.#generationOf(index);
    if (state !== WATCHED) return this.table.find(index, generation, direction);
    const flows = this.#flows.table;
    if (!flows.knowsStart(index, direction)) return NO_STREAM;
    const first = (flows.startOf(index, direction) + 1) | 0;
    const { words, length, flags } = this.#segment;
    // What lies before the start is a keep-alive.
    if ((((words[SEQUENCE] as number) + ((flags & SYN) >> 1) + length - first) | 0) <= 0) return NOTHING_YET;
    const { most, onOverlap } = this.#settings;
    const stream = this.table.open(index, generation, direction, most, onOverlap, this.#now[1] as number);
    if (stream < 0) return NO_STREAM;
    this.table.startAt(stream, first);
    this.#states.set(index, READING);
    return stream;
  }

  #feed(index: number, stream: number): Verdict {
    const { table } = this;
    const { layout, bytes } = this.#packet;
    const { offset, length, words, flags } = this.#segment;
    // What the capture cut off is not there, whatever lies behind.
    const octets = layout.truncated ? bytes.subarray(0, layout.length) : bytes;
    const now = this.#now[1] as number;
    const result = table.feed(stream, octets, offset, length, words[SEQUENCE] as number, flags, now);
    const isOdd = table.isContradiction === 1;
    switch (result) {
      case STREAM_GREW:
      case STREAM_ENDED:
      case STREAM_FULL:
        return this.#judge(index, stream, isOdd);
      case STREAM_DISAGREES:
        return this.#end(index, 'reset', CUTS);
      case STREAM_MISSED:
      case STREAM_UNREAD:
        return this.#end(index, this.#settings.onUnread, UNREAD);
      case STREAM_NO_ROOM:
        return this.#settings.onUnread === 'forward' ? this.#end(index, 'forward', UNREAD) : this.#holdOff();
      case STREAM_TOO_FAR:
        return this.#holdOff();
      default:
        return this.#onward(isOdd);
    }
  }

  /** Asks the hook, where there is something new for it. */
  #judge(index: number, stream: number, isOdd: boolean): Verdict {
    // A reset is the end of the connection, and nothing to judge.
    const isNews = this.table.grew > 0 || (this.#segment.flags & RST) === 0;
    if (this.#states.of(index) !== READING || !isNews) return this.#onward(isOdd);
    const view = this.table.show(stream);
    if (view.length === 0) return this.#onward(isOdd);
    const { isFull } = view;
    const answer = this.#ask();
    switch (answer) {
      case MORE:
        if (!isFull) return this.#onward(isOdd);
        if (this.#settings.onFull !== 'forward') return this.#end(index, this.#settings.onFull, UNREAD);
        this.#pass(index, stream);
        return this.#onward(isOdd);
      case FORWARD:
      case ACCEPT:
        this.#pass(index, stream);
        return this.#onward(isOdd);
      case DROP:
        return this.#end(index, 'drop', CUTS);
      case RESET:
        return this.#end(index, 'reset', CUTS);
      default:
        this.#end(index, this.#onFault, UNREAD);
        // These are verdicts on a packet, and a stream cannot be sent back.
        if (answer === ICMP_ON_DROP || answer === REPLY)
          throw new TypeError(`onStream returned ${answer}; expected MORE, FORWARD, ACCEPT, DROP or RESET`);
        return answer as Verdict;
    }
  }

  /** A segment that contradicts an earlier one does not go on, where the first octets are kept. */
  #onward(isOdd: boolean): Verdict {
    return isOdd ? this.#holdOff() : FORWARD;
  }

  /** Calls the hook. What it does wrong decides the connection: the same octets would come again and not be asked about. */
  #ask(): number {
    let isDone = false;
    try {
      const answer = this.#handlers.onStream?.(this.#handle) as number;
      isDone = true;
      return answer;
    } finally {
      this.table.show(NO_STREAM);
      if (!isDone) this.#end(this.#flows.index, this.#onFault, UNREAD);
    }
  }

  /** The hook lets the connection go on. What it has read stays until the receiver has it, too. */
  #pass(index: number, stream: number): void {
    this.table.narrow(stream);
    this.#states.set(index, JUDGED);
    this.#count(PASSED);
  }

  /** A reading ends otherwise than by a hook that lets the connection go on. */
  #end(index: number, policy: StreamPolicy, why: number): Verdict {
    this.#count(why);
    const direction = this.#states.directionOf(index);
    if (policy === 'forward') this.#ignore(index);
    else {
      if (why !== CUTS) this.#count(CUTS);
      this.#states.set(index, CUT);
      this.#flows.settle(DROP);
    }
    this.table.close(this.table.find(index, this.#generationOf(index), direction));
    if (policy === 'forward') return FORWARD;
    return policy === 'reset' ? RESET : DROP;
  }

  /** Nothing more is to be done with the packets of the flow at hand. */
  #ignore(index: number): void {
    this.#states.set(index, IGNORED);
    if (this.#isAlone) this.#flows.settle(FORWARD);
  }

  /** The table closed a reading. */
  #lose(index: number, generation: number): void {
    const { records } = this.#flows.table;
    if (!records.isCurrent(index, generation)) return;
    if (this.#settings.onUnread !== 'forward') {
      this.#states.set(index, LOST);
      return;
    }
    this.#count(UNREAD);
    this.#states.set(index, IGNORED);
    if (this.#isAlone) records.settle(index, this.#hook, SETTLED_FORWARD);
  }

  /** The segment at hand is dropped, and the connection is not decided. */
  #holdOff(): Verdict {
    this.#count(HELD_OFF);
    return DROP;
  }

  #generationOf(index: number): number {
    return this.#flows.table.records.generationOf(index);
  }

  #count(place: number): void {
    this.#counts[place] = (this.#counts[place] as number) + 1;
  }
}

/** No stream: there is no place for one. */
const NO_STREAM = -1;
/** The segment has no octets of the stream. */
const NOTHING_YET = -2;
