/**
 * What a replay reports: as an object for `--json`, and as text for people.
 *
 * Rule: every number is read when the replay is over, after the hooks were torn down, and the ledger must add up.
 *
 * @module
 */

import type { MetricReport, PoolReport, ReasonReport } from '../control/reports.ts';
import type { SavefileDriver } from '../drivers/savefile.ts';
import { isStandardOutput } from '../drivers/savefile-output.ts';
import type { FirehookError } from '../errors.ts';
import { systemPool } from '../firewall/ddk.ts';
import { HOOK_WIDTH, type HookChain } from '../hook/hook-chain.ts';
import type { VerifierSettings } from '../hook/verifier.ts';
import { type FlowRow, flowRowOf } from '../lane/flow-row.ts';
import type { Lane } from '../lane/lane.ts';
import { addRow, checkRow, emptyRow, LEDGER_WIDTH, type LedgerRow, rowAt } from '../lane/ledger.ts';
import type { LoadedChain } from '../lane/load-chain.ts';
import { HOOK_COUNTERS, type HookChainCounter, type Row, rowFrom, shownOf } from '../telemetry/counters.ts';
import type { ReplayEvents, ReplayEventsReport } from './replay-events.ts';
import type { ReplayGuard } from './replay-guard.ts';
import type { ReplayWays } from './replay-ways.ts';
import { showMetricsOf, showPool, showReasonsOf } from './show.ts';
import { type Cell, gridOf } from './table.ts';
import type { UnreadLinktypes } from './unread-linktypes.ts';

/** What `--json` prints. */
export interface ReplayReport {
  readonly input: string;
  readonly output: string | null;
  /** Packets that are in the output, whole; null without one. */
  readonly written: number | null;
  readonly packets: number;
  readonly total: LedgerRow;
  readonly addsUp: boolean;
  readonly problems: readonly string[];
  readonly hooks: readonly (Readonly<Row<HookChainCounter>> & {
    readonly name: string;
    readonly priority: number;
    /** It is called and not obeyed: its counters say what it would have done. */
    readonly isShadow: boolean;
    /** Of its timers and promises, beside those of `onPacket`. */
    readonly faultsOutside: number;
    readonly notFreed: number;
    /** Counters and gauges that it has declared. */
    readonly metrics: readonly MetricReport[];
    /** Reasons that it has declared, and how many verdicts it gave for each. */
    readonly reasons: readonly ReasonReport[];
  })[];
  readonly events: ReplayEventsReport;
  /** What the flow table counted; null where no hook asks for flows. */
  readonly flows: FlowRow | null;
  /** As `firehook pool` has it; of the hooks only those that have not freed something. */
  readonly pool: PoolReport;
  /** What the verifier made happen, in a sentence, and by which settings; null where it was off. */
  readonly verifier: (VerifierSettings & { readonly report: string }) | null;
  /** What hooks did not see, or the output does not say, one sentence each; the same lines are on standard error. */
  readonly warnings: readonly string[];
  /** Why the replay did not come to its end, or what was wrong with a hook outside `onPacket`; null when all went well. */
  readonly error: string | null;
}

/** What an operator would not think of by the numbers alone. */
function warningsOf(driver: SavefileDriver, total: LedgerRow, unread: UnreadLinktypes, ways: ReplayWays): string[] {
  const warnings = unread.warnings;
  const kinds: [string, number][] = [
    ['not IP', total.nonIp],
    ['unreadable', total.unreadable],
    ['malformed', total.droppedMalformed],
    ['cut by the capture', total.passedTruncated],
  ];
  const unseen = kinds.reduce((sum, [, count]) => sum + count, 0);
  if (total.received > unread.packets && unseen === total.received) {
    const parts = kinds.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
    warnings.push(`hooks could see no packet of this capture: ${parts.join(', ')}`);
  }
  if (ways.isBySource && ways.fromLocal === 0 && total.received > 0) {
    warnings.push('no packet of this capture has a source in --local: all of them came in');
  }
  if (driver.beyondSnaplen > 0) {
    warnings.push(
      `${driver.beyondSnaplen} written packets are longer than the snaplen at the head of the capture, which cannot be corrected in a stream: readers may cut them`,
    );
  }
  if (driver.isReaderGone) {
    warnings.push(`the replay ended early: nobody reads the written capture any more, after ${driver.written} packets`);
  }
  return warnings;
}

/** Puts the report together. */
export function makeReport(
  input: string,
  output: string | null,
  driver: SavefileDriver,
  lane: Lane,
  { chain, hooks, verifier, metrics, reasons, flows }: LoadedChain,
  guard: ReplayGuard,
  unread: UnreadLinktypes,
  ways: ReplayWays,
  events: ReplayEvents,
  error: FirehookError | null,
): ReplayReport {
  const declared = metrics.read(chain.owners);
  const given = reasons.read(chain.owners);
  const total = emptyRow();
  for (let base = 0; base < lane.ledger.length; base += LEDGER_WIDTH) addRow(total, rowAt(lane.ledger, base));
  const problems = checkRow(total, true);
  if (total.received !== lane.packets)
    problems.push(`received: ${total.received} against ${lane.packets} packets read`);
  return {
    input,
    output,
    written: output === null ? null : driver.written,
    packets: lane.packets,
    total,
    addsUp: problems.length === 0,
    problems,
    hooks: hooks.map(({ name, path: file, priority, isShadow }, index) => ({
      name,
      priority,
      isShadow,
      ...rowFrom(HOOK_COUNTERS, chain.counters, index * HOOK_WIDTH),
      faultsOutside: guard.faultsOf(file),
      notFreed: systemPool.ownerUsage(chain.owners[index] ?? index).outstanding,
      metrics: declared
        .filter(({ hook }) => hook === index)
        .map(({ name: counter, kind, value, help }) => ({ name: counter, kind, value, help })),
      reasons: given.filter(({ hook }) => hook === index).map(({ text, count }) => ({ reason: text, count })),
    })),
    events: events.report,
    flows: flows === null ? null : flowRowOf(flows),
    pool: poolReport(chain),
    verifier: verifier === null ? null : { ...verifier.settings, report: verifier.report },
    warnings: [
      ...warningsOf(driver, total, unread, ways),
      ...(events.problem === '' ? [] : [`${events.report.failed} events were not written: ${events.problem}`]),
    ],
    error: error?.message ?? (guard.interruptedBy === null ? null : `interrupted by ${guard.interruptedBy}`),
  };
}

function poolReport({ hooks, owners }: HookChain): PoolReport {
  const { bytesInUse, limitBytes, faultsTotal } = systemPool.totals();
  const held = hooks.map(({ name }, index) => ({ hook: name, ...systemPool.ownerUsage(owners[index] ?? index) }));
  return {
    bytesInUse,
    limitBytes,
    refused: faultsTotal,
    tags: systemPool.usage(),
    leaked: held
      .filter(({ outstanding }) => outstanding > 0)
      .map(({ hook, outstanding, bytes }) => ({ hook, allocations: outstanding, bytes })),
  };
}

/** The verifier's sentence, and how often hooks were at fault meanwhile. */
function verifierLines({ verifier, hooks }: ReplayReport): string[] {
  if (verifier === null) return [];
  const faults = hooks.reduce((sum, hook) => sum + hook.faults + hook.faultsOutside, 0);
  return [verifier.report, faults === 1 ? 'Hooks were at fault once.' : `Hooks were at fault ${faults} times.`];
}

/** The report as text. */
export function showReport(report: ReplayReport, width?: number): string {
  const grid = gridOf(width);
  const { total } = report;
  const metrics = showMetricsOf(report.hooks, width);
  const given = showReasonsOf(report.hooks, width);
  const shown = shownOf<HookChainCounter>(HOOK_COUNTERS, report.hooks);
  const reasons: [string, number][] = [
    ['malformed', total.droppedMalformed],
    ['not IP, forwarded or dropped by policy', total.nonIp],
    ['unreadable, forwarded or dropped by policy', total.unreadable],
    ['cut by the capture, forwarded unseen', total.passedTruncated],
    ['lost', total.lost],
    ['ICMP errors', total.icmpErrors],
    ['ICMP errors held back', total.icmpSuppressed],
    ['sent by hooks', total.injected],
    ['refused: sent by hooks', total.injectRefused],
  ];
  return [
    `${report.packets.toLocaleString('en-US')} packets: ${total.forwarded} forwarded, ${total.dropped} dropped, ${total.rejected} rejected, ${total.lost} lost`,
    ...reasons.filter(([, count]) => count > 0).map(([what, count]) => `  ${what}: ${count}`),
    ...(report.hooks.length === 0
      ? []
      : [
          grid([
            ['hook', 'priority', ...shown.map(({ name, label }) => label ?? name)],
            ...report.hooks.map((hook): Cell[] => [
              hook.isShadow ? `${hook.name} (shadow)` : hook.name,
              hook.priority,
              ...shown.map(({ name }) => (name === 'faults' ? hook.faults + hook.faultsOutside : hook[name])),
            ]),
          ]),
        ]),
    ...(report.hooks.some(({ isShadow }) => isShadow)
      ? ['A hook in shadow is NOT enforced: its row says what it would have done.']
      : []),
    ...(metrics === '' ? [] : ['', metrics, '']),
    ...(given === '' ? [] : ['', given, '']),
    ...eventLines(report.events),
    ...verifierLines(report),
    ...(report.output === null ? [] : [`Written: ${report.written} packets to ${nameOf(report.output)}`]),
    report.addsUp ? 'The ledger adds up.' : `The ledger does NOT add up: ${report.problems.join('; ')}`,
    ...(report.pool.tags.some(({ allocs }) => allocs > 0) ? ['', showPool(report.pool, width)] : []),
  ].join('\n');
}

/** Events by their types, where there were some. */
function eventLines({ made, byType, file, written }: ReplayEventsReport): string[] {
  if (made === 0) return [];
  const types = Object.entries(byType).filter(([, count]) => count > 0);
  const parts = types.map(([type, count]) => `${count.toLocaleString('en-US')} ${type}`).join(', ');
  return [`Events of hooks: ${parts}${file === null ? '' : `; ${written.toLocaleString('en-US')} lines in ${file}`}`];
}

function nameOf(output: string): string {
  return isStandardOutput(output) ? 'standard output' : output;
}
