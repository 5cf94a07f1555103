/**
 * Each fault that something can be declared for, provoked: what becomes of the packet, and where it is counted.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { HookFaultPolicy } from '../../../src/config/faults.ts';
import { type DefinedHook, DROP, defineHook, FORWARD, IPFreeBuff, type Verdict } from '../../../src/index.ts';
import { flowRowOf } from '../../../src/lane/flow-row.ts';
import { ACK, ipv4, type Lab, type Outcome, openLab, SYN, tcp, udp } from '../../../src/testing/index.ts';
import { ethernetPort, layRig, hook as loaded } from '../lane/lane-rig.ts';

type OnPacket = NonNullable<DefinedHook['onPacket']>;
type Kind = 'hookThrows' | 'noVerdict' | 'misuse' | 'overTime';

const PACKET = ipv4({}, udp({ destinationPort: 53 }, 'question'));
const BOTH = ['drop', 'forward'] as const;
const ALL = { hookThrows: 'drop', noVerdict: 'drop', misuse: 'drop', overTime: 'drop' } as const;
const BUDGET = 2000;

/** Longer than the budget, by the clock that measures it. */
function dawdle(): void {
  const end = performance.now() + (2 * BUDGET) / 1000;
  while (performance.now() < end);
}

/** What a hook does wrong, by the key that declares it. */
const WRONG: readonly (readonly [Kind, 'threw' | 'noVerdict' | 'misused' | 'tooLate', OnPacket])[] = [
  [
    'hookThrows',
    'threw',
    () => {
      throw new Error('no');
    },
  ],
  ['noVerdict', 'noVerdict', () => 7 as unknown as Verdict],
  ['noVerdict', 'noVerdict', () => Promise.resolve(0) as unknown as Verdict],
  [
    'misuse',
    'misused',
    (_packet, context) => {
      context.sendInterfaceIndex = 4711;
      return FORWARD;
    },
  ],
  [
    'misuse',
    'misused',
    (packet) => {
      try {
        IPFreeBuff(packet.chain);
      } catch {
        /* hidden */
      }
      return FORWARD;
    },
  ],
  [
    'overTime',
    'tooLate',
    () => {
      dawdle();
      return FORWARD;
    },
  ],
];

async function meet(
  onPacket: OnPacket,
  faults: Partial<HookFaultPolicy>,
): Promise<{ lab: Lab; outcome: Outcome; seenBehind: number }> {
  const hook = defineHook({ name: 'wrong', priority: 9, onPacket }) as DefinedHook;
  const behind = defineHook({ name: 'behind', priority: 1, onPacket: () => FORWARD }) as DefinedHook;
  const lab = await openLab([hook, behind], { faults });
  const outcome = await lab.send(PACKET);
  return { lab, outcome, seenBehind: lab.counters('behind').seen };
}

describe('A fault of a hook with a packet', () => {
  for (const [kind, counter, onPacket] of WRONG) {
    for (const outcome of BOTH) {
      test(`${kind}: ${outcome} is what happens, whatever the other kinds say (${onPacket.toString().slice(0, 40)})`, async () => {
        const other = outcome === 'drop' ? 'forward' : 'drop';
        const others = Object.fromEntries(Object.keys(ALL).map((key) => [key, other]));
        const budgetMicroseconds = kind === 'overTime' ? BUDGET : 0;
        const met = await meet(onPacket, { ...others, [kind]: outcome, budgetMicroseconds });
        assert.equal(met.outcome.verdict, outcome === 'drop' ? 'dropped' : 'forwarded');
        assert.equal(met.outcome.reason, outcome === 'drop' ? 'droppedByFault' : null);
        assert.equal(met.seenBehind, outcome === 'drop' ? 0 : 1);
        const row = met.lab.counters('wrong');
        const { threw, noVerdict, misused, tooLate } = row;
        assert.deepEqual(
          { threw, noVerdict, misused, tooLate },
          { threw: 0, noVerdict: 0, misused: 0, tooLate: 0, [counter]: 1 },
        );
        assert.equal(row.faults, 1);
        met.lab.expectFaults(/./);
        await met.lab.close();
      });
    }
  }

  test('a drop that came too late stands, and is none', async () => {
    const late = await meet(
      () => {
        dawdle();
        return DROP;
      },
      { budgetMicroseconds: BUDGET },
    );
    assert.equal(late.outcome.reason, 'droppedByHook');
    assert.equal(late.lab.counters('wrong').faults, 0);
    await late.lab.close();
  });

  test('says the budget', async () => {
    const { lab, outcome } = await meet(
      () => {
        dawdle();
        return FORWARD;
      },
      { budgetMicroseconds: BUDGET },
    );
    assert.match(outcome.faults[0]?.text ?? '', /took longer than its budget of 2000 µs/);
    lab.expectFaults(/budget/);
    await lab.close();
  });

  test('without a budget nobody looks at the clock', async () => {
    const slow = await meet(() => {
      dawdle();
      return FORWARD;
    }, {});
    assert.equal(slow.outcome.verdict, 'forwarded');
    assert.equal(slow.lab.counters('wrong').faults, 0);
    await slow.lab.close();
  });
});

describe('A packet that is held too long', () => {
  for (const [heldTooLong, onTimeout, left] of [
    ['hook', FORWARD, 1],
    ['hook', DROP, 0],
    ['drop', FORWARD, 0],
    ['forward', DROP, 1],
  ] as const) {
    test(`gets what is declared: ${heldTooLong}, with a hook that says ${onTimeout === DROP ? 'DROP' : 'FORWARD'}`, async () => {
      const hold = { packets: 4, mib: 1, timeoutMs: 100, onTimeout };
      const hook = defineHook({ name: 'holds', hold, onPacket: (packet) => packet.hold() }) as DefinedHook;
      const lab = await openLab(hook, { faults: { heldTooLong } });
      await lab.send(PACKET);
      const { departures } = await lab.tick(200);
      assert.equal(departures.length, left);
      assert.equal(lab.counters('holds').heldTooLong, 1);
      await lab.close();
    });
  }
});

describe('Faults with one outcome', () => {
  test('the pool is empty: a packet that a hook replaced is lost', async () => {
    const shortens: OnPacket = (packet) => {
      packet.chain.ipr_size -= 1;
      return FORWARD;
    };
    const lab = await openLab(defineHook({ name: 'shortens', onPacket: shortens }) as DefinedHook, { poolLimitMiB: 0 });
    const { verdict, reason } = await lab.send(PACKET);
    assert.deepEqual([verdict, reason, lab.ledger().lostPool], ['lost', 'lostPool', 1]);
    await lab.close();
  });

  test('the flow table is full: packets have no flow, which is counted, and the hooks decide', async (t) => {
    let without = 0;
    const hook = loaded('looks', (packet) => {
      if (packet.flow === null) without += 1;
      return FORWARD;
    });
    const asking = hook.kind === 'defined' ? { ...hook, definition: { ...hook.definition, flows: true } } : hook;
    const rig = layRig(t, { hooks: () => [asking as typeof hook], flows: { most: 4, timeouts: {} } });
    const link = Buffer.from('0200000000020200000000010800', 'hex');
    for (let port = 1; port <= 12; port++) {
      const ends = { sourcePort: 2000 + port, destinationPort: 80 };
      const back = { sourcePort: 80, destinationPort: 2000 + port };
      const from = { source: '192.0.2.1', destination: '198.51.100.2' };
      const to = { source: '198.51.100.2', destination: '192.0.2.1' };
      await rig.pass(
        Buffer.concat([link, ipv4(from, tcp({ ...ends, flags: SYN, seq: 1 }))]),
        Buffer.concat([link, ipv4(to, tcp({ ...back, flags: SYN | ACK, seq: 5, ack: 2 }))]),
        Buffer.concat([link, ipv4(from, tcp({ ...ends, flags: ACK, seq: 2, ack: 6 }))]),
      );
    }
    const table = rig.chain.flows?.table;
    assert.ok(table !== undefined && flowRowOf(table).refused > 0);
    assert.ok(without > 0);
    assert.equal(rig.row().forwarded, 36);
  });

  for (const unreadable of BOTH) {
    test(`a frame is unreadable: ${unreadable}`, async () => {
      const lab = await openLab(defineHook({ name: 'none', onPacket: () => FORWARD }) as DefinedHook, { unreadable });
      const frame = Buffer.alloc(60);
      frame.writeUInt16BE(0x88e5, 12);
      const { verdict } = await lab.send(frame, { frame: true });
      assert.equal(verdict, unreadable === 'drop' ? 'dropped' : 'forwarded');
      assert.equal(lab.ledger().unreadable, 1);
      await lab.close();
    });
  }

  test('a frame cannot be sent: it is lost', async (t) => {
    const rig = layRig(t, {
      hooks: () => [loaded('none', () => FORWARD)],
      failingPorts: [1],
      ports: [ethernetPort(0), ethernetPort(1)],
    });
    await rig.pass(Buffer.concat([Buffer.from('0200000000020200000000010800', 'hex'), PACKET]));
    assert.equal(rig.row().lostSendError, 1);
  });
});
