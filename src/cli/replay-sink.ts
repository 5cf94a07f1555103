/**
 * What stands between the capture and the lane of a replay: the clock of the file, and the way of each packet.
 *
 * Rule: what the lane is told of a packet (its way, the time) it is told before the packet.
 *
 * @module
 */

import type { FrameSink } from '../drivers/contract.ts';
import type { Frame } from '../drivers/frame.ts';
import type { SavefileDriver } from '../drivers/savefile.ts';
import type { FileClock } from '../lane/hook-clock.ts';
import type { Lane } from '../lane/lane.ts';
import type { PacketInHand } from '../lane/packet-in-hand.ts';
import type { Way } from '../lane/way.ts';
import { classifyFrame } from '../wire/link.ts';
import type { ReplaySender } from './replay-sender.ts';
import { assertBridge, type ReplayWays } from './replay-ways.ts';
import type { UnreadLinktypes } from './unread-linktypes.ts';

const MS_PER_SECOND = 1000;
const NANOSECONDS_PER_MS = 1_000_000;
/** A timer of the clock rings a little later than the moment that a double can say. */
const LEAST_NS = 2000;

/** What {@link ReplaySink} takes. */
export interface ReplaySinkOptions {
  readonly driver: SavefileDriver;
  readonly lane: Lane;
  readonly clock: FileClock;
  readonly ways: ReplayWays;
  readonly unread: UnreadLinktypes;
  readonly sender: ReplaySender;
}

/** Hands each frame to the lane. */
export class ReplaySink implements FrameSink {
  readonly #options: ReplaySinkOptions;
  readonly #linktypes: number[] = [];
  readonly #wayOf: Way[] = [];
  #portsSeen = 0;

  constructor(options: ReplaySinkOptions) {
    this.#options = options;
  }

  /**
   * {@inheritDoc FrameSink.onFrame}
   *
   * @throws {@link FirehookError} FIREHOOK_USAGE where the capture turns out not to be a bridge
   */
  onFrame(frame: Frame): void {
    const { driver, lane, clock, ways, unread, sender } = this.#options;
    const { octets, port, seconds, nanoseconds } = frame;
    if (this.#portsSeen !== driver.ports.length) this.#meetPorts();
    const linktype = this.#linktypes[port] ?? -1;
    if (this.#wayOf[port] === undefined) unread.look(port, linktype);
    unread.count(port);
    // A packet without a time, of a simple packet block, comes when the one before it came.
    if (seconds !== 0 || nanoseconds !== 0) clock.advance(seconds, nanoseconds);
    const offset = classifyFrame(octets, frame.length, frame.originalLength, linktype);
    const way = ways.of(port, octets, offset);
    if (this.#wayOf[port] !== way) {
      this.#wayOf[port] = way;
      lane.setWay(way);
    }
    if (offset >= 0) sender.meet(octets, offset, linktype, way, lane.packets + 1);
    lane.onFrame(frame);
  }

  /** {@inheritDoc FrameSink.onBatchEnd} */
  onBatchEnd(): void {
    this.#options.lane.onBatchEnd();
  }

  /** A packet that waited goes on: what answers it answers that one. */
  onResume({ frame, offset, way }: PacketInHand): void {
    const { lane, sender } = this.#options;
    sender.meet(frame.octets, offset, this.#linktypes[frame.port] ?? -1, way, lane.packets);
  }

  /** The file is at its end: time goes on until no packet waits any more. */
  onInputEnd(): void {
    const { lane, clock } = this.#options;
    for (let ms = lane.nextReleaseMs; Number.isFinite(ms); ms = lane.nextReleaseMs) {
      const seconds = Math.floor(ms / MS_PER_SECOND);
      clock.advance(seconds, Math.ceil((ms - seconds * MS_PER_SECOND) * NANOSECONDS_PER_MS) + LEAST_NS);
    }
    lane.releaseHeld();
  }

  /** Interfaces may be described anywhere in a file. */
  #meetPorts(): void {
    const { driver, ways } = this.#options;
    if (ways.isBridge) assertBridge(driver.ports);
    for (; this.#portsSeen < driver.ports.length; this.#portsSeen++)
      this.#linktypes[this.#portsSeen] = driver.ports[this.#portsSeen]?.linktype ?? -1;
  }
}
