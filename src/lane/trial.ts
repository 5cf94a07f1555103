/**
 * A trial of hooks: each of them alone meets every packet of a small capture, as it arrives at a host and as it leaves one.
 *
 * ```
 *   loaded chain ─ one hook at a time ─> sample frames, in and out ─> a real lane ─> faults, by hook and by what is said of them
 * ```
 * Rule: it shows what a hook does wrong with ordinary packets, before the first real one. A verdict is never wrong here. A hook that does
 * not return is named by whoever waits for the trial (`running-hook.ts`).
 *
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { MemoryDriver, type MemoryFrame } from '../drivers/memory.ts';
import {
  DEST_LOCAL,
  DEST_REMOTE,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
} from '../firewall/constants.ts';
import { Lane } from './lane.ts';
import type { LoadedChain } from './load-chain.ts';
import type { LaneSpec } from './messages.ts';
import { sampleConnection, sampleFrames } from './sample-frames.ts';
import { LOCAL_NAME, type Way } from './way.ts';

/** What is said of one hook. */
export interface TrialFault {
  readonly hook: string;
  /** What it did wrong, and where. */
  readonly text: string;
  /** How often. */
  readonly times: number;
}

/** What came of a trial. */
export interface Trial {
  /** How many packets each hook could have met. */
  readonly packets: number;
  readonly faults: readonly TrialFault[];
}

/** Most different things that are said of one hook. */
const MOST_TEXTS = 3;
/** Most that is said altogether: a message to the supervisor has so much room. */
const MOST_FAULTS = 48;
const MOST_CHARACTERS = 600;
const INTERFACE = 2;
/** What a card passes on is a megabyte at most. */
const MOST_OCTETS = 0x10_0000;
const LINKTYPE_ETHERNET = 1;

const ways: readonly Way[] = [way('in', IP_RECEIVE), way('out', IP_TRANSMIT)];

function way(name: string, direction: typeof IP_RECEIVE | typeof IP_TRANSMIT): Way {
  const isIn = direction === IP_RECEIVE;
  const sendInterfaceIndex = isIn ? INVALID_IF_INDEX : INTERFACE;
  return {
    name,
    from: isIn ? 'eth0' : LOCAL_NAME,
    to: isIn ? LOCAL_NAME : 'eth0',
    side: isIn ? 'in' : 'out',
    zone: 0,
    inPort: isIn ? 0 : 1,
    outPort: isIn ? 1 : 0,
    otherPort: -1,
    direction,
    recvInterfaceIndex: isIn ? INTERFACE : LOCAL_IF_INDEX,
    sendInterfaceIndex,
    otherIndex: sendInterfaceIndex,
    unicastType: isIn ? DEST_LOCAL : DEST_REMOTE,
    reject: 'count',
    rejectPort: -1,
  };
}

/** Notes faults of hooks until {@link FaultNotes.list} is asked for. */
export class FaultNotes {
  readonly #times = new Map<string, Map<string, number>>();

  /** Another fault of this hook. */
  note(hook: string, text: string): void {
    const texts = this.#times.get(hook) ?? new Map<string, number>();
    this.#times.set(hook, texts);
    const known = text.slice(0, MOST_CHARACTERS);
    const said = texts.has(known) || texts.size < MOST_TEXTS ? known : 'and more of other kinds';
    texts.set(said, (texts.get(said) ?? 0) + 1);
  }

  /** What was noted, the first of each hook first. */
  get list(): TrialFault[] {
    const all = Array.from(this.#times, ([hook, texts]) =>
      Array.from(texts, ([text, times]): TrialFault => ({ hook, text, times })),
    );
    return all.flat().slice(0, MOST_FAULTS);
  }
}

/**
 * Shows the capture to each hook of a chain. Faults go where the chain was told to report them.
 *
 * @param recent - frames of live traffic, shown behind the capture
 */
export async function tryOnSamples(
  { chain }: LoadedChain,
  { policy, icmp }: Pick<LaneSpec, 'policy' | 'icmp'>,
  notes: FaultNotes,
  recent: readonly MemoryFrame[] = [],
): Promise<Trial> {
  const samples = sampleFrames();
  const frames = [...ways.flatMap(({ inPort }) => samples.map((frame) => ({ ...frame, port: inPort }))), ...recent];
  const startMs = Date.now();
  for (let hook = 0; hook < chain.hooks.length; hook++) {
    chain.entries.walkOnly(hook);
    const one = chain.hooks[hook];
    const port = one?.kind === 'defined' ? one.stream?.ports[0] : undefined;
    const shown = port === undefined ? frames : [...frames, ...sampleConnection(port)];
    const driver = new MemoryDriver({
      ports: [0, 1].map((id) => ({ id, linktype: LINKTYPE_ETHERNET, maxFrameLength: MOST_OCTETS })),
      frames: shown.map((frame, index) => ({ ...frame, ...timeOf(startMs + index) })),
    });
    const lane = new Lane({
      driver,
      ways,
      chain,
      nonIp: policy.nonIp,
      unreadable: policy.unreadable,
      icmp,
      sender: null,
      now: () => performance.now(),
    });
    await driver.start(lane);
    lane.releaseHeld();
    // A promise that was rejected meanwhile is heard of in the next turn.
    await nextTurn();
  }
  chain.entries.walkOnly(null);
  await nextTurn();
  return { packets: frames.length, faults: notes.list };
}

function timeOf(ms: number): { readonly seconds: number; readonly nanoseconds: number } {
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms % 1000) * 1_000_000 };
}
