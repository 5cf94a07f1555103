/**
 * The promise of a gate: a receiver never has all octets of what is judged before the verdict, and never others than those that were judged.
 *
 * ```
 *   attacker: random pieces of two messages ─> lane with a hook that stops one of them ─> receiver: takes what it likes of what goes on
 *                                                                                    <─ acknowledges what it has
 * ```
 * The receiver is any: it loses segments, keeps the first or the last of two octets behind a gap, and minds checksums or not. The attacker knows
 * which. What it may do: order, overlaps that agree and do not, octets of SYN and FIN, resets, keep-alives, urgent pointers, wrong checksums,
 * segments beyond the window, another SYN, octets after the verdict.
 *
 * @see T. Ptacek and T. Newsham, "Insertion, Evasion, and Denial of Service: Eluding Network Intrusion Detection" (1998)
 * @module
 */

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { ACCEPT, RESET } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { MORE, type StreamOptions } from '../../../src/hook/stream/stream-contract.ts';
import {
  ACK,
  type Connection,
  connection,
  FIN,
  type Lab,
  openLab,
  RST,
  type SegmentOptions,
  SYN,
  URG,
} from '../../../src/testing/index.ts';
import { randomNumbers } from '../flow/flow-rig.ts';

const GOOD = 'name: good example\nand what follows';
const EVIL = 'name: evil example\nand what follows';
const END = GOOD.indexOf('\n') + 1;
const CONNECTIONS = 400;
const STEPS = 30;

/** Octets that a receiver has, in its own way. */
class Receiver {
  readonly #keepsLast: boolean;
  readonly #octets = new Map<number, string>();
  /** Places that it takes out of the stream, where an urgent pointer says so. */
  readonly #urgent = new Set<number>();
  /** What an application has read. */
  text = '';
  /** Octets that it has in order. */
  next = 0;
  isOver = false;

  constructor(keepsLast: boolean) {
    this.#keepsLast = keepsLast;
  }

  take(at: number, data: string, { flags = 0, urgentPointer = 0 }: SegmentOptions): void {
    if (this.isOver) return;
    if ((flags & RST) !== 0) {
      this.isOver = at === this.next;
      return;
    }
    if ((flags & URG) !== 0) this.#urgent.add(at + urgentPointer - 1);
    for (const [index, octet] of [...data].entries()) {
      const place = at + index;
      if (place < this.next || (this.#octets.has(place) && !this.#keepsLast)) continue;
      this.#octets.set(place, octet);
    }
    for (let octet = this.#octets.get(this.next); octet !== undefined; octet = this.#octets.get(this.next)) {
      if (!this.#urgent.has(this.next)) this.text += octet;
      this.next += 1;
    }
    if ((flags & FIN) !== 0 && at + data.length === this.next) this.isOver = true;
  }
}

type Random = (below: number) => number;

/** One segment of the attacker: where, what, and how. */
function segmentOf(random: Random): { at: number; data: string; options: SegmentOptions } {
  const text = random(3) === 0 ? EVIL : GOOD;
  const from = random(4) === 0 ? 0 : random(text.length);
  const length = random(3) === 0 ? random(4) : random(text.length);
  const options: { flags?: number; urgentPointer?: number; checksum?: number } = {};
  const kind = random(24);
  if (kind === 0) options.flags = FIN | ACK;
  if (kind === 1) options.flags = RST;
  if (kind === 2) Object.assign(options, { flags: ACK | URG, urgentPointer: 1 + random(8) });
  if (kind === 3) options.checksum = 0x1234;
  if (kind === 4) options.flags = SYN;
  const at = kind === 5 ? 200_000 + random(1_000_000) : kind === 6 ? -1 - random(2) : from;
  const data = kind === 1 ? '' : kind === 6 ? text.slice(0, 1 + random(3)) : text.slice(from, from + length);
  return { at, data, options };
}

/** An attacker, a receiver, and the lane between them. @returns what the receiver's application has read */
async function attack(
  lab: Lab,
  http: Connection,
  random: Random,
  receiver: Receiver,
  mindsChecksums: boolean,
): Promise<void> {
  if (random(4) === 0) {
    const early = GOOD.slice(0, random(END));
    const outcome = await http.fromClient(early, { flags: SYN, at: -1 });
    if (outcome.verdict === 'forwarded' && random(2) === 0) receiver.take(0, early, {});
    await http.fromServer('', { flags: SYN | ACK, at: -1, ack: receiver.next });
    await http.fromClient('');
  } else await http.open();
  for (let step = 0; step < STEPS; step++) {
    if (random(4) === 0) await http.fromServer(random(3) === 0 ? 'x' : '', { ack: receiver.next });
    if (random(40) === 0) await lab.tick(random(3) === 0 ? 11_000 : 3000);
    if (random(40) === 0) await crowd(lab, 60_000 + random(1000));
    const { at, data, options } = segmentOf(random);
    const outcome = await http.fromClient(data, { ...options, at });
    if (outcome.verdict !== 'forwarded') continue;
    const isTaken = random(4) !== 0 && (options.checksum === undefined || !mindsChecksums);
    const isSyn = options.flags === SYN;
    if (isTaken && !isSyn) receiver.take(at, data, options);
    check(receiver);
  }
}

/** Another connection wants to be read as well. */
async function crowd(lab: Lab, clientPort: number): Promise<void> {
  const other = connection(lab, { clientPort });
  await lab.tick(2500);
  await other.open();
  await other.fromClient('x');
}

/** What has been read is no message, or the good one. */
function check({ text }: Receiver): void {
  if (text.includes('\n')) assert.equal(text.slice(0, END), GOOD.slice(0, END));
}

async function run(
  t: TestContext,
  stream: Partial<StreamOptions>,
  seed: number,
): Promise<{ complete: number; cut: number }> {
  const random = randomNumbers(seed);
  const hook = defineHook({
    name: 'gate',
    stream: { ports: [80], most: 64, gate: true, onUnseen: 'reset', ...stream },
    onStream: (one) => {
      const end = one.indexOf(Buffer.from('\n'));
      if (end < 0) return MORE;
      return one.text(0, end + 1) === GOOD.slice(0, END) ? ACCEPT : RESET;
    },
  });
  const lab = await openLab(hook);
  t.after(() => lab.close());
  let complete = 0;
  for (let clientPort = 1; clientPort <= CONNECTIONS; clientPort++) {
    const receiver = new Receiver(random(2) === 0);
    const clientStart = random(3) === 0 ? 2 ** 32 - random(30) : random(2 ** 31);
    await attack(lab, connection(lab, { clientPort, clientStart }), random, receiver, random(2) === 0);
    if (receiver.text.length >= END) complete += 1;
  }
  const { cut } = lab.streams('gate');
  assert.equal(lab.faults.length, 0);
  return { complete, cut };
}

describe('through a gate a receiver gets what was judged, or nothing whole', () => {
  for (const [what, stream] of [
    ['contradictions reset', {}],
    ['the first octets are kept', { onOverlap: 'first' }],
    ['there is little memory', { streams: 1 }],
    ['what is not read is dropped', { onUnread: 'drop', onFull: 'drop' }],
  ] as const) {
    test(what, async (t) => {
      const { complete, cut } = await run(t, stream, 31);
      t.diagnostic(`${complete} of ${CONNECTIONS} messages arrived, ${cut} connections were cut`);
      assert.ok(complete > 0, 'some arrive');
      assert.ok(cut > CONNECTIONS / 4, 'some are cut');
    });
  }
});
