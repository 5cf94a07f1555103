/**
 * What a daemon tells Prometheus: every number of its reports as a family, with labels from the configuration only.
 *
 * ```
 *   status ─┐
 *   stats  ─┼─> families: the daemon, ways, hooks, flows, tables of prefixes, what hooks count themselves
 *   hooks  ─┘
 * ```
 * Rule: bounded. A label is a way, a hook, an interface, a table, a place of a lane, or one of a few words; never an address, never what a
 * packet says. No series is there twice, whatever a lane says its hooks are called.
 *
 * @see https://prometheus.io/docs/practices/naming/
 * @module
 */

import { counterFamilies, familyOf, familyOfAll } from '../telemetry/counter-families.ts';
import {
  type Counter,
  FLOW_COUNTERS,
  HOOK_COLUMNS,
  type HookCounter,
  type Row,
  WAY_COUNTERS,
} from '../telemetry/counters.ts';
import type { Family } from '../telemetry/exposition.ts';
import { callsOf, SAMPLED_EVERY, TIME_BUCKETS, TIME_SUM, type TimeRow } from '../telemetry/hook-times.ts';
import type { MetricValue } from '../telemetry/metrics.ts';
import { ownFamilies } from './own-families.ts';
import type { PoolReport, StatsReport, StatusReport } from './reports.ts';

/** What the families are made of. */
export interface MetricSource {
  readonly status: StatusReport;
  readonly stats: StatsReport;
  readonly pool: PoolReport;
  /** In running order. */
  readonly hooks: readonly HookNumbers[];
  /** False where changes that hooks make are not counted. */
  readonly tracksChanges: boolean;
  /** What hooks count themselves; `hook` is the place in `hooks`. */
  readonly own: readonly MetricValue[];
  readonly lanesWanted: number;
}

/** A hook. */
export interface HookNumbers {
  readonly name: string;
  readonly counters: Readonly<Row<HookCounter>>;
  readonly times: TimeRow;
}

/** Everything but the processes. */
export function metricFamilies(source: MetricSource): Family[] {
  const { status, stats, pool, own } = source;
  const names = uniqueNames(source.hooks.map(({ name }) => name));
  const hooks = source.hooks.map((hook, index) => ({ ...hook, name: names[index] ?? hook.name }));
  const made = [
    ...daemonFamilies(status, source.lanesWanted),
    ...attachFamilies(status),
    ...trafficFamilies(stats),
    ...hookFamilies(hooks, source.tracksChanges),
    timeFamily(hooks),
    familyOfAll(
      'hook_reasons',
      'counter',
      'Verdicts that the hook gave this reason for.',
      stats.reasons,
      ({ hook, reason, count }) => [{ hook, reason }, count],
    ),
    ...(status.flows === null ? [] : counterFamilies(FLOW_COUNTERS, 'flow', [{ labels: {}, row: status.flows }])),
    ...tableFamilies(status),
    one('pool_bytes', 'gauge', 'Octets of the pools of all lanes that are in use.', pool.bytesInUse),
    one('pool_limit_bytes', 'gauge', 'Octets that the pools of all lanes may hold.', pool.limitBytes),
    ...eventFamilies(stats),
  ];
  const taken = new Set(made.map(({ name }) => name));
  return [...made, ...ownFamilies(own, names, taken)];
}

/** Names that are there twice get a number. */
function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let count = 2; taken.has(free); count++) free = `${name}#${count}`;
    taken.add(free);
    return free;
  });
}

/** A family of one number without labels. */
function one(name: string, kind: 'counter' | 'gauge', help: string, value: number): Family {
  return familyOf(name, kind, help, [{ labels: {}, value }]);
}

function daemonFamilies(
  { lease, leaseHistory, health, lane, lanes, logLinesLost, driver, version, generation }: StatusReport,
  wanted: number,
): Family[] {
  const { lapses, renewals, refusals, longestGapMs } = leaseHistory;
  const build = { version, node: process.versions.node, driver };
  const isHeld =
    lease === 'none'
      ? []
      : [
          one(
            'lease_held',
            'gauge',
            'The kernel has confirmed the lease, and the hooks decide: 0 or 1.',
            flag(lease === 'held'),
          ),
        ];
  return [
    familyOf('build', 'info', 'What runs: version, Node.js, driver.', [{ labels: build, value: 1 }]),
    one('healthy', 'gauge', 'firehook status finds nothing to look at: 0 or 1.', flag(health.ok)),
    ...isHeld,
    one('lease_lapses', 'counter', 'How often the lease was lost while lanes ran.', lapses),
    one('lease_renewals', 'counter', 'How often the kernel has confirmed the lease.', renewals),
    one('lease_refusals', 'counter', 'How often the kernel has refused to renew the lease.', refusals),
    one(
      'lease_longest_gap_seconds',
      'gauge',
      'Longest time between two renewals since the start.',
      longestGapMs / 1000,
    ),
    one('lanes', 'gauge', 'Lanes that run or start.', lanes.length),
    one('lanes_wanted', 'gauge', 'Lanes that the configuration asks for.', wanted),
    one('lane_restarts', 'counter', 'Lanes that took the place of another.', lane.restarts),
    one(
      'generation',
      'gauge',
      'Counts the configurations that have been in force; 1 is that of the start.',
      generation,
    ),
    one('lost_log_lines', 'counter', 'Lines that the reader of the log did not take.', logLinesLost),
  ];
}

function attachFamilies({ attaches }: StatusReport): Family[] {
  const ports = attaches.flatMap(({ interfaces, inForce }) => interfaces.map((name) => ({ name, inForce })));
  return [
    familyOfAll(
      'port_protected',
      'gauge',
      'The hooks decide about the traffic of the port, or policy.onDown does: 0 where frames may pass without either.',
      ports,
      ({ name, inForce }) => [{ interface: name }, flag(inForce !== 'none')],
    ),
    familyOfAll(
      'port_hooked',
      'gauge',
      'The hooks decide about the traffic of the port: 0 or 1.',
      ports,
      ({ name, inForce }) => [{ interface: name }, flag(inForce === 'hooks')],
    ),
  ];
}

function trafficFamilies({ ways, addsUp, kernelDropped, fenced }: StatsReport): Family[] {
  const ports = ways.flatMap(({ name, port }) => (port === null ? [] : [{ way: name, port }]));
  const byState = ports.flatMap(({ way, port }) => [
    { way, state: 'stolen', count: port.stolen },
    { way, state: 'offered', count: port.offered },
    { way, state: 'down', count: port.whileDown },
    { way, state: 'unhooked', count: port.unhooked },
  ]);
  return [
    ...counterFamilies(
      WAY_COUNTERS,
      'way',
      ways.map(({ name, ledger }) => ({ labels: { way: name }, row: ledger })),
    ),
    one('ledger_adds_up', 'gauge', 'Every packet is accounted for once: 0 or 1.', flag(addsUp)),
    familyOfAll(
      'kernel_packets',
      'counter',
      'What nftables counted: stolen from the port, offered to the lane, met while no lane answered, come past the hooks.',
      byState,
      ({ way, state, count }) => [{ way, state }, count],
    ),
    familyOfAll(
      'never_handed_packets',
      'gauge',
      'Offered to a lane and not received by it: on the way just now, or dropped by the kernel.',
      ports,
      ({ way, port }) => [{ way }, port.neverHanded],
    ),
    one(
      'kernel_dropped_frames',
      'counter',
      'Frames that the kernel dropped because a lane was too slow.',
      kernelDropped,
    ),
    one(
      'fenced_frames',
      'counter',
      'Frames that were given back unread, because the kernel may have sent them on.',
      fenced,
    ),
  ];
}

function hookFamilies(hooks: readonly HookNumbers[], tracksChanges: boolean): Family[] {
  // A counter that is not counted is left out of the text: 0 would say that nothing was changed.
  const table: readonly Counter[] = HOOK_COLUMNS.filter(({ name }) => tracksChanges || name !== 'changed');
  const rows = hooks.map(({ name, counters }) => ({ labels: { hook: name }, row: counters }));
  return counterFamilies(table, 'hook', rows);
}

function timeFamily(hooks: readonly HookNumbers[]): Family {
  const samples = hooks.flatMap(({ name: hook, times }) => {
    let reached = 0;
    const buckets = TIME_BUCKETS.map(({ le }, column) => {
      reached += times[column] ?? 0;
      return { suffix: '_bucket', labels: { hook, le }, value: reached };
    });
    const calls = callsOf(times);
    return [
      ...buckets,
      { suffix: '_bucket', labels: { hook, le: '+Inf' }, value: calls },
      { suffix: '_sum', labels: { hook }, value: (times[TIME_SUM] ?? 0) / 1e9 },
      { suffix: '_count', labels: { hook }, value: calls },
    ];
  });
  const help = `Time that a call of the hook took. Sampled: of one packet in ${SAMPLED_EVERY} the call of one hook, each in its turn.`;
  return familyOf('hook_duration_seconds', 'histogram', help, samples);
}

function tableFamilies({ tables }: StatusReport): Family[] {
  const family = (name: string, help: string, value: (table: StatusReport['tables'][number]) => number): Family =>
    familyOfAll(name, 'gauge', help, tables, (table) => [{ table: table.name }, value(table)]);
  return [
    family('table_prefixes', 'Prefixes of the table that is in force.', ({ prefixes }) => prefixes),
    family('table_bytes', 'Octets of the table that is in force.', ({ octets }) => octets),
    family('table_version', 'Version of the table that is in force; 1 is that of the start.', ({ version }) => version),
    family('table_age_seconds', 'How long the version has been in force.', ({ secondsInForce }) => secondsInForce),
    family('table_refused', 'The list, as it is now, was not taken: 0 or 1.', ({ lastError }) =>
      flag(lastError !== null),
    ),
  ];
}

function eventFamilies({ events: { made, lost, suppressed, sink } }: StatsReport): Family[] {
  return [
    one('events', 'counter', 'Events of lanes.', made),
    one('lost_events', 'counter', 'Events that found no room in the lane.', lost),
    one('suppressed_events', 'counter', 'Events of packets and flows that were left out of the sample.', suppressed),
    ...(sink === null
      ? []
      : [
          one('written_events', 'counter', 'Events that were written, of all sinks in sum.', sink.written),
          one('failed_events', 'counter', 'Events that a sink did not take, of all sinks in sum.', sink.failed),
        ]),
  ];
}

function flag(is: boolean): number {
  return is ? 1 : 0;
}
