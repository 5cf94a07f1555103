/**
 * The daemon's reports as text for people. `--json` prints the reports themselves.
 *
 * Rule: `width` is the most characters in a line of a table; without it a line is as long as it gets.
 *
 * @module
 */

import type {
  HealthReport,
  HooksReport,
  LaneReport,
  MetricReport,
  PoolReport,
  ReasonReport,
  StatsReport,
  StatusReport,
  TableReport,
} from '../control/reports.ts';
import {
  FLOW_COUNTERS,
  type FlowCounter,
  HOOK_COUNTERS,
  type HookChainCounter,
  shownOf,
  WAY_COUNTERS,
  type WayCounter,
} from '../telemetry/counters.ts';
import { printable } from '../telemetry/printable.ts';
import { type Cell, gridOf, table } from './table.ts';

/** What decides about the traffic of an attach. */
const IN_FORCE: Readonly<Record<StatusReport['attaches'][number]['inForce'], string>> = {
  hooks: 'the hooks decide',
  drop: 'onDown: drop is in force',
  forward: 'traffic goes on without the hooks',
  none: 'UNPROTECTED, frames may pass without the hooks',
};

/** The hooks decide about nothing. */
const NOT_ENFORCED = 'the hooks are asked, NOT enforced';

/** `firehook status`. */
export function showStatus(report: StatusReport, width?: number): string {
  const lines: [string, string][] = [
    ['state', report.state],
    ...trialLines(report),
    ...healthLines(report.health),
    ['version', `${report.version}, pid ${report.pid}, up ${report.uptimeSeconds} s`],
    ...report.attaches.map(({ kind, interfaces, isAttached, isEnforced, inForce }): [string, string] => [
      'attach',
      `${kind} ${interfaces.join(' and ')}${isAttached ? '' : '  (waiting for the interface)'}: ${
        inForce === 'hooks' && !isEnforced ? NOT_ENFORCED : IN_FORCE[inForce]
      }`,
    ]),
    ...report.attaches.flatMap(({ tolerated, interfaces }): [string, string][] =>
      tolerated.length === 0 ? [] : [['tolerated', `${interfaces.join(' and ')}: ${tolerated.join(', ')}`]],
    ),
    ...report.attaches.flatMap(({ proven, interfaces }): [string, string][] =>
      proven === null
        ? []
        : [
            ['proven', `${interfaces.join(' and ')}, ${proven.secondsAgo} s ago: ${proven.shown}`],
            ['', `NOT shown: ${proven.unshown}`],
          ],
    ),
    ['driver', report.driver],
    [
      'lane',
      report.lane.pid === null
        ? `down; ${report.lane.lastError ?? 'starting'}`
        : `pid ${report.lanes.map(pinned).join(', ')}, user ${report.lane.user}, restarted ${report.lane.restarts} times`,
    ],
    ...report.lanes.flatMap(({ pid, stalled }): [string, string][] =>
      stalled === null ? [] : [['stands', `pid ${pid}: ${stalled}`]],
    ),
    ...ringLines(report.lanes).map((line): [string, string] => ['ring', line]),
    ['lease', lapsesOf(report)],
    ...report.tables.flatMap(tableLines),
    ...flowLines(report.flows),
    ['hooks', report.hooks.length === 0 ? 'none' : report.hooks.join(', ')],
    ...(report.shadows.length === 0
      ? []
      : [['shadow', `${report.shadows.join(', ')}: called, NOT enforced`] satisfies [string, string]]),
    ...(report.kernelFilter === null
      ? []
      : [['filter', `tap: the kernel hands over ${report.kernelFilter}`] satisfies [string, string]]),
    [
      'policy',
      Object.entries(report.policy)
        .map(([key, value]) => `${key} ${String(value)}`)
        .join(', '),
    ],
    ...report.faults.map(({ fault, inForce, count }, index): [string, string] => [
      index === 0 ? 'faults' : '',
      `${fault}: ${inForce}${count === 0 ? '' : `, ${count.toLocaleString('en-US')} times`}`,
    ]),
    ...(report.logLinesLost === 0
      ? []
      : [['log', `${report.logLinesLost.toLocaleString('en-US')} lines lost`] satisfies [string, string]]),
    ...report.warnings.map((warning): [string, string] => ['warning', warning]),
  ];
  return table(lines, width);
}

/** What is in force for a while only, first of all: somebody has to do something; else how the last one ended. */
function trialLines({ trial, lastTrial }: StatusReport): [string, string][] {
  if (trial !== null) {
    const { file, secondsLeft, former } = trial;
    const hooks = former.hooks.length === 0 ? 'no hooks' : former.hooks.join(', ');
    return [
      ['trial', `${file} for ${secondsLeft} s more: firehook confirm keeps it`],
      ['', `else generation ${former.generation} comes back: ${hooks}`],
    ];
  }
  return lastTrial === null ? [] : [['trial', `${lastTrial.file} ${lastTrial.end} ${lastTrial.secondsAgo} s ago`]];
}

/** What is in force, and why the list as it is now is not. */
function tableLines({ name, prefixes, version, file, secondsInForce, lastError }: TableReport): [string, string][] {
  const count = `${prefixes.toLocaleString('en-US')} ${prefixes === 1 ? 'prefix' : 'prefixes'}`;
  const line: [string, string] = ['table', `${name}: ${count}, version ${version} for ${secondsInForce} s, of ${file}`];
  if (lastError === null) return [line];
  return [line, ['', `${name}: NOT taken ${lastError.secondsAgo} s ago: ${lastError.text}`]];
}

/** What the flow tables count; nothing where there are none. */
function flowLines(flows: StatusReport['flows']): [string, string][] {
  if (flows === null) return [];
  const number = (value: number): string => value.toLocaleString('en-US');
  const others = shownOf<FlowCounter>(FLOW_COUNTERS, [flows]).filter(
    ({ name, depth }) => depth === 0 && name !== 'now' && name !== 'most',
  );
  const counted = others.map(({ name, label }) => `${label ?? name} ${number(flows[name])}`).join(', ');
  return [['flows', `${number(flows.now)} of ${number(flows.most)}; ${counted}`]];
}

/** How it does, in one look: before everything that does not change. */
function healthLines({ ok, problems, received, dropped, rejected, lost, lastError }: HealthReport): [string, string][] {
  const counted = { received, dropped, rejected, lost };
  const numbers = Object.entries(counted).map(([what, count]) => `${what} ${count.toLocaleString('en-US')}`);
  return [
    ['health', ok ? 'ok' : problems.length === 0 ? 'there was an error' : problems.join('; ')],
    ['packets', numbers.join(', ')],
    ...(lastError === null
      ? []
      : [['last error', `${lastError.secondsAgo} s ago: ${lastError.text}`] satisfies [string, string]]),
  ];
}

function lapsesOf({ lease, leaseHistory: { lapses, lastError } }: StatusReport): string {
  if (lapses === 0) return lease;
  return `${lease}; lost ${lapses} times since the start${lastError === null ? '' : ` (${lastError})`}`;
}

function pinned({ pid, cpu }: LaneReport): string {
  return cpu === null ? `${pid}` : `${pid} on CPU ${cpu}`;
}

/** One line for a ring that all lanes have alike. */
function ringLines(lanes: readonly LaneReport[]): string[] {
  const pidsOf = new Map<string, number[]>();
  for (const { pid, rings } of lanes) {
    for (const { way, mib, slots, ms, lineRate } of rings) {
      const size = `${mib} MiB, ${slots.toLocaleString('en-US')} slots, ${ms} ms at ${lineRate / 1000} Gbit/s`;
      const line = `${way}: ${size}`;
      pidsOf.set(line, [...(pidsOf.get(line) ?? []), pid]);
    }
  }
  return Array.from(pidsOf, ([line, pids]) => {
    if (lanes.length === 1) return line;
    return pids.length === lanes.length ? `${line}, in each lane` : `${line}, in pid ${pids.join(', ')}`;
  });
}

/** `firehook stats`: the ledger, and whether it adds up. */
export function showStats(report: StatsReport, width?: number): string {
  const grid = gridOf(width);
  const columns = [
    ...report.ways.map(({ name, ledger }) => ({ name, row: ledger })),
    { name: 'total', row: report.total },
  ];
  const port = (
    label: string,
    value: (counters: NonNullable<StatsReport['ways'][number]['port']>) => number,
  ): Cell[] => {
    const values = report.ways.map((way) => (way.port === null ? 0 : value(way.port)));
    return [label, ...values, values.reduce((sum, one) => sum + one, 0)];
  };
  const ledger = grid([
    ['packets', ...columns.map(({ name }) => name)],
    ...shownOf<WayCounter>(
      WAY_COUNTERS,
      columns.map(({ row }) => row),
    ).map(({ name, label, depth }): Cell[] => [
      `${'  '.repeat(depth)}${label ?? name}`,
      ...columns.map(({ row }) => row[name]),
    ]),
    port('stolen by the kernel', ({ stolen }) => stolen),
    port('  never handed to a lane', ({ neverHanded }) => neverHanded),
    port('met while no lane answered', ({ whileDown }) => whileDown),
    ...(report.ways.some((way) => (way.port?.unhooked ?? 0) > 0)
      ? [port('came past the hooks', ({ unhooked }) => unhooked)]
      : []),
  ]);
  const metrics = showMetrics(report.metrics, width);
  const reasons = showReasons(report.reasons, width);
  const hooks = report.droppedByHooks.filter(({ dropped, rejected }) => dropped + rejected > 0);
  return [
    ...(report.ways.some(({ isAsItCame }) => isAsItCame)
      ? [
          'A bridge with enforce: false is NOT enforced: its frames go on as they came, and the verdicts are what they would be.',
          '',
        ]
      : []),
    ...(report.ways.some(({ isWouldBe }) => isWouldBe) && !report.ways.some(({ isAsItCame }) => isAsItCame)
      ? ['A tap touches nothing: its verdicts are what they would be.', '']
      : []),
    ledger,
    '',
    ...(hooks.length === 0
      ? []
      : [
          grid([
            ['by hook', 'dropped', 'rejected'],
            ...hooks.map(({ hook, dropped, rejected }) => [hook, dropped, rejected]),
          ]),
          '',
        ]),
    ...(report.shadows.length === 0
      ? []
      : [
          grid([
            ['in shadow, NOT enforced', 'seen', 'differs', 'would stop what went on', 'would let go what was stopped'],
            ...report.shadows.map(({ hook, seen, differs, stricter, milder }) => [
              hook,
              seen,
              differs,
              stricter,
              milder,
            ]),
          ]),
          '',
        ]),
    ...(metrics === '' ? [] : [metrics, '']),
    ...(reasons === '' ? [] : [reasons, '']),
    ...(report.lanes.length < 2
      ? []
      : [
          grid([
            ['lane', 'received', 'forwarded', 'dropped', 'rejected', 'lost'],
            ...report.lanes.map(({ pid, total }): Cell[] => [
              `pid ${pid}`,
              total.received,
              total.forwarded,
              total.dropped,
              total.rejected,
              total.lost,
            ]),
          ]),
          '',
        ]),
    ...eventLines(report.events),
    ...(report.kernelDropped > 0
      ? [`The kernel dropped ${report.kernelDropped.toLocaleString('en-US')} frames that the lane was too slow for.`]
      : []),
    ...(report.fenced > 0
      ? [
          `${report.fenced.toLocaleString('en-US')} frames were seen at the ports while the lease was not certain, and left to onDown.`,
        ]
      : []),
    report.addsUp
      ? 'The ledger adds up.'
      : `The ledger does NOT add up:\n  ${report.problems.map(printable).join('\n  ')}`,
  ].join('\n');
}

/** What hooks count themselves; '' where they count nothing. */
function showMetrics(metrics: StatsReport['metrics'], width?: number): string {
  if (metrics.length === 0) return '';
  return gridOf(width)([
    ['hook', 'counts', 'value', 'what it is'],
    ...metrics.map(({ hook, name, value, help }): Cell[] => [hook, name, value, help]),
  ]);
}

/** The same for hooks that have theirs with them. */
export function showMetricsOf(
  hooks: readonly { readonly name: string; readonly metrics: readonly MetricReport[] }[],
  width?: number,
): string {
  return showMetrics(
    hooks.flatMap(({ name, metrics }) => metrics.map((metric) => ({ hook: name, ...metric }))),
    width,
  );
}

/** Reasons that hooks gave; '' where they gave none. Those that nobody met are left out. */
function showReasons(reasons: StatsReport['reasons'], width?: number): string {
  const given = reasons.filter(({ count }) => count > 0);
  if (given.length === 0) return '';
  return gridOf(width)([
    ['hook', 'verdicts', 'reason'],
    ...given.map(({ hook, reason, count }): Cell[] => [hook, count, reason]),
  ]);
}

/** The same for hooks that have theirs with them. */
export function showReasonsOf(
  hooks: readonly { readonly name: string; readonly reasons: readonly ReasonReport[] }[],
  width?: number,
): string {
  return showReasons(
    hooks.flatMap(({ name, reasons }) => reasons.map((reason) => ({ hook: name, ...reason }))),
    width,
  );
}

/** Events, where there were some. */
function eventLines({ made, lost, suppressed, sink }: StatsReport['events']): string[] {
  if (made === 0 && (sink?.problem ?? null) === null) return [];
  const number = (value: number): string => value.toLocaleString('en-US');
  const parts = [
    ...(lost === 0 ? [] : [`${number(lost)} found no room`]),
    ...(sink === null
      ? ['nobody writes them down']
      : sink.sinks.map(({ to, written }) => `${number(written)} are in ${to}`)),
    ...(sink === null || sink.failed === 0 ? [] : [`${number(sink.failed)} could not be written`]),
    ...(sink === null || sink.invalid === 0 ? [] : [`${number(sink.invalid)} were none`]),
    ...(sink === null || sink.problem === null ? [] : [sink.problem]),
  ];
  const left = suppressed === 0 ? '' : ` ${number(suppressed)} more were left out by events.sample.`;
  return [`${number(made)} events: ${parts.join(', ')}.${left}`];
}

/** `firehook hooks`, in running order. */
export function showHooks(report: HooksReport, width?: number): string {
  const grid = gridOf(width);
  if (report.hooks.length === 0) return 'No hooks: everything is forwarded.';
  const metrics = showMetricsOf(report.hooks, width);
  const reasons = showReasonsOf(report.hooks, width);
  // In a tap and in shadow alone changes are tracked.
  const shown = shownOf<HookChainCounter>(HOOK_COUNTERS, report.hooks);
  const times = report.hooks.some(({ time }) => time !== null);
  return [
    'The first row runs first: larger priority first, ties in the order of the configuration.',
    grid([
      [
        'hook',
        'priority',
        ...shown.map(({ name, label }) => label ?? name),
        ...(times ? ['ns a call', '99 % within'] : []),
        'module',
      ],
      ...report.hooks.map((hook): Cell[] => [
        labelOf(hook),
        hook.priority,
        ...shown.map(({ name }) => hook[name] ?? 0),
        ...(times ? timeCells(hook.time) : []),
        hook.path,
      ]),
    ]),
    ...(report.hooks.some(({ isShadow }) => isShadow)
      ? ['A hook in shadow is NOT enforced: its row says what it would have done.']
      : []),
    ...(metrics === '' ? [] : ['', metrics]),
    ...(reasons === '' ? [] : ['', reasons]),
  ].join('\n');
}

/** Mean, and the bucket that 99 of 100 calls are within. */
function timeCells(time: HooksReport['hooks'][number]['time']): Cell[] {
  if (time === null) return ['', ''];
  const { mean, p99 } = time;
  return [Math.round(mean), p99 === null ? 'over 100,000,000' : p99];
}

function labelOf({ name, kind, isShadow }: HooksReport['hooks'][number]): string {
  return `${name}${kind === 'callback' ? ' (firewallHook)' : ''}${isShadow ? ' (shadow)' : ''}`;
}

/** `firehook pool`, as PoolMon shows it. */
export function showPool(report: PoolReport, width?: number): string {
  const grid = gridOf(width);
  return [
    `${report.bytesInUse.toLocaleString('en-US')} of ${report.limitBytes.toLocaleString('en-US')} octets in use; ${report.refused} misuses refused`,
    grid([
      ['Tag', 'Type', 'Allocs', 'Frees', 'Diff', 'Bytes', 'Per Alloc'],
      ...report.tags.map(({ tag, type, allocs, frees, diff, bytes, perAlloc }): Cell[] => [
        tag,
        type,
        allocs,
        frees,
        diff,
        bytes,
        perAlloc,
      ]),
    ]),
    ...(report.leaked.length === 0
      ? []
      : [
          '',
          grid([
            ['hook', 'not freed', 'octets'],
            ...report.leaked.map(({ hook, allocations, bytes }) => [hook, allocations, bytes]),
          ]),
        ]),
  ].join('\n');
}
