/**
 * Whether lanes take what the kernel gives them: the kernel's own counters against what the lanes say of themselves.
 *
 * ```
 *   nftables counts a frame for the lanes ─ 400 ms ─> nothing was taken ─> undrained: the lease is not allowed, onDown holds
 *   a lane says that it took more than nftables counted, or less than before ─> forged: the lane is killed
 * ```
 * That the word of progress moves says that something in the lane's process is alive. A thread that a hook has started can move it
 * while the packets wait. It cannot know how many frames the kernel has counted, so it can neither stand still nor run ahead.
 *
 * Rule: the verdict comes from two numbers that different parties wrote. What a forger can still do is to play a slow lane, with
 * numbers that move and stay below those of the kernel.
 *
 * @module
 */

import type { LaneProgress } from '../lane/progress.ts';
import type { Way } from '../lane/way.ts';

/** Frames may wait this long in a ring before it counts as undrained: as long as a word of progress may stand still. */
const UNDRAINED_MS = 400;
/** A look that comes late says nothing about the lanes in the meantime: the whole machine may have stood still. */
const MOST_PASSED_MS = 250;
/** While tables are replaced the kernel may count a few frames that nobody reads. */
const MOST_UNCOUNTED = 1024;
/** More frames than the rings of all lanes hold: what the kernel counted and dropped long ago is no excuse for a forger. */
const MOST_WAITING = 1 << 20;

/** What a lane says that it has taken from the kernel, in frames. */
export interface Taken {
  /** Those that were withheld from everybody else: the kernel has counted each of them. */
  readonly stolen: number;
  /** The same with those that were given back unread or not captured: moves with every frame that left the ring. */
  readonly all: number;
}

/** A lane at one look. */
export interface LaneLook {
  /** Names the lane from look to look. */
  readonly lane: object;
  /** Read before the counters of the kernel, so that it is never ahead of them; null where its numbers were torn. */
  readonly before: Taken | null;
  /** Read after them, so that a frame on its way is not held against the lane; null where its numbers were torn. */
  readonly after: Taken | null;
}

/** A lane whose numbers could be read. */
interface Readable {
  readonly lane: object;
  readonly before: Taken;
  readonly after: Taken;
}

/** What follows from a look. */
export interface DrainVerdict {
  /** For how long frames have waited without any being taken, in milliseconds; 0 while frames are taken or none wait. */
  readonly waitedMs: number;
  readonly isUndrained: boolean;
  /** The lane whose numbers cannot be true; null for none. */
  readonly forger: object | null;
}

/** What a lane has taken on ways that steal: a tap has copies only, which nothing counts. */
export function takenBy({ ways, fenced, kernelDropped }: LaneProgress, laidOut: readonly Way[]): Taken {
  let stolen = 0;
  for (const [index, { outPort }] of laidOut.entries()) {
    const row = ways[index];
    // A super-frame that the driver cut came as one.
    if (row !== undefined && outPort >= 0) stolen += Math.max(0, row.received - row.extraSegments) + row.probes;
  }
  return { stolen, all: stolen + fenced + kernelDropped };
}

/** What is remembered of a lane from look to look. */
interface Known {
  /** What it had stolen when the books were last made. */
  readonly told: number;
  readonly after: Taken;
}

/** Compares, look after look. */
export class DrainWatch {
  /** Of every lane that was seen: one that is away for a while, or whose numbers are torn for a look, has not begun anew. */
  readonly #known = new WeakMap<object, Known>();
  #lanes: readonly object[] = [];
  #offered = 0;
  /** Frames that the kernel counted and that no lane has told of. */
  #untold = 0;
  #waitedMs = 0;
  #lookedMs = 0;
  /** Frames have come, and none was taken since. */
  #isWaiting = false;

  /**
   * @param nowMs - on a clock that never jumps back
   * @param offered - frames that the kernel has counted for lanes since the start of this run
   * @param lanes - those that frames can come to now
   */
  look(nowMs: number, offered: number, lanes: readonly LaneLook[]): DrainVerdict {
    const passedMs = Math.min(nowMs - this.#lookedMs, MOST_PASSED_MS);
    const came = Math.max(0, offered - this.#offered);
    this.#lookedMs = nowMs;
    this.#offered = offered;
    const readable = lanes.flatMap(({ lane, before, after }): Readable[] =>
      before === null || after === null ? [] : [{ lane, before, after }],
    );
    const forger = this.#account(came, readable, readable.length === lanes.length);
    const isSameLanes = lanes.length === this.#lanes.length && lanes.every(({ lane }) => this.#lanes.includes(lane));
    const hasMoved = readable.some(({ lane, after }) => after.all !== this.#known.get(lane)?.after.all);
    for (const { lane, before, after } of readable) this.#known.set(lane, { told: before.stolen, after });
    this.#lanes = lanes.map(({ lane }) => lane);
    if (hasMoved || !isSameLanes || lanes.length === 0) {
      this.#isWaiting = false;
      this.#waitedMs = 0;
    } else if (this.#isWaiting) {
      this.#waitedMs += passedMs;
    } else {
      this.#isWaiting = came > 0;
    }
    return { waitedMs: this.#waitedMs, isUndrained: this.#waitedMs >= UNDRAINED_MS, forger };
  }

  /** Books what came and what lanes say they took of it; the lane that breaks the books. */
  #account(came: number, lanes: readonly Readable[], areAll: boolean): object | null {
    let forger: object | null = null;
    let most = 0;
    this.#untold += came;
    for (const { lane, before, after } of lanes) {
      const known = this.#known.get(lane);
      if (before.all < (known?.after.all ?? 0) || after.all < before.all) return lane;
      const took = before.stolen - (known?.told ?? 0);
      this.#untold -= took;
      if (took > most) {
        most = took;
        forger = lane;
      }
    }
    if (this.#untold < -MOST_UNCOUNTED) {
      this.#untold = 0;
      return forger;
    }
    // A lane that could not be read may have taken any number of them.
    if (areAll) this.#untold = Math.min(this.#untold, MOST_WAITING);
    return null;
  }
}
