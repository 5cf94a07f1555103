/**
 * The faults that firehook knows, in one table: what can be declared for each, what is in force, and where it is counted.
 *
 * ```
 *   faults.all ── wins over ──> the key of the row ── or ──> faults.default ─> in force ─> lane, kernel, firehook status
 * ```
 * Floor 1. Rule: a fault is named here and nowhere else; the schema, the report, `docs/faults.md` and its test follow. A row without a key has one
 * outcome only, and says why.
 *
 * @module
 */

/** What can become of traffic with which something is at fault. */
export type Outcome = 'drop' | 'forward';

/** Where the number of a row is from. */
export type FaultCounter =
  | `hooks.${'threw' | 'noVerdict' | 'misused' | 'tooLate' | 'bypassed' | 'heldTooLong'}`
  | `ways.${'lostPool' | 'lostSendError' | 'unreadable'}`
  | 'flows.refused'
  | 'daemon.kernelDropped'
  | 'daemon.lanesDead'
  | 'daemon.lanesHung'
  | 'daemon.reloadsFailed'
  | 'daemon.unprotected';

/** One fault. */
export interface FaultRow {
  /** For people. */
  readonly fault: string;
  /** What declares it; null where there is nothing to declare. */
  readonly key: string | null;
  /** What can be declared, or the one outcome that there is. */
  readonly outcomes: readonly string[];
  /** Where there is one outcome: why. */
  readonly why: string | null;
  readonly counter: FaultCounter;
}

const EITHER = ['drop', 'forward'] as const;

/** Every fault, in the order of the table. */
export const FAULT_ROWS: readonly FaultRow[] = [
  { fault: 'a hook throws', key: 'faults.hookThrows', outcomes: EITHER, why: null, counter: 'hooks.threw' },
  {
    fault: 'a hook returns no verdict',
    key: 'faults.noVerdict',
    outcomes: EITHER,
    why: null,
    counter: 'hooks.noVerdict',
  },
  {
    fault: 'a hook misuses what it was handed',
    key: 'faults.misuse',
    outcomes: EITHER,
    why: null,
    counter: 'hooks.misused',
  },
  {
    fault: 'a hook takes longer than its budget',
    key: 'faults.overTime',
    outcomes: EITHER,
    why: null,
    counter: 'hooks.tooLate',
  },
  {
    fault: 'the breaker of a hook is open',
    key: 'faults.breakerOpen',
    outcomes: EITHER,
    why: null,
    counter: 'hooks.bypassed',
  },
  {
    fault: 'a packet is held too long',
    key: 'faults.heldTooLong',
    outcomes: ['hook', ...EITHER],
    why: null,
    counter: 'hooks.heldTooLong',
  },
  {
    fault: 'a hook takes more memory than the lane has',
    key: null,
    outcomes: ['the lane ends'],
    why: 'memory of JavaScript is not counted by hook; while the lane is replaced, policy.onDown decides',
    counter: 'daemon.lanesDead',
  },
  {
    fault: 'the pool is empty',
    key: null,
    outcomes: ['lost'],
    why: 'a hook has changed the packet, and there is no memory for what is to be sent; the packet as it came is not what the hook let pass',
    counter: 'ways.lostPool',
  },
  {
    fault: 'the ring is full',
    key: null,
    outcomes: ['lost'],
    why: 'the kernel has no room for the frame, and nobody else has it',
    counter: 'daemon.kernelDropped',
  },
  {
    fault: 'the flow table is full',
    key: null,
    outcomes: ['no flow'],
    why: 'idle flows make room first; then the packet meets the hooks without a flow, and they decide',
    counter: 'flows.refused',
  },
  {
    fault: 'a frame cannot be sent',
    key: null,
    outcomes: ['lost'],
    why: 'the kernel did not take it',
    counter: 'ways.lostSendError',
  },
  { fault: 'a frame is unreadable', key: 'policy.unreadable', outcomes: EITHER, why: null, counter: 'ways.unreadable' },
  { fault: 'a lane is dead', key: 'policy.onDown', outcomes: EITHER, why: null, counter: 'daemon.lanesDead' },
  { fault: 'a lane hangs', key: 'policy.onDown', outcomes: EITHER, why: null, counter: 'daemon.lanesHung' },
  {
    fault: 'a reload fails',
    key: null,
    outcomes: ['nothing changes'],
    why: 'what runs goes on as it is',
    counter: 'daemon.reloadsFailed',
  },
  {
    fault: 'a port is unprotected',
    key: null,
    outcomes: ['forward'],
    why: 'the kernel refused the tables that would stop its traffic; firehook status ends with 1',
    counter: 'daemon.unprotected',
  },
];

/** When a hook is taken out. */
export interface BreakerRule {
  /** Faults within the window; 0: never. */
  readonly faults: number;
  readonly windowSeconds: number;
  /** After so long it is tried again; 0: by command only. */
  readonly retrySeconds: number;
  /** Packets without a fault after which it is back for good. */
  readonly trialPackets: number;
}

/** What is declared about hooks: what a lane needs. */
export interface HookFaultPolicy {
  readonly hookThrows: Outcome;
  readonly noVerdict: Outcome;
  readonly misuse: Outcome;
  readonly overTime: Outcome;
  /** drop: traffic that would meet the hook is dropped; forward: the hook is left out. */
  readonly breakerOpen: Outcome;
  readonly heldTooLong: 'hook' | Outcome;
  /** Longest call of a hook with a packet; 0: it is not looked at. */
  readonly budgetMicroseconds: number;
  readonly breaker: BreakerRule;
}

/** The same as it may stand in the file. */
export interface DeclaredFaults
  extends Partial<{ -readonly [Key in keyof HookFaultPolicy]: HookFaultPolicy[Key] | undefined }> {
  readonly all?: Outcome | undefined;
  readonly default: Outcome;
  readonly budgetMicroseconds: number;
  readonly breaker: BreakerRule;
}

/** What is in force, with the switches that made it so. */
export interface FaultsInForce extends HookFaultPolicy {
  readonly all?: Outcome | undefined;
  readonly default: Outcome;
}

/** What of a policy stands in the file, and what is in force. */
export interface PolicyOfFaults {
  readonly onDown: Outcome;
  readonly unreadable: Outcome;
}

/** What is in force of what is declared. */
export function faultsInForce(declared: DeclaredFaults): FaultsInForce {
  const { all, default: otherwise, budgetMicroseconds, breaker } = declared;
  const of = (own: Outcome | undefined): Outcome => all ?? own ?? otherwise;
  return {
    ...(all === undefined ? {} : { all }),
    default: otherwise,
    hookThrows: of(declared.hookThrows),
    noVerdict: of(declared.noVerdict),
    misuse: of(declared.misuse),
    overTime: of(declared.overTime),
    breakerOpen: of(declared.breakerOpen),
    heldTooLong: all ?? declared.heldTooLong ?? 'hook',
    budgetMicroseconds,
    breaker,
  };
}

/**
 * The keys of `policy` that are rows of the table: faults.all wins over them, and faults.default stands where they are not written.
 *
 * @param written - what the file has under `policy`
 */
export function policyInForce<Policy extends PolicyOfFaults>(
  policy: Policy,
  written: unknown,
  faults: FaultsInForce,
): Policy {
  const named = (typeof written === 'object' && written !== null ? written : {}) as Partial<PolicyOfFaults>;
  const { all, default: otherwise } = faults;
  return {
    ...policy,
    onDown: all ?? (named.onDown === undefined ? otherwise : policy.onDown),
    unreadable: all ?? (named.unreadable === undefined ? otherwise : policy.unreadable),
  };
}

/** What a lane needs of it. */
export function hookFaults({ all: _, default: __, ...policy }: FaultsInForce): HookFaultPolicy {
  return policy;
}

/** The value in force of a row. */
export function inForceOf({ key, outcomes }: FaultRow, faults: FaultsInForce, policy: PolicyOfFaults): string {
  if (key === null) return outcomes[0] ?? '';
  const [group, name = ''] = key.split('.');
  const values = (group === 'faults' ? faults : policy) as unknown as Readonly<Record<string, string>>;
  return values[name] ?? '';
}
