/**
 * What a lane knows, written down for the lane that takes its place, and read there.
 *
 * ```
 *   memory:  | v8.serialize: what each onLeave returned; what is said of the flows; timers | records of flows ... |
 *   old lane: onLeave of each hook ─> write          new lane: copy ─> flows ─> timers ─> adopt of each hook of the same name
 * ```
 * Rule: the reader believes nothing. What cannot be read is left out and said in a note; a lane goes on without what it did not get. A hook whose
 * `onLeave` or `adopt` does something wrong is at fault, and no other hook has less for it.
 *
 * @module
 */

import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import { type FlowEstate, estateOctets as octetsOf, readFlows, writeFlows } from '../flow/flow-estate.ts';
import type { Column, ColumnType } from '../flow/flow-store.ts';
import { asOwner } from '../hook/async-owner.ts';
import { columnKey } from '../hook/chain-flows.ts';
import { columnsOf } from '../hook/check-definition.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import type { LoadedHook } from '../hook/load-hook.ts';
import type { LaneTimers, TimerEstate } from './lane-timers.ts';
import type { EstateSize, HookSource } from './messages.ts';

/** Octets of what one hook hands on. */
export const MOST_STATE = 16 * 1024 * 1024;
/** Of all hooks together. */
export const MOST_STATES = 16 * 1024 * 1024;
/** Hooks, deciders and columns of an estate: a list that says it has more may have nothing in it, and takes minutes to be walked through. */
const MOST_LISTED = 4_096;
/** Layout of an estate: another one is not read. */
const VERSION = 1;

/** What {@link writeEstate} and {@link readEstate} take. */
export interface EstateOptions {
  readonly chain: HookChain;
  readonly timers: LaneTimers;
  /** As the configuration has them. */
  readonly sources: readonly HookSource[];
  /** Milliseconds on the clock of the lane, which its flow table has. */
  readonly now: () => number;
  /** Counts and logs what a hook did wrong. @param owner - its place in the configuration */
  readonly onFault: (owner: number, reason: string, error: unknown) => void;
}

/** What a hook hands on. */
interface HookEstate {
  readonly name: string;
  readonly state: Uint8Array;
}

interface Estate {
  readonly version: number;
  readonly hooks: readonly HookEstate[];
  readonly flows: FlowEstate | null;
  /** Lanes of an older version leave none, and read over it. */
  readonly timers?: TimerEstate;
}

/** Octets to the next record: its words are read in place. */
const aligned = (octets: number): number => Math.ceil(octets / 8) * 8;

/**
 * Writes down what the hooks and the flow table of a lane know.
 *
 * @param memory - shared with the supervisor
 * @returns how much was written, and what was left out
 */
export function writeEstate(
  { chain, timers: own, sources, now, onFault }: EstateOptions,
  memory: Uint8Array,
): { readonly size: EstateSize; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const hooks = leaveAll(chain.hooks, notes, onFault);
  // As onLeave has left them.
  const timers = own.leave(monotonicMs());
  const table = chain.flows?.table ?? null;
  const named = chain.flows === null ? [] : columnsIn(chain.hooks);
  const about = (flows: number): FlowEstate => ({
    flows,
    columns: named.map(({ name, type }) => ({ name, type })),
    deciders: chain.hooks.map((hook) => identityOf(hook, sources)),
    clockMs: monotonicMs(),
    tableMs: now(),
  });
  // The number of flows takes as many octets whatever it is.
  const make = (flows: number): Buffer =>
    serialize({ version: VERSION, hooks, flows: table === null ? null : about(flows), timers } satisfies Estate);
  const room = make(table?.size ?? 0).length + 64;
  if (room > memory.length)
    return { size: { hooks: 0, flows: 0 }, notes: [...notes, 'there was no memory for what the hooks hand on'] };
  const start = aligned(room);
  let flows = 0;
  if (table !== null && chain.flows !== null) {
    const { flows: own } = chain;
    const columns = named.map(({ key }) => own.column(key));
    flows = writeFlows(table, columns, memory.subarray(start));
    if (flows < table.size)
      notes.push(`${table.size - flows} of ${table.size} flows were left behind for want of memory`);
  }
  const head = make(flows);
  memory.set(head);
  return { size: { hooks: head.length, flows: table === null ? 0 : start + flows * octetsOf(named.length) }, notes };
}

/**
 * Takes over what another lane wrote down.
 *
 * @param memory - shared with the supervisor and the other lane
 * @returns what was not taken over
 */
export function readEstate(options: EstateOptions, memory: Uint8Array, size: EstateSize): readonly string[] {
  const { chain, timers, sources, now, onFault } = options;
  if (size.hooks === 0 || size.hooks > memory.length || size.flows > memory.length) return [];
  // The other lane may still write: from here on there is one version of it.
  const estate = readHead(Uint8Array.prototype.slice.call(memory, 0, size.hooks));
  if (estate === null) return ['what the lane before wrote down cannot be read'];
  const notes: string[] = [];
  const { flows: own } = chain;
  if (estate.flows !== null && own !== null) {
    const octets = octetsOf(estate.flows.columns.length) * estate.flows.flows;
    const start = size.flows - octets;
    const nowMs = now();
    chain.tick(nowMs);
    const columns = new Map(columnsIn(chain.hooks).map(({ name, type, key }) => [`${name} ${type}`, key]));
    const columnOf = (name: string, type: ColumnType): Column | null => {
      const key = columns.get(`${name} ${type}`);
      return key === undefined ? null : own.column(key);
    };
    const deciders = chain.hooks.map((hook) => identityOf(hook, sources));
    const taken =
      start < 0 || start % 8 !== 0
        ? 0
        : readFlows(
            own.table,
            estate.flows,
            Uint8Array.prototype.slice.call(memory, start, size.flows),
            monotonicMs(),
            nowMs,
            columnOf,
            (name) => deciders.indexOf(name),
          );
    if (taken < estate.flows.flows)
      notes.push(`${estate.flows.flows - taken} of ${estate.flows.flows} flows were not taken over`);
  }
  const gone = timers.follow(estate.timers, monotonicMs(), () => adoptAll(chain.hooks, estate.hooks, notes, onFault));
  return [...notes, ...gone];
}

function leaveAll(hooks: readonly LoadedHook[], notes: string[], onFault: EstateOptions['onFault']): HookEstate[] {
  const states: HookEstate[] = [];
  let octets = 0;
  for (const hook of hooks) {
    if (hook.kind !== 'defined' || hook.handlers?.onLeave === undefined) continue;
    const { name, handlers, owner = -1 } = hook;
    try {
      const returned: unknown = asOwner(owner, 'onLeave', () => handlers.onLeave?.());
      if (returned === undefined) continue;
      const state = asOwner(owner, 'onLeave', () => serialize(returned));
      octets += state.length;
      if (state.length > MOST_STATE || octets > MOST_STATES) {
        octets -= state.length;
        notes.push(`${name} hands nothing on: it has ${state.length} octets`);
      } else states.push({ name, state });
    } catch (error) {
      onFault(owner, 'threw in onLeave', error);
      notes.push(`${name} hands nothing on: its onLeave threw`);
    }
  }
  return states;
}

function adoptAll(
  hooks: readonly LoadedHook[],
  estates: readonly HookEstate[],
  notes: string[],
  onFault: EstateOptions['onFault'],
): void {
  for (const { name, state } of estates) {
    const hook = hooks.find((one) => one.name === name);
    if (hook?.kind !== 'defined' || hook.handlers?.adopt === undefined) {
      notes.push(
        hook === undefined
          ? `${name} is no longer there to adopt what it handed on`
          : `${name} has no adopt: it starts anew`,
      );
      continue;
    }
    const { handlers, owner = -1 } = hook;
    try {
      asOwner(owner, 'adopt', () => handlers.adopt?.(deserialize(state)));
    } catch (error) {
      onFault(owner, 'threw in adopt', error);
      notes.push(`${name} starts anew: its adopt threw`);
    }
  }
}

/** The columns of all hooks: by the name of the hook, as another lane knows them. */
function columnsIn(
  hooks: readonly LoadedHook[],
): { readonly name: string; readonly type: ColumnType; readonly key: string }[] {
  return hooks.flatMap((hook) =>
    hook.kind !== 'defined'
      ? []
      : Object.entries(columnsOf(hook.definition)).map(([column, type]) => ({
          name: `${hook.name}:${column}`,
          type,
          key: columnKey(hook, column),
        })),
  );
}

/** Differs when the hook has another name, program or options: then nothing that it has settled holds. */
function identityOf({ name, owner = -1 }: LoadedHook, sources: readonly HookSource[]): string {
  const source = sources[owner];
  const hash = createHash('sha256').update(source?.bundle.code ?? '');
  return `${name} ${hash.update(JSON.stringify(source?.options ?? null)).digest('base64')}`;
}

function readHead(octets: Uint8Array): Estate | null {
  try {
    const estate = deserialize(octets) as Estate;
    return estate.version === VERSION && isEstate(estate) ? estate : null;
  } catch {
    return null;
  }
}

/** A lane that hooks lived in wrote it. */
function isEstate({ hooks, flows }: Estate): boolean {
  if (
    !isList(hooks) ||
    !hooks.every((one: HookEstate) => typeof one.name === 'string' && one.state instanceof Uint8Array)
  )
    return false;
  if (flows === null) return true;
  return (
    Number.isInteger(flows.flows) &&
    flows.flows >= 0 &&
    isList(flows.columns) &&
    flows.columns.every(({ name, type }) => typeof name === 'string' && (type === 'int32' || type === 'float64')) &&
    isList(flows.deciders) &&
    flows.deciders.every((name) => typeof name === 'string') &&
    Number.isFinite(flows.clockMs) &&
    Number.isFinite(flows.tableMs)
  );
}

function isList(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MOST_LISTED;
}

/** A clock that all processes of the machine have. */
function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
