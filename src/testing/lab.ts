/**
 * A lab: the real lane, hook chain and pool, between two ports that a test holds in its hands.
 *
 * ```
 *   send ─> frame ─> LabDriver ─> Lane ─> hooks ─> LabDriver, LabSender ─> notes ─> Outcome
 *   tick ─> LabClock ─> what waits ─> the same notes                            ─> Passage
 * ```
 * Rule: nothing is imitated but the two ends. What a verdict is called is read from the ledger; what a hook does with timers, events and
 * counters of its own is read where the lane keeps it.
 *
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MemoryFrame } from '../drivers/memory.ts';
import type { EventDesk } from '../events/event-desk.ts';
import { systemPool } from '../firewall/ddk.ts';
import { RUNTIME_OWNER } from '../firewall/pool.ts';
import { HOOK_WIDTH } from '../hook/hook-chain.ts';
import type { StreamNumbers } from '../hook/stream/stream-contract.ts';
import type { Lane } from '../lane/lane.ts';
import { addRow, checkRow, emptyRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../lane/ledger.ts';
import type { LoadedChain } from '../lane/load-chain.ts';
import { HOOK_COUNTERS, type HookCounter, rowFrom, WAY_SUMS, type WayCounter } from '../telemetry/counters.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { failWith } from './fail.ts';
import { type LabClock, nanosecondsOf } from './lab-clock.ts';
import type { Departure, Fate, From, Lab, Outcome, Passage, SendOptions } from './lab-contract.ts';
import type { LabDriver, Note, Notes } from './lab-driver.ts';
import { type Flood, frameFor } from './lab-flood.ts';
import { datagramIn, prepare } from './lab-frames.ts';
import type { LabOutlets } from './lab-outlets.ts';
import { type LabRecords, lineOf } from './lab-records.ts';
import type { Attachment } from './lab-ways.ts';
import type { PoolWatch } from './pool-watch.ts';

/** What a {@link LaneLab} is made of. */
export interface LabParts {
  readonly loaded: LoadedChain;
  readonly lane: Lane;
  readonly driver: LabDriver;
  /** What the driver hands out when it is started. */
  readonly frames: MemoryFrame[];
  readonly notes: Notes;
  readonly clock: LabClock;
  readonly attachment: Attachment;
  readonly outlets: LabOutlets;
  readonly records: LabRecords;
  /** Where events of the hooks are read. */
  readonly desk: EventDesk;
  readonly watch: PoolWatch;
  /** A lane beside it, which is made when the first asks. */
  readonly makeFlood: () => Flood;
  /** Called when the lab is closed. */
  readonly onClosed: () => void;
}

/** Turns of an idle lane after each step of the clock: 65,536 flows end in them. */
const IDLE_TURNS = 1024;

/** The lab that `openLab` gives out. */
export class LaneLab implements Lab {
  readonly #parts: LabParts;
  #flood: Flood | null = null;
  #isClosed = false;

  constructor(parts: LabParts) {
    this.#parts = parts;
  }

  get hooks(): readonly string[] {
    return this.#parts.loaded.hooks.map(({ name }) => name);
  }

  get sides(): readonly From[] {
    return this.#parts.attachment.from;
  }

  get nowMs(): number {
    return this.#parts.clock.ms;
  }

  get faults(): LabRecords['faults'] {
    return this.#parts.records.faults;
  }

  get log(): LabRecords['log'] {
    return this.#parts.records.log;
  }

  get events(): LabRecords['events'] {
    this.#parts.desk.read();
    return this.#parts.records.events;
  }

  get departures(): LabRecords['departures'] {
    return this.#parts.records.departures;
  }

  /** {@inheritDoc Lab.send} */
  async send(octets: Uint8Array, options: SendOptions = {}): Promise<Outcome> {
    const { lane, driver, frames, loaded, records, clock } = this.#parts;
    const way = this.#wayFrom(options.from);
    const { frame, datagram, flags, segmentSize } = prepare(octets, way, options);
    const before = rowAt(lane.ledger, way * LEDGER_WIDTH);
    const faults = records.faults.length;
    const events = this.events.length;
    const { inPort, outPort } = this.#wayAt(way);
    frames.splice(0, frames.length, { port: inPort, bytes: frame, flags, segmentSize, ...clock.frameTime });
    driver.isSuper = segmentSize > 0;
    // Looked at before the batch ends: then packets that waited may go on.
    let fate = fateOf(before);
    let by: string | null = null;
    let because: string | null = null;
    // The one frame is through when this returns, and no other packet can have come between.
    const isThrough = driver.start({
      onFrame: (one) => {
        lane.onFrame(one);
        fate = fateOf(difference(rowAt(lane.ledger, way * LEDGER_WIDTH), before));
        by = fate.isDecided ? (loaded.chain.hooks[loaded.chain.decidedBy]?.name ?? null) : null;
        because = by === null ? null : loaded.reasons.textOf(loaded.chain.decidedReason);
      },
      onBatchEnd: () => {
        driver.isSuper = false;
        lane.onBatchEnd();
      },
    });
    const departures = this.#collect();
    await isThrough;
    await nextTurn();
    departures.push(...this.#collect());
    const outside = this.#parts.attachment.to[outPort];
    const made = departures.filter(({ isMade }) => isMade);
    const own = departures.filter(({ isMade }) => !isMade);
    return {
      verdict: fate.verdict,
      reason: fate.reason,
      by,
      because,
      arrived: datagram,
      out: datagramsOf(own.filter(({ to }) => to === outside)),
      back: datagramsOf(own.filter(({ to }) => to !== outside)),
      sent: datagramsOf(made),
      departures,
      faults: records.faults.slice(faults),
      events: this.events.slice(events),
    };
  }

  /** {@inheritDoc Lab.tick} */
  async tick(ms: number): Promise<Passage> {
    this.#assertOpen();
    const { clock, records, lane } = this.#parts;
    const faults = records.faults.length;
    const events = this.events.length;
    clock.advance(nanosecondsOf(ms));
    // Flows that are over end a few at a time, as in a lane that has nothing else to do.
    for (let turn = 0; turn < IDLE_TURNS; turn++) lane.onIdle();
    const departures = this.#collect();
    await nextTurn();
    departures.push(...this.#collect());
    const made = departures.filter(({ isMade }) => isMade);
    return {
      departures,
      sent: datagramsOf(made),
      faults: records.faults.slice(faults),
      events: this.events.slice(events),
    };
  }

  /** {@inheritDoc Lab.prepareFlood} */
  prepareFlood(packets: readonly Uint8Array[], options: SendOptions = {}): (count: number) => void {
    const way = this.#wayFrom(options.from);
    if (packets.length === 0) throw new TypeError('a flood needs a packet');
    const prepared = packets.map((octets) => prepare(octets, way, options));
    const frame = frameFor(prepared);
    const { inPort } = this.#wayAt(way);
    const { notes, makeFlood, outlets, lane, desk, loaded } = this.#parts;
    this.#flood ??= makeFlood();
    const flood = this.#flood;
    return (count) => {
      this.#assertOpen();
      if (loaded.chain.holds?.waiting) throw new Error('packets wait; let time pass before a flood');
      desk.read();
      notes.isQuiet = true;
      desk.isQuiet = true;
      outlets.lane = flood.lane;
      flood.run(count, inPort, prepared, frame);
      outlets.lane = lane;
      desk.read();
      desk.isQuiet = false;
      notes.isQuiet = false;
    };
  }

  /** {@inheritDoc Lab.counters} */
  counters(hook: string): Readonly<Record<HookCounter, number>> {
    const { loaded, watch } = this.#parts;
    const { chain } = loaded;
    const index = this.#placeOf(hook);
    const pool = watch.usage(chain.owners[index] as number);
    return {
      ...rowFrom(HOOK_COUNTERS, chain.counters, index * HOOK_WIDTH),
      outstanding: pool.outstanding,
      outstandingBytes: pool.bytes,
      poolFaults: pool.faults,
    };
  }

  /** {@inheritDoc Lab.metrics} */
  metrics(hook: string): Readonly<Record<string, number>> {
    const { loaded } = this.#parts;
    const place = this.#placeOf(hook);
    loaded.readGauges();
    const own = loaded.metrics.read(loaded.chain.owners).filter((metric) => metric.hook === place);
    return Object.fromEntries(own.map(({ name, value }) => [name, value]));
  }

  /** {@inheritDoc Lab.reasons} */
  reasons(hook: string): Readonly<Record<string, number>> {
    const { loaded } = this.#parts;
    const place = this.#placeOf(hook);
    const own = loaded.reasons.read(loaded.chain.owners).filter((reason) => reason.hook === place);
    return Object.fromEntries(own.map(({ text, count }) => [text, count]));
  }

  /** {@inheritDoc Lab.streams} */
  streams(hook: string): StreamNumbers {
    const { chain } = this.#parts.loaded;
    const place = chain.hooks.findIndex(({ name }) => name === hook);
    const running = chain.chainOf(place);
    const numbers = running.streams.numbersOf(running === chain ? place : 0);
    if (numbers === null) throw new TypeError(`no hook of this lab reads streams and is called ${hook}`);
    return numbers;
  }

  /** {@inheritDoc Lab.ledger} */
  ledger(from?: From): Readonly<LedgerRow> {
    const { lane, attachment } = this.#parts;
    if (from !== undefined) return rowAt(lane.ledger, this.#indexOf(from) * LEDGER_WIDTH);
    const sum = emptyRow();
    for (const way of attachment.ways.keys()) addRow(sum, rowAt(lane.ledger, way * LEDGER_WIDTH));
    return sum;
  }

  /** {@inheritDoc Lab.expectFaults} */
  expectFaults(...patterns: readonly (string | RegExp)[]): void {
    this.#parts.records.expectFaults(patterns);
  }

  /** {@inheritDoc Lab.close} */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { loaded, lane, records, watch, onClosed } = this.#parts;
    const lines = records.log.length;
    try {
      lane.releaseHeld();
      loaded.teardown();
      lane.onBatchEnd();
      await nextTurn();
      this.#collect();
    } finally {
      watch.restore();
      onClosed();
    }
    const failed = records.log.slice(lines).filter(({ message }) => message.startsWith('teardown threw: '));
    const problems = [
      ...failed.map(({ hook, message }) => `hook ${hook}: ${message}`),
      ...records.unexpected.map((fault) => `hook ${lineOf(fault)} (expectFaults says that it was to be)`),
      ...watch.leaks(
        new Map(loaded.chain.hooks.map(({ name }, index) => [loaded.chain.owners[index] as number, name])),
      ),
      ...this.#sumsThatDiffer(),
    ];
    if (problems.length > 0)
      failWith(`the lab does not close clean:\n${problems.map((one) => `  ${one}`).join('\n')}`, this.close);
  }

  /** Firehook's own sums: where one of them is wrong, it is no fault of the hook's. */
  #sumsThatDiffer(): string[] {
    const { lane, attachment, notes, loaded } = this.#parts;
    const problems = attachment.ways.flatMap(({ name, outPort }, way) =>
      checkRow(rowAt(lane.ledger, way * LEDGER_WIDTH), outPort >= 0).map((problem) => `ledger, ${name}: ${problem}`),
    );
    const all = this.ledger();
    if (notes.count !== all.sent) problems.push(`ledger: sent ${all.sent}, and ${notes.count} have left`);
    const obeyed = loaded.hooks.filter(({ isShadow }) => !isShadow);
    const dropped = obeyed.reduce((sum, { name }) => sum + this.counters(name).dropped, 0);
    const booked = droppedIn(lane) + (this.#flood === null ? 0 : droppedIn(this.#flood.lane));
    if (dropped !== booked) problems.push(`ledger: ${booked} dropped by hooks, and the hooks counted ${dropped}`);
    if (systemPool.owner !== RUNTIME_OWNER) problems.push('the pool still names a hook that runs');
    return problems;
  }

  #placeOf(hook: string): number {
    const place = this.#parts.loaded.chain.hooks.findIndex(({ name }) => name === hook);
    if (place === -1) throw new TypeError(`no hook of this lab is called ${hook}; it has ${this.hooks.join(', ')}`);
    return place;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new Error('this lab is closed');
  }

  #wayFrom(from: From | undefined): number {
    this.#assertOpen();
    return from === undefined ? 0 : this.#indexOf(from);
  }

  #indexOf(from: From): number {
    const { attachment } = this.#parts;
    const index = attachment.from.indexOf(from);
    if (index !== -1) return index;
    throw new TypeError(`from: ${String(from)} is no side of this lab; it has ${attachment.from.join(' and ')}`);
  }

  #wayAt(index: number): Attachment['ways'][number] {
    return this.#parts.attachment.ways[index] as Attachment['ways'][number];
  }

  /** What left since it was asked last. */
  #collect(): Departure[] {
    const departures = this.#parts.notes.take().map((note) => this.#departureOf(note));
    this.#parts.records.departures.push(...departures);
    return departures;
  }

  #departureOf({ port, octets, isMade }: Note): Departure {
    if (port === -1) return { to: 'routed', datagram: octets, frame: null, isMade, outlet: null };
    const to = this.#parts.attachment.to[port] ?? 'outlet';
    const outlet = to === 'outlet' ? this.#parts.outlets.nameOf(port) : null;
    return { to, datagram: datagramIn(octets), frame: octets, isMade, outlet };
  }
}

/** Packets that hooks ended, all ways together. */
function droppedIn({ ledger, ways }: Lane): number {
  return ways.reduce((sum, _, way) => {
    const { droppedByHook, droppedByFault } = rowAt(ledger, way * LEDGER_WIDTH);
    return sum + droppedByHook + droppedByFault;
  }, 0);
}

function datagramsOf(departures: readonly Departure[]): OctetBuffer[] {
  return departures.flatMap(({ datagram }) => datagram ?? []);
}

function difference(after: LedgerRow, before: LedgerRow): LedgerRow {
  const names = Object.keys(after) as WayCounter[];
  return Object.fromEntries(names.map((name) => [name, after[name] - before[name]])) as LedgerRow;
}

/** What the ledger says became of one packet. */
function fateOf(row: LedgerRow): { verdict: Fate; reason: WayCounter | null; isDecided: boolean } {
  const partOf = (whole: WayCounter): WayCounter | null =>
    WAY_SUMS.find((sum) => sum.whole === whole)?.parts.find((part) => row[part] > 0) ?? null;
  const verdict = partOf('received') as Fate;
  const reason = verdict === 'dropped' || verdict === 'lost' ? partOf(verdict) : null;
  const isDecided =
    verdict === 'rejected' ||
    verdict === 'replied' ||
    verdict === 'reset' ||
    verdict === 'held' ||
    reason === 'droppedByHook' ||
    reason === 'droppedByFault' ||
    row.accepted > 0;
  return { verdict, reason, isDecided };
}
