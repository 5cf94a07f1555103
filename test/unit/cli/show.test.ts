/**
 * The daemon's reports as text: what a person has to see is there, and what did not happen is not.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { showHooks, showPool, showStats, showStatus } from '../../../src/cli/show.ts';
import type { StatsReport, StatusReport } from '../../../src/control/reports.ts';
import { emptyRow, type LedgerRow } from '../../../src/lane/ledger.ts';
import { emptyRowOf, HOOK_COUNTERS } from '../../../src/telemetry/counters.ts';

const SOUND = { inForce: 'hooks', damages: [], earlierTakers: [], tolerated: [], proven: null } as const;

const HEALTHY: StatusReport['health'] = {
  ok: true,
  problems: [],
  received: 1234,
  dropped: 30,
  rejected: 4,
  lost: 0,
  hookFaults: 0,
  faultsByHook: [],
  laneRestarts: 0,
  lastError: null,
};

const STATUS: StatusReport = {
  state: 'running',
  generation: 1,
  lastReload: null,
  trial: null,
  lastTrial: null,
  health: HEALTHY,
  version: '0.1.0',
  pid: 77,
  uptimeSeconds: 12,
  driver: 'pcap',
  lease: 'held',
  attaches: [
    { kind: 'bridge', interfaces: ['lan0', 'wan0'], ifindexes: [2, 3], isAttached: true, isEnforced: true, ...SOUND },
    {
      kind: 'host',
      interfaces: ['eth7'],
      ifindexes: [],
      isAttached: false,
      isEnforced: true,
      ...SOUND,
      inForce: 'drop',
    },
  ],
  leaseHistory: { lapses: 0, renewals: 60, refusals: 0, longestGapMs: 201, lastError: null },
  logLinesLost: 0,
  lane: { pid: 78, pids: [78], user: 'firehook', uid: 995, restarts: 2, lastError: null },
  lanes: [{ pid: 78, cpu: null, cgroup: null, rings: [], stalled: null }],
  hooks: ['drop-port', 'clamp-mss'],
  shadows: [],
  tables: [],
  flows: null,
  kernelFilter: null,
  policy: { onDown: 'drop' },
  faults: [
    { fault: 'a hook throws', key: 'faults.hookThrows', inForce: 'drop', counter: 'hooks.threw', count: 0 },
    { fault: 'a lane hangs', key: 'policy.onDown', inForce: 'forward', counter: 'daemon.lanesHung', count: 1234 },
  ],
  warnings: ['something may surprise.'],
};

function row(counters: Partial<LedgerRow>): LedgerRow {
  return { ...emptyRow(), ...counters };
}

function stats(changes: Partial<StatsReport> = {}): StatsReport {
  const ledger = row({ received: 1234, forwarded: 1200, dropped: 30, droppedByHook: 30, rejected: 4, sent: 1204 });
  return {
    ways: [
      {
        name: 'lan0 > wan0',
        isWouldBe: false,
        isAsItCame: false,
        ledger,
        port: { stolen: 1240, offered: 1240, whileDown: 5, unhooked: 0, neverHanded: 6 },
      },
    ],
    total: ledger,
    kernelDropped: 0,
    fenced: 0,
    lanes: [{ pid: 78, packets: 1234, total: ledger }],
    droppedByHooks: [
      { hook: 'drop-port', dropped: 30, rejected: 4 },
      { hook: 'clamp-mss', dropped: 0, rejected: 0 },
    ],
    shadows: [],
    metrics: [],
    reasons: [],
    events: { made: 0, lost: 0, suppressed: 0, sink: null },
    addsUp: true,
    problems: [],
    ...changes,
  };
}

/** The cells of the line that starts with a label. */
function cells(text: string, label: string): string[] | undefined {
  const line = text.split('\n').find((one) => one.trimStart().startsWith(`${label}  `));
  return line?.trim().slice(label.length).trim().split(/\s+/);
}

describe('firehook status', () => {
  test('shows state, lane, hooks in order and every warning', () => {
    const text = showStatus(STATUS);
    assert.match(text, /^state +running$/m);
    assert.match(text, /^lane +pid 78, user firehook, restarted 2 times$/m);
    assert.match(text, /^hooks +drop-port, clamp-mss$/m);
    assert.match(text, /^warning +something may surprise\.$/m);
  });

  test('shows each table with the version in force, and why the list as it is now is not', () => {
    const table = {
      name: 'blocked',
      file: '/lists/blocked',
      version: 3,
      prefixes: 500_000,
      octets: 4e6,
      secondsInForce: 60,
    };
    const text = showStatus({
      ...STATUS,
      tables: [
        { ...table, lastError: { text: 'blocked:5: \u001b[2J is wrong', secondsAgo: 7 } },
        { ...table, name: 'other', prefixes: 1, lastError: null },
      ],
    });
    assert.match(text, /^table +blocked: 500,000 prefixes, version 3 for 60 s, of \/lists\/blocked$/m);
    assert.match(text, /^ +blocked: NOT taken 7 s ago: blocked:5: \\x1b\[2J is wrong$/m);
    assert.match(text, /^table +other: 1 prefix, version 3 for 60 s, of \/lists\/blocked$/m);
    assert.doesNotMatch(showStatus(STATUS), /^table/m);
  });

  test('shows how it does in one look: faults, drops, losses, restarts, the last error', () => {
    assert.match(showStatus(STATUS), /^health +ok\npackets +received 1,234, dropped 30, rejected 4, lost 0\n/m);
    assert.doesNotMatch(showStatus(STATUS), /^last error/m);
    const text = showStatus({
      ...STATUS,
      health: {
        ...HEALTHY,
        ok: false,
        problems: ['hooks were at fault: bad 1,200', 'lanes were replaced: 2'],
        lastError: { text: 'Hook bad: threw: Error: \u001b[2Jno.', secondsAgo: 7 },
      },
    });
    assert.match(text, /^health +hooks were at fault: bad 1,200; lanes were replaced: 2$/m);
    assert.match(text, /^last error +7 s ago: Hook bad: threw: Error: \\x1b\[2Jno\.$/m);
  });

  test('says of an attach whose interface is gone that it waits', () => {
    const text = showStatus(STATUS);
    assert.match(text, /^attach +host eth7 +\(waiting for the interface\): onDown: drop is in force$/m);
    assert.match(text, /^attach +bridge lan0 and wan0: the hooks decide$/m);
  });

  test('says what is in force, what is tolerated, what the lease and the log have lost', () => {
    const [bridge] = STATUS.attaches;
    assert.ok(bridge !== undefined);
    const text = showStatus({
      ...STATUS,
      state: 'unprotected',
      attaches: [{ ...bridge, inForce: 'none', tolerated: ['tc', 'macvlan'] }],
      leaseHistory: { ...STATUS.leaseHistory, lapses: 3, lastError: 'ENOENT' },
      logLinesLost: 1234,
    });
    assert.match(text, /^state +unprotected$/m);
    assert.match(text, /^attach +bridge lan0 and wan0: UNPROTECTED/m);
    assert.match(text, /^tolerated +lan0 and wan0: tc, macvlan$/m);
    assert.match(text, /^lease +held; lost 3 times since the start \(ENOENT\)$/m);
    assert.match(text, /^log +1,234 lines lost$/m);
  });

  test('shows nothing of a lane or a hook that a terminal would obey', () => {
    const evil = '\x1b]0;x\x07\x9b2J\u202e\nstate  fine';
    const text = showStatus({ ...STATUS, warnings: [evil], lane: { ...STATUS.lane, pid: null, lastError: evil } });
    assert.doesNotMatch(text.replaceAll('\n', ''), /[\p{Cc}\u202e]/u);
    assert.equal(text.match(/^state/gm)?.length, 1);
    assert.match(text, /\\x1b\]0;x\\x07\\x9b2J\\u202e\\x0astate/);
  });

  test('shows the ring of each way once where the lanes have it alike, and by lane where they do not', () => {
    const ring = { way: 'lan0 > wan0', mib: 32, slots: 16_384, lineRate: 10_000, ms: 20.2 };
    const small = { ...ring, mib: 0.25, slots: 128, lineRate: 2500, ms: 0.6 };
    const lanes = [
      { pid: 78, cpu: 0, cgroup: null, stalled: null, rings: [ring, { ...ring, way: 'wan0 > lan0' }] },
      { pid: 79, cpu: 3, cgroup: null, stalled: null, rings: [small, { ...ring, way: 'wan0 > lan0' }] },
    ];
    const text = showStatus({ ...STATUS, lanes });
    assert.match(text, /^lane +pid 78 on CPU 0, 79 on CPU 3, user firehook, restarted 2 times$/m);
    assert.deepEqual(
      Array.from(text.matchAll(/^ring +(.*)$/gm), ([, line]) => line),
      [
        'lan0 > wan0: 32 MiB, 16,384 slots, 20.2 ms at 10 Gbit/s, in pid 78',
        'wan0 > lan0: 32 MiB, 16,384 slots, 20.2 ms at 10 Gbit/s, in each lane',
        'lan0 > wan0: 0.25 MiB, 128 slots, 0.6 ms at 2.5 Gbit/s, in pid 79',
      ],
    );
    const [one] = lanes;
    assert.ok(one !== undefined);
    assert.match(showStatus({ ...STATUS, lanes: [one] }), /^ring +lan0 > wan0: .* at 10 Gbit\/s$/m);
  });

  test('says what was shown of an attach, and what was not', () => {
    const [bridge] = STATUS.attaches;
    assert.ok(bridge !== undefined);
    const proven = { secondsAgo: 3, shown: 'a frame came through', unshown: 'what is on the wire' };
    const text = showStatus({ ...STATUS, attaches: [{ ...bridge, proven }] });
    assert.match(text, /^proven +lan0 and wan0, 3 s ago: a frame came through\n +NOT shown: what is on the wire$/m);
  });

  test('says which lane stands, and in which hook', () => {
    const stalled = 'no progress for 0.6 s while hook drop-port was in onPacket';
    const [lane] = STATUS.lanes;
    assert.ok(lane !== undefined);
    assert.doesNotMatch(showStatus(STATUS), /^stands/m);
    const text = showStatus({ ...STATUS, lanes: [{ ...lane, stalled }] });
    assert.match(text, /^stands +pid 78: no progress for 0\.6 s while hook drop-port was in onPacket$/m);
  });

  test('says what a kernel filter lets through, and nothing where there is none', () => {
    assert.doesNotMatch(showStatus(STATUS), /filter/);
    const text = showStatus({ ...STATUS, kernelFilter: 'IPv4 protocol 6, 17 port 53' });
    assert.match(text, /^filter +tap: the kernel hands over IPv4 protocol 6, 17 port 53$/m);
  });

  test('says why there is no lane', () => {
    const lane = {
      pid: null,
      pids: [],
      user: 'firehook',
      uid: 995,
      restarts: 3,
      lastError: 'it was killed by SIGKILL',
    };
    assert.match(showStatus({ ...STATUS, lane }), /^lane +down; it was killed by SIGKILL$/m);
  });
});

describe('firehook stats', () => {
  test('has a column for each way and one for the total', () => {
    const text = showStats(stats());
    assert.match(text, /^packets +lan0 > wan0 +total$/m);
    assert.deepEqual(cells(text, 'received'), ['1,234', '1,234']);
    assert.deepEqual(cells(text, 'by a hook'), ['30', '30']);
    assert.deepEqual(cells(text, 'stolen by the kernel'), ['1,240', '1,240']);
    assert.deepEqual(cells(text, 'never handed to a lane'), ['6', '6']);
    assert.deepEqual(cells(text, 'met while no lane answered'), ['5', '5']);
  });

  test('leaves out reasons that never happened, and hooks that dropped nothing', () => {
    const text = showStats(stats());
    assert.doesNotMatch(text, /malformed|pool exhausted|ICMP errors|clamp-mss/);
    assert.deepEqual(cells(text, 'drop-port'), ['30', '4']);
  });

  test('shows a reason as soon as it happened once', () => {
    const text = showStats(stats({ total: row({ lost: 1, lostTooLong: 1 }) }));
    assert.deepEqual(cells(text, 'too long'), ['0', '1']);
  });

  test('ends with whether it adds up, and with every problem when it does not', () => {
    assert.match(showStats(stats()), /The ledger adds up\.$/);
    const text = showStats(stats({ addsUp: false, problems: ['received: 3 against 2', 'sent: 1 against 0'] }));
    assert.match(text, /The ledger does NOT add up:\n {2}received: 3 against 2\n {2}sent: 1 against 0$/);
  });

  test('says when the kernel had to drop', () => {
    assert.match(showStats(stats({ kernelDropped: 4321 })), /The kernel dropped 4,321 frames/);
  });

  test('says how many frames met the fence', () => {
    assert.doesNotMatch(showStats(stats()), /while the lease was not certain/);
    assert.match(showStats(stats({ fenced: 4321 })), /4,321 frames were seen .* while the lease was not certain/);
  });

  test('says of a tap that its verdicts are what they would be', () => {
    const [way] = stats().ways;
    assert.ok(way !== undefined);
    assert.match(showStats(stats({ ways: [{ ...way, isWouldBe: true, port: null }] })), /^A tap touches nothing/);
  });
});

describe('firehook hooks', () => {
  test('says which end runs first, and marks the seven-argument callback', () => {
    const counters = {
      ...emptyRowOf(HOOK_COUNTERS),
      seen: 9,
      forwarded: 8,
      dropped: 1,
      changed: null,
      metrics: [],
      reasons: [],
    };
    const time = { calls: 4, mean: 1234.5, p50: 1000, p99: 5000 };
    const text = showHooks({
      hooks: [
        {
          name: 'drop-port',
          priority: 100,
          kind: 'hook',
          path: '/hooks/drop-port.ts',
          isShadow: false,
          ...counters,
          time,
        },
        { name: 'old', priority: 5, kind: 'callback', path: '/hooks/old.ts', isShadow: false, ...counters, time: null },
      ],
    });
    assert.match(text, /ns a call +99 % within +module$/m);
    assert.deepEqual(cells(text, 'drop-port')?.slice(-3), ['1,235', '5,000', '/hooks/drop-port.ts']);
    assert.match(text, /^The first row runs first: larger priority first/);
    assert.ok(text.indexOf('drop-port') < text.indexOf('old (firewallHook)'));
    assert.match(text, /\/hooks\/old\.ts$/);
  });

  test('every output says of a hook in shadow that it is not enforced', () => {
    const counters = {
      ...emptyRowOf(HOOK_COUNTERS),
      seen: 9,
      dropped: 1,
      differs: 1,
      stricter: 1,
      changed: 0,
      metrics: [],
      reasons: [],
      time: null,
    };
    const hook = { name: 'tried', priority: 5, kind: 'hook', path: '/tried.ts', isShadow: true, ...counters };
    const text = showHooks({ hooks: [hook] });
    assert.match(text, /tried \(shadow\)/);
    assert.match(text, /A hook in shadow is NOT enforced: its row says what it would have done\./);
    assert.match(showStatus({ ...STATUS, shadows: ['tried'] }), /shadow +tried: called, NOT enforced/);
    const shadows = [{ hook: 'tried', seen: 9, differs: 1, stricter: 1, milder: 0 }];
    assert.match(showStats(stats({ shadows })), /in shadow, NOT enforced +seen +differs/);
  });

  test('says what happens without any', () => {
    assert.equal(showHooks({ hooks: [] }), 'No hooks: everything is forwarded.');
  });
});

describe('reasons of hooks', () => {
  const reasons = [
    { reason: 'telnet', count: 1234 },
    { reason: 'nobody met it', count: 0 },
  ];

  test('stand below firehook hooks and firehook stats, those that were given', () => {
    const counters = { ...emptyRowOf(HOOK_COUNTERS), changed: null, metrics: [], reasons, time: null };
    const hooks = showHooks({
      hooks: [{ name: 'old', priority: 1, kind: 'defined', path: '/old.ts', isShadow: false, ...counters }],
    });
    const text = showStats(stats({ reasons: reasons.map((reason) => ({ hook: 'old', ...reason })) }));
    for (const one of [hooks, text]) {
      assert.match(one, /^hook +verdicts +reason$/m);
      assert.match(one, /^old +1,234 +telnet$/m);
      assert.doesNotMatch(one, /nobody met it/);
    }
    assert.doesNotMatch(showStats(stats({})), /verdicts/);
  });
});

describe('firehook pool', () => {
  test('has the columns of PoolMon, and what hooks have not freed', () => {
    const text = showPool({
      bytesInUse: 4096,
      limitBytes: 67_108_864,
      refused: 1,
      tags: [{ tag: 'fPCT', type: 'Nonp', allocs: 1000, frees: 999, diff: 1, bytes: 48, perAlloc: 48 }],
      leaked: [{ hook: 'leaky', allocations: 1, bytes: 48 }],
    });
    assert.match(text, /^4,096 of 67,108,864 octets in use; 1 misuses refused$/m);
    assert.match(text, /^Tag +Type +Allocs +Frees +Diff +Bytes +Per Alloc$/m);
    assert.deepEqual(cells(text, 'fPCT'), ['Nonp', '1,000', '999', '1', '48', '48']);
    assert.deepEqual(cells(text, 'leaky'), ['1', '48']);
  });
});
