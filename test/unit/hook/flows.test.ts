/**
 * Flows as hooks see them: state, columns, what is settled, when a flow begins and ends, through a real lane.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { ACCEPT, type PlainHook } from '../../../src/hook/contract.ts';
import type { FlowState } from '../../../src/hook/packet/packet-contract.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { ethernet, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { bridgeWay, layRig, type Rig, type RigOptions } from '../lane/lane-rig.ts';

const SYN = 2;
const ACK = 16;
const CLIENT = '192.0.2.1';
const SERVER = '198.51.100.2';
const WAYS = [
  bridgeWay(),
  bridgeWay({ name: 'b > a', from: 'b', to: 'a', side: 'in', inPort: 1, outPort: 0, otherPort: 1, rejectPort: 1 }),
];

/** One hook, both directions of a bridge, and a clock. */
function rigOf(t: TestContext, hooks: PlainHook<unknown>[], more: RigOptions = {}): Rig {
  return layRig(t, { ways: WAYS, hooks: () => hooks.map((one) => loadedHook(one)), ...more });
}

const out = (datagram: Buffer) => ({ port: 0, bytes: ethernet({}, datagram) });
const back = (datagram: Buffer) => ({ port: 1, bytes: ethernet({}, datagram) });
const question = (port = 1000) =>
  ipv4({ source: CLIENT, destination: SERVER }, udp({ sourcePort: port, destinationPort: 53 }));
const answer = (port = 1000) =>
  ipv4({ source: SERVER, destination: CLIENT }, udp({ sourcePort: 53, destinationPort: port }));

describe('packet.flow', () => {
  test('says which flow a packet belongs to, in both directions', async (t) => {
    const seen: unknown[] = [];
    const rig = rigOf(t, [
      {
        name: 'watch',
        flows: true,
        onPacket: ({ flow, flowState }) => {
          seen.push([
            flow?.isNew,
            flow?.direction,
            flow?.isAnswered,
            flow?.packets,
            flow?.packetsOf(1),
            flow?.octets,
            flowState,
          ]);
          return FORWARD;
        },
      },
    ]);
    await rig.pass(out(question()), out(question()), back(answer()), out(question(1001)));
    assert.deepEqual(seen, [
      [true, 0, false, 1, 0, 28, 'new'],
      [false, 0, false, 2, 0, 56, 'new'],
      [false, 1, true, 3, 1, 84, 'established'],
      [true, 0, false, 1, 0, 28, 'new'],
    ]);
  });

  test('tells what has no flow, and why', async (t) => {
    const seen: (FlowState | null)[] = [];
    const rig = rigOf(
      t,
      [
        {
          name: 'watch',
          flows: true,
          onPacket: ({ flow, flowState }) => {
            seen.push(flow === null ? flowState : null);
            return FORWARD;
          },
        },
      ],
      { flows: { most: 1, timeouts: {} } },
    );
    const error = ipv4({ source: '203.0.113.1', destination: CLIENT }, icmpv4({ type: 3, code: 3 }, question()));
    await rig.pass(
      out(question()),
      back(answer()),
      back(error),
      back(ipv4({ source: '203.0.113.1', destination: CLIENT }, icmpv4({ type: 3, code: 3 }, question(9)))),
      out(ipv6({}, icmpv6({ type: 135 }, Buffer.alloc(16)))),
      out(ipv6({ extensions: [fragment(1480, false)] }, octets(17, Buffer.alloc(8)))),
      out(ipv4({}, tcp({ flags: 0 }))),
      out(question(7)),
      out(ipv4({}, icmpv4({ type: 0 }))),
    );
    assert.deepEqual(seen, [null, null, null, 'invalid', 'untracked', 'fragment', 'invalid', 'full', 'invalid']);
  });

  test('is that of the first fragment, and of the datagram that an error quotes', async (t) => {
    const seen: unknown[] = [];
    const rig = rigOf(t, [
      {
        name: 'watch',
        flows: true,
        onPacket: ({ flow, flowState }) => {
          seen.push([flow?.packets, flowState]);
          return FORWARD;
        },
      },
    ]);
    const first = ipv4(
      { source: CLIENT, destination: SERVER, moreFragments: true, identification: 7 } as never,
      udp({ sourcePort: 1000, length: 1000 }, Buffer.alloc(16)),
    );
    const later = ipv4(
      { source: CLIENT, destination: SERVER, fragmentOffset: 24, identification: 7 } as never,
      octets(17, Buffer.alloc(16)),
    );
    const error = ipv4({ source: '203.0.113.1', destination: CLIENT }, icmpv4({ type: 11 }, first.subarray(0, 28)));
    await rig.pass(out(first), out(later), back(error));
    assert.deepEqual(seen, [
      [1, 'new'],
      [2, 'new'],
      [2, 'related'],
    ]);
  });

  test('keeps attaches and VLANs apart', async (t) => {
    const seen: unknown[] = [];
    const other = bridgeWay({ name: 'c > d', inPort: 2, outPort: 3, otherPort: 2, rejectPort: 2, zone: 2 });
    const ports = [0, 1, 2, 3].map((id) => ({ id, linktype: 1, maxFrameLength: 1514 }));
    const rig = rigOf(
      t,
      [
        {
          name: 'watch',
          flows: true,
          onPacket: ({ flow }) => {
            seen.push(flow?.isNew);
            return FORWARD;
          },
        },
      ],
      { ways: [...WAYS, other], ports },
    );
    const tagged = (id: number, port: number, datagram = question()) => ({
      port,
      bytes: ethernet({ tags: [{ id }] }, datagram),
    });
    const both = (...ids: number[]) => ({ port: 0, bytes: ethernet({ tags: ids.map((id) => ({ id })) }, question()) });
    await rig.pass(
      out(question()),
      { ...out(question()), port: 2 },
      tagged(7, 0),
      tagged(8, 0),
      tagged(7, 1, answer()),
      both(7, 8),
      both(8, 7),
      both(7, 8),
    );
    assert.deepEqual(seen, [true, true, true, true, false, true, true, false]);
  });

  test('is not there where no hook asks for flows', async (t) => {
    const rig = rigOf(t, [{ name: 'asks', onPacket: ({ flow }) => (flow === null ? FORWARD : DROP) }]);
    await rig.pass(out(question()));
    assert.deepEqual(rig.faults, ['asks: threw']);
  });

  test('shows nothing once the packet is gone', async (t) => {
    const kept: { packets: number; isNew: boolean; ends(): unknown }[] = [];
    const rig = rigOf(t, [
      {
        name: 'keeps',
        onFlow: ({ flow }) => {
          if (flow !== null) kept.push(flow);
          return FORWARD;
        },
      },
    ]);
    await rig.pass(out(question()));
    const [flow] = kept;
    assert.deepEqual([flow?.packets, flow?.isNew], [0, false]);
    assert.throws(() => flow?.ends(), /after the call/);
  });
});

describe('a flow whose first packet is stopped', () => {
  /** Connections are opened from one side only. */
  const oneSided: PlainHook<unknown> = {
    name: 'one-sided',
    flows: true,
    onPacket: ({ flow, flowState }, { side }) =>
      flowState === 'invalid' || (flow?.isNew === true && side === 'in') ? DROP : FORWARD,
  };

  test('does not begin: the packet that comes again is new again', async (t) => {
    const rig = rigOf(t, [oneSided]);
    const syn = ipv4(
      { source: SERVER, destination: CLIENT },
      tcp({ sourcePort: 4000, destinationPort: 22, flags: SYN }),
    );
    await rig.pass(back(syn), back(syn), back(syn), back(answer()), back(answer()));
    assert.equal(rig.row(1).droppedByHook, 5);
    await rig.pass(out(question()), back(answer()), back(answer()));
    assert.deepEqual([rig.row(0).forwarded, rig.row(1).forwarded], [1, 2]);
  });

  test('by another hook, behind or before, does not begin either, nor by a fault', async (t) => {
    const seen: (boolean | undefined)[] = [];
    const watch: PlainHook<unknown> = {
      name: 'watch',
      flows: true,
      onPacket: ({ flow }) => {
        seen.push(flow?.isNew);
        return FORWARD;
      },
    };
    const rig = rigOf(t, [watch, { name: 'stops', onPacket: () => DROP }]);
    await rig.pass(out(question()), out(question()));
    const fails = rigOf(t, [
      watch,
      {
        name: 'fails',
        onPacket: () => {
          throw new Error('on purpose');
        },
      },
    ]);
    await fails.pass(out(question()), out(question()));
    assert.deepEqual(seen, [true, true, true, true]);
  });

  test('stays with the flow where the packet is accepted', async (t) => {
    const seen: (boolean | undefined)[] = [];
    const rig = rigOf(t, [
      {
        name: 'accepts',
        flows: true,
        onPacket: ({ flow }) => {
          seen.push(flow?.isNew);
          return ACCEPT;
        },
      },
    ]);
    await rig.pass(out(question()), out(question()));
    assert.deepEqual(seen, [true, false]);
  });
});

describe('settle', () => {
  test('with FORWARD spares the hook the packets of the flow, and no other hook', async (t) => {
    const rig = rigOf(t, [
      {
        name: 'first',
        flows: true,
        onPacket: ({ flow }) => {
          flow?.settle(FORWARD);
          return FORWARD;
        },
      },
      { name: 'second', onPacket: () => FORWARD },
    ]);
    await rig.pass(out(question()), back(answer()), out(question()), out(question(2)));
    assert.deepEqual([rig.hook(0).seen, rig.hook(0).settled, rig.hook(0).forwarded], [2, 2, 2]);
    assert.deepEqual([rig.hook(1).seen, rig.hook(1).settled], [4, 0]);
  });

  test('with DROP drops them without a call, the first packet stopped or not, until the flow ends', async (t) => {
    let now = 0;
    const rig = rigOf(
      t,
      [
        { name: 'first', onPacket: () => FORWARD },
        {
          name: 'drops',
          flows: true,
          onPacket: ({ flow, destinationPort }) => {
            flow?.settle(DROP);
            return destinationPort === 53 ? DROP : FORWARD;
          },
        },
        { name: 'last', onPacket: () => FORWARD },
      ],
      { now: () => now },
    );
    await rig.pass(out(question()), out(question()), back(answer()));
    assert.deepEqual([rig.hook(1).seen, rig.hook(1).settled, rig.hook(1).dropped], [1, 2, 3]);
    assert.deepEqual([rig.hook(0).seen, rig.hook(2).seen], [3, 0]);
    assert.equal(rig.row(0).droppedByHook + rig.row(1).droppedByHook, 3);
    now = 31_000;
    await rig.pass(out(question()));
    now += 300_000;
    await rig.pass(out(question()));
    assert.equal(rig.hook(1).seen, 2, 'a flow that has ended is new again');
  });

  test('does not hold for invalid packets', async (t) => {
    const states: FlowState[] = [];
    const rig = rigOf(t, [
      {
        name: 'first',
        flows: true,
        onPacket: ({ flow, flowState }) => {
          states.push(flowState);
          flow?.settle(FORWARD);
          return flow === null ? DROP : FORWARD;
        },
      },
    ]);
    const segment = (flags: number, sequence: number, acknowledgement = 0) =>
      ipv4(
        { source: CLIENT, destination: SERVER },
        tcp({ sourcePort: 4000, destinationPort: 80, flags, sequence, acknowledgement }),
      );
    await rig.pass(
      out(segment(SYN, 1000)),
      back(
        ipv4(
          { source: SERVER, destination: CLIENT },
          tcp({ sourcePort: 80, destinationPort: 4000, flags: SYN | ACK, sequence: 5000, acknowledgement: 1001 }),
        ),
      ),
      out(segment(ACK, 1001, 5001)),
      out(segment(ACK, 1001 + 0x4000_0000, 5001)),
    );
    assert.deepEqual(states, ['new', 'invalid']);
    assert.deepEqual([rig.hook(0).settled, rig.hook(0).dropped], [2, 1]);
  });

  test('refuses what is neither', async (t) => {
    const rig = rigOf(t, [
      {
        name: 'wrong',
        flows: true,
        onPacket: ({ flow }) => {
          flow?.settle(2 as never);
          return FORWARD;
        },
      },
    ]);
    await rig.pass(out(question()));
    assert.deepEqual(rig.faults, ['wrong: threw']);
  });
});

describe('onFlow', () => {
  test('is called for what starts a flow or has none; the rest of the flow goes on without a call', async (t) => {
    const calls: string[] = [];
    const rig = rigOf(t, [
      {
        name: 'opens',
        onFlow: ({ flow, flowState }) => {
          calls.push(flow === null ? flowState : 'flow');
          return FORWARD;
        },
      },
    ]);
    await rig.pass(
      out(question()),
      out(question()),
      back(answer()),
      out(ipv4({}, tcp({ flags: 0 }))),
      out(question(3)),
    );
    assert.deepEqual(calls, ['flow', 'invalid', 'flow']);
    assert.deepEqual([rig.hook(0).seen, rig.hook(0).settled], [3, 2]);
  });

  test('comes before onPacket, which sees what it lets go on', async (t) => {
    const calls: string[] = [];
    const rig = rigOf(t, [
      {
        name: 'both',
        onFlow: ({ sourcePort }) => {
          calls.push(`flow ${sourcePort}`);
          return sourcePort === 5 ? DROP : FORWARD;
        },
        onPacket: ({ sourcePort }) => {
          calls.push(`packet ${sourcePort}`);
          return FORWARD;
        },
      },
    ]);
    await rig.pass(out(question()), out(question()), out(question(5)));
    assert.deepEqual(calls, ['flow 1000', 'packet 1000', 'packet 1000', 'flow 5']);
  });
});

describe('onFlowEnd', () => {
  test('tells of each flow once, with its books, ends and columns; not of one that never began', async (t) => {
    const ended: unknown[] = [];
    let now = 0;
    const hook: PlainHook<unknown> = {
      name: 'books',
      flows: true,
      onPacket: ({ sourcePort }) => (sourcePort === 666 ? DROP : FORWARD),
      onFlowEnd: (flow) => ended.push([flow.reason, flow.packetsOf(0), flow.packetsOf(1), flow.octets, flow.ends()]),
    };
    const rig = rigOf(t, [hook], { now: () => now });
    await rig.pass(
      out(question()),
      back(answer()),
      out(question(666)),
      out(ipv6({}, udp({ sourcePort: 5, destinationPort: 6 }))),
    );
    now = 31_000;
    rig.lane.onIdle();
    assert.deepEqual(ended, [
      [
        'expired',
        1,
        0,
        48,
        {
          version: 6,
          protocol: 17,
          source: '2001:db8::1',
          destination: '2001:db8::2',
          sourcePort: 5,
          destinationPort: 6,
        },
      ],
    ]);
    now = 200_000;
    rig.lane.onIdle();
    assert.deepEqual(ended[1], [
      'expired',
      1,
      1,
      56,
      { version: 4, protocol: 17, source: CLIENT, destination: SERVER, sourcePort: 1000, destinationPort: 53 },
    ]);
    assert.equal(ended.length, 2);
  });

  test('that throws is a fault of the hook, and of nobody else', async (t) => {
    let now = 0;
    let told = 0;
    const rig = rigOf(
      t,
      [
        {
          name: 'throws',
          flows: true,
          onPacket: () => FORWARD,
          onFlowEnd: () => {
            throw new Error('on purpose');
          },
        },
        {
          name: 'other',
          flows: true,
          onPacket: () => FORWARD,
          onFlowEnd: () => {
            told += 1;
          },
        },
      ],
      { now: () => now },
    );
    await rig.pass(out(question()));
    now = 100_000;
    await rig.pass(out(question(2)));
    assert.equal(told, 1);
    assert.deepEqual(rig.faults, ['throws: threw in onFlowEnd']);
    assert.equal(rig.hook(0).faults, 1);
  });
});
