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

import { DROP, FORWARD } from '../../firewall/constants.ts';
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
import { PROTOCOL_TCP } from '../../wire/ipv4.ts';
import { ACK, FIN, RST, SYN, URG } from '../../wire/tcp.ts';
import { type ChainFlows, NO_FLOW } from '../chain-flows.ts';
import { ACCEPT, type Handlers, RESET, type Verdict } from '../contract.ts';
import type { TakeReason } from '../hook-reasons.ts';
import type { PacketState } from '../packet/packet-state.ts';
import { NOT_READ, ReadPorts } from './read-ports.ts';
import { CUT, IGNORED, JUDGED, LOST, READING, ReadingStates, UNKNOWN, UNSEEN, WATCHED } from './reading-states.ts';
import { ACKNOWLEDGEMENT, hasWrongChecksum, SEQUENCE, SegmentInHand } from './segment-in-hand.ts';
import { FAULT, StreamCaller } from './stream-caller.ts';
import { MORE, type StreamNumbers, type StreamPolicy, type StreamSettings } from './stream-contract.ts';
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
import { StreamStart } from './stream-start.ts';

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
  /** Takes the reason from what the hook returned. */
  readonly take: TakeReason;
}

const MIB = 1 << 20;

/** What becomes of the packet at hand. */
const VERDICT_OF = { forward: FORWARD, drop: DROP, reset: RESET } as const;

/** Reads for one hook. */
export class HookStream {
  readonly table: StreamTable;
  readonly #settings: StreamSettings;
  readonly #flows: ChainFlows;
  readonly #packet: PacketState;
  readonly #onFault: StreamPolicy;
  readonly #now: readonly (number | null)[];
  readonly #hook: number;
  /** The hook has nothing else to do with a connection that is judged. */
  readonly #isAlone: boolean;
  readonly #ports: ReadPorts;
  readonly #states: ReadingStates;
  readonly #segment = new SegmentInHand();
  readonly #caller: StreamCaller;
  readonly #start: StreamStart;
  readonly #counts = new Float64Array(OWN_COUNTS);

  /** @throws RangeError when the memory is not to be had */
  constructor({ hook, settings, handlers, flows, packet, onHookError, now, take }: HookStreamParts) {
    const { most } = flows.table.records;
    this.#hook = hook;
    this.#settings = settings;
    this.#flows = flows;
    this.#packet = packet;
    this.#onFault = onHookError;
    this.#now = now;
    this.#isAlone = handlers.onPacket === undefined && handlers.onFlow === undefined;
    this.#ports = new ReadPorts(settings.ports, settings.from);
    this.#states = new ReadingStates(most);
    this.table = new StreamTable({
      flows: most,
      streams: settings.streams,
      octets: settings.memoryMiB * MIB,
      most: settings.most,
      idleMs: settings.idleMs,
      onClose: (index, generation) => this.#lose(index, generation),
    });
    this.#caller = new StreamCaller(handlers, flows, this.table, take, hook);
    this.#start = new StreamStart(flows.table, this.#segment);
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
    const isOpened = table.knowsStart(index, 0);
    const read = this.#ports.directionOf(bytes, layout, table.direction, isOpened);
    if (read === NOT_READ) this.#ignore(index);
    else this.#states.begin(index, isOpened && isFresh ? WATCHED : UNSEEN, read);
    return read !== NOT_READ;
  }

  /** A packet without a flow: of a connection that is not known, or an invalid segment of one that is. */
  #takeStray(): Verdict {
    const { layout, bytes } = this.#packet;
    const { claimed } = this.#flows;
    // A later fragment is nothing without the first one, which is dropped.
    if (layout.fragmentOffset !== 0 || !this.#ports.isOfReader(bytes, layout)) return FORWARD;
    if (!this.#segment.load(bytes, layout)) return this.#isStrict ? this.#holdOff() : FORWARD;
    const { length, flags } = this.#segment;
    if (length === 0 && (claimed === NO_FLOW || (flags & URG) === 0)) return FORWARD;
    if (claimed === NO_FLOW) {
      this.#count(UNSEEN_STARTS);
      return VERDICT_OF[this.#settings.onUnseen];
    }
    const state = this.#states.of(claimed);
    if (state === UNKNOWN || state === IGNORED || state === UNSEEN) return FORWARD;
    if (state === CUT) return DROP;
    return this.#isStrict ? this.#holdOff() : FORWARD;
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
      return this.#start.isAcknowledged(index, direction) ? this.#end(index, this.#settings.onUnread, UNREAD) : FORWARD;
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
    if ((flags & SYN) !== 0 && hasOctets && this.#start.isOther(index, this.#states.directionOf(index)))
      return onUnread === 'forward' ? FORWARD : this.#holdOff();
    const stream = this.#streamOf(index, state);
    if (stream >= 0) return this.#feed(index, stream);
    if (stream === NOTHING_YET) return FORWARD;
    return state === WATCHED && onUnread !== 'forward' ? this.#holdOff() : this.#end(index, onUnread, UNREAD);
  }

  /** The stream of the segment, which begins with its first octets. @returns {@link NO_STREAM}, {@link NOTHING_YET} */
  #streamOf(index: number, state: number): number {
    const direction = this.#states.directionOf(index);
    const generation = this.#generationOf(index);
    if (state !== WATCHED) return this.table.find(index, generation, direction);
    if (!this.#start.isKnown(index, direction)) return NO_STREAM;
    if (!this.#start.isBehind(index, direction)) return NOTHING_YET;
    const { most, onOverlap } = this.#settings;
    const stream = this.table.open(index, generation, direction, most, onOverlap, this.#now[1] as number);
    if (stream < 0) return NO_STREAM;
    this.table.startAt(stream, this.#start.first(index, direction));
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
    const isContradicting = table.isContradiction === 1;
    switch (result) {
      case STREAM_GREW:
      case STREAM_ENDED:
      case STREAM_FULL:
        return this.#judge(index, stream, isContradicting);
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
        return this.#onward(isContradicting);
    }
  }

  /** Asks the hook, where there is something new for it. */
  #judge(index: number, stream: number, isContradicting: boolean): Verdict {
    // A reset is the end of the connection, and nothing to judge.
    const isNews = this.table.grew > 0 || (this.#segment.flags & RST) === 0;
    if (this.#states.of(index) !== READING || !isNews) return this.#onward(isContradicting);
    const view = this.table.show(stream);
    if (view.length === 0) return this.#onward(isContradicting);
    const { isFull } = view;
    switch (this.#caller.ask(stream)) {
      case MORE:
        if (!isFull) return this.#onward(isContradicting);
        if (this.#settings.onFull !== 'forward') return this.#end(index, this.#settings.onFull, CUTS);
        this.#pass(index, stream);
        return this.#onward(isContradicting);
      case FORWARD:
      case ACCEPT:
        this.#pass(index, stream);
        return this.#onward(isContradicting);
      case DROP:
        return this.#end(index, 'drop', CUTS);
      case RESET:
        return this.#end(index, 'reset', CUTS);
      case FAULT:
        // It decides the connection: the same octets would come again, and nobody would be asked about them.
        this.#end(index, this.#onFault, UNREAD);
        return this.#caller.complain();
    }
  }

  /** A segment that contradicts an earlier one does not go on, where the first octets are kept. */
  #onward(isContradicting: boolean): Verdict {
    return isContradicting ? this.#holdOff() : FORWARD;
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
    return VERDICT_OF[policy];
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
