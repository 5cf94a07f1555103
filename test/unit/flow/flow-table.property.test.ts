/**
 * A million packets through the flow table, and through a model of it made of Map and arrays: both say the same of each.
 *
 * The model knows protocols without states of their own, which is all that keys, timeouts, expiry and eviction need; TCP has
 * its tables. Time goes forward, stands still and jumps back.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ENDED_EVICTED, ENDED_EXPIRED, ENDED_REMOVED } from '../../../src/flow/flow-counters.ts';
import { FlowTable } from '../../../src/flow/flow-table.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { icmpv4, ipv4, ipv6, octets, udp } from '../../support/packet-builder.ts';
import { randomNumbers, SEED } from './flow-rig.ts';

const STEPS = 1_000_000;
const MOST = 200;
const HOSTS = 12;
const EVICT_IDLE_MS = 300;
const TIMEOUTS = { udpNewMs: 400, udpEstablishedMs: 900, icmpMs: 300, otherMs: 700 };

interface ModelFlow {
  readonly key: string;
  readonly opener: string;
  readonly kind: 'udp' | 'icmp' | 'other';
  isAnswered: boolean;
  usedMs: number;
  /** Order of use, for flows of the same millisecond. */
  turn: number;
  readonly packets: [number, number];
}

/** What the table should do, in the plainest way. */
class Model {
  readonly flows = new Map<string, ModelFlow>();
  readonly ended: string[] = [];
  nowMs = 0;
  #ahead = 0;
  #turn = 0;

  setNow(nowMs: number): void {
    const next = nowMs + this.#ahead;
    if (next >= this.nowMs) this.nowMs = next;
    else if (this.nowMs - next > 1_000) this.#ahead = this.nowMs - nowMs;
  }

  /** Undefined: no flow. */
  track(key: string, from: string, kind: ModelFlow['kind']): ModelFlow | undefined {
    let flow = this.flows.get(key);
    if (flow !== undefined && this.isExpired(flow)) {
      this.end(flow, ENDED_EXPIRED);
      flow = undefined;
    }
    if (flow === undefined) {
      if (this.flows.size === MOST && !this.#evict()) return undefined;
      flow = { key, opener: from, kind, isAnswered: false, usedMs: 0, turn: 0, packets: [0, 0] };
      this.flows.set(key, flow);
    }
    const direction = flow.opener === from ? 0 : 1;
    if (direction === 1) flow.isAnswered = true;
    flow.packets[direction] += 1;
    flow.usedMs = this.nowMs;
    flow.turn = this.#turn++;
    return flow;
  }

  isExpired(flow: ModelFlow): boolean {
    const { udpNewMs, udpEstablishedMs, icmpMs, otherMs } = TIMEOUTS;
    const timeouts = { udp: flow.isAnswered ? udpEstablishedMs : udpNewMs, icmp: icmpMs, other: otherMs };
    return this.nowMs - flow.usedMs > timeouts[flow.kind];
  }

  end(flow: ModelFlow, reason: number): void {
    this.flows.delete(flow.key);
    this.ended.push(`${reason} ${flow.packets.join(' ')}`);
  }

  #evict(): boolean {
    const all = [...this.flows.values()];
    // Of several classes with an expired flow the first gives: the table looks at them in this order.
    const classes = ['udp new', 'udp answered', 'icmp new', 'icmp answered', 'other new', 'other answered'];
    for (const name of classes) {
      const oldest = first(all.filter((flow) => `${flow.kind} ${flow.isAnswered ? 'answered' : 'new'}` === name));
      if (oldest === undefined || !this.isExpired(oldest)) continue;
      this.end(oldest, ENDED_EXPIRED);
      return true;
    }
    const unanswered = oldestOfKinds(all.filter((flow) => !flow.isAnswered));
    const leaves = unanswered ?? oldestOfKinds(all);
    if (leaves === undefined || (leaves.isAnswered && this.nowMs - leaves.usedMs < EVICT_IDLE_MS)) return false;
    this.end(leaves, ENDED_EVICTED);
    return true;
  }
}

/** Longest unused; of flows of the same millisecond in different classes, that of the first kind. */
function oldestOfKinds(flows: ModelFlow[]): ModelFlow | undefined {
  let oldest: ModelFlow | undefined;
  for (const kind of ['udp', 'icmp', 'other']) {
    const candidate = first(flows.filter((flow) => flow.kind === kind));
    if (candidate !== undefined && (oldest === undefined || candidate.usedMs < oldest.usedMs)) oldest = candidate;
  }
  return oldest;
}

function first(flows: ModelFlow[]): ModelFlow | undefined {
  let oldest: ModelFlow | undefined;
  for (const flow of flows) if (oldest === undefined || flow.turn < oldest.turn) oldest = flow;
  return oldest;
}

interface Sample {
  readonly bytes: Buffer;
  readonly layout: IpLayout;
  readonly key: string;
  readonly from: string;
  readonly kind: ModelFlow['kind'];
}

/** Every datagram that two hosts of a small net can send each other, both ways. */
function samples(): Sample[] {
  const made: Sample[] = [];
  const add = (bytes: Buffer, key: string, from: string, kind: ModelFlow['kind']): void => {
    const layout = new IpLayout();
    assert.ok(parseIpLayout(bytes, 0, bytes.length, bytes.length, layout));
    made.push({ bytes, layout, key, from, kind });
  };
  for (let a = 0; a < HOSTS; a++) {
    for (let b = 0; b < HOSTS; b++) {
      if (a === b) continue;
      const pair = a < b ? `${a}-${b}` : `${b}-${a}`;
      const ends = { source: `10.0.${a % 3}.${a}`, destination: `10.0.${b % 3}.${b}` };
      const ends6 = { source: `2001:db8::${a}`, destination: `2001:db8::${b}` };
      // The port belongs to the host, so that both directions have the same pair.
      const port = { sourcePort: 100 + a, destinationPort: 100 + b };
      add(ipv4(ends, udp(port)), `udp ${pair}`, String(a), 'udp');
      add(ipv6(ends6, udp(port)), `udp6 ${pair}`, String(a), 'udp');
      add(ipv4(ends, octets(47, Buffer.alloc(8))), `gre ${pair}`, String(a), 'other');
      const asked = { type: 8, rest: 5 << 16 };
      add(ipv4(ends, icmpv4(asked)), `ping of ${a} to ${b}`, String(a), 'icmp');
    }
  }
  return made;
}

test('the table does what the model does, a million times', () => {
  const model = new Model();
  const ended: string[] = [];
  const table: FlowTable = new FlowTable({
    most: MOST,
    timeouts: TIMEOUTS,
    evictIdleMs: EVICT_IDLE_MS,
    seed: SEED,
    onEnd: (index, reason) => {
      const { records } = table;
      ended.push(`${reason} ${records.packetsOf(index, 0)} ${records.packetsOf(index, 1)}`);
    },
  });
  const all = samples();
  const next = randomNumbers(1);
  const indexOf = new Map<string, number>();
  let nowMs = 1_000_000;
  model.nowMs = nowMs;
  let window = all.length;
  for (let step = 0; step < STEPS; step++) {
    // Busy times, in which the table is full, and calm ones, in which flows expire.
    if (step % 5_000 === 0) window = next(3) === 0 ? all.length : 40 + next(200);
    const kind = next(1_000);
    if (kind < 400) nowMs += next(3);
    else if (kind === 500) nowMs += 500 + next(800);
    else if (kind === 501) nowMs -= next(900);
    else if (kind === 502) nowMs -= 5_000;
    if (kind === 600) expireBoth(table, model, nowMs, ended);
    else if (kind === 601) removeBoth(table, model, indexOf, next);
    else trackBoth(table, model, indexOf, all[next(window)] as Sample, nowMs, step);
    if (table.size !== model.flows.size)
      assert.fail(`step ${step}: ${table.size} flows, the model has ${model.flows.size}`);
    if (ended.length !== model.ended.length || ended.at(-1) !== model.ended.at(-1)) {
      assert.deepEqual(ended.slice(-5), model.ended.slice(-5), `step ${step}`);
    }
  }
  const reasons = new Set(ended.map((text) => text[0]));
  assert.deepEqual([...reasons].sort(), [ENDED_EXPIRED, ENDED_EVICTED, ENDED_REMOVED].map(String).sort());
});

function trackBoth(
  table: FlowTable,
  model: Model,
  indexOf: Map<string, number>,
  sample: Sample,
  nowMs: number,
  step: number,
): void {
  model.setNow(nowMs);
  const before = model.flows.get(sample.key);
  const flow = model.track(sample.key, sample.from, sample.kind);
  table.tick(nowMs);
  const index = table.track(sample.bytes, sample.layout, sample.bytes.length, 0);
  if (flow === undefined) {
    if (index !== -1) assert.fail(`step ${step}: a flow, and the model has no room`);
    return;
  }
  const isNew = flow === before ? 0 : 1;
  const direction = flow.opener === sample.from ? 0 : 1;
  const { records } = table;
  const state = flow.isAnswered ? 1 : 0;
  const said = [
    table.isNew,
    table.direction,
    records.stateOf(index),
    records.packetsOf(index, 0),
    records.packetsOf(index, 1),
  ];
  const expected = [isNew, direction, state, ...flow.packets];
  for (const [place, value] of expected.entries()) {
    if (said[place] !== value) assert.deepEqual(said, expected, `step ${step}, ${sample.key}`);
  }
  if (isNew === 1) indexOf.set(sample.key, index);
  else if (indexOf.get(sample.key) !== index) assert.fail(`step ${step}: the flow moved`);
}

/** All that is due: how far a bounded call gets is said in another test. */
function expireBoth(table: FlowTable, model: Model, nowMs: number, ended: readonly string[]): void {
  model.setNow(nowMs);
  const due = [...model.flows.values()].filter((flow) => model.isExpired(flow));
  const before = ended.length;
  assert.equal(table.expire(nowMs, MOST), due.length);
  for (const flow of due) model.flows.delete(flow.key);
  // In which order classes have their turn is not part of the promise.
  const said = ended.slice(before);
  const expected = due.map((flow) => `${ENDED_EXPIRED} ${flow.packets.join(' ')}`);
  assert.deepEqual(said.toSorted(), expected.toSorted());
  model.ended.push(...said);
}

function removeBoth(
  table: FlowTable,
  model: Model,
  indexOf: Map<string, number>,
  next: (below: number) => number,
): void {
  const flows = [...model.flows.values()];
  const flow = flows[next(flows.length)];
  if (flow === undefined) return;
  assert.equal(table.remove(indexOf.get(flow.key) ?? -1), true);
  model.end(flow, ENDED_REMOVED);
}
