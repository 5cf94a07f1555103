/**
 * Events of packets that did not go on, from a real lane through the ring to lines as Suricata has them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type EveEvent, eveLine, eveOf } from '../../../src/events/eve.ts';
import { RING_OCTETS, SLOTS } from '../../../src/events/event-layout.ts';
import { RingReader } from '../../../src/events/ring-reader.ts';
import type { SampleSettings } from '../../../src/events/sampler.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { REPLY, RESET } from '../../../src/hook/contract.ts';
import { HookEvents } from '../../../src/hook/hook-events.ts';
import { HookReasons } from '../../../src/hook/hook-reasons.ts';
import { DropEvents } from '../../../src/lane/drop-events.ts';
import { LEDGER_WIDTH, rowAt } from '../../../src/lane/ledger.ts';
import { assertEve } from '../../support/eve-schema.ts';
import { ethernet, extension, icmpv4, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { bridgeWay, hook, INDEX_A, layRig, type Rig, type RigOptions } from './lane-rig.ts';

const EACH: SampleSettings = { oneIn: 1, perSecond: 0 };
const A = Buffer.from('020000000001', 'hex');
const B = Buffer.from('020000000002', 'hex');
const inFrame = (datagram: Uint8Array): Buffer => ethernet({ source: A, destination: B }, datagram);

const ARP = Buffer.concat([B, A, Buffer.from('0806', 'hex'), Buffer.alloc(28)]);

interface Told extends Rig {
  /** What was told since the last call, each as Suricata would have it. */
  events(): EveEvent[];
  readonly made: HookEvents;
}

function layTold(t: TestContext, options: RigOptions = {}, sample = EACH): Told {
  const memory = new ArrayBuffer(RING_OCTETS);
  const made = new HookEvents({ memory, now: () => 0n });
  const reader = new RingReader(memory);
  const rig = layRig(t, {
    ...options,
    drops: (chain) =>
      new DropEvents({
        events: made,
        chain,
        sample,
        linktypeOf: () => 1,
        ...(options.reasons === undefined ? {} : { reasons: options.reasons }),
      }),
  });
  const hooks = rig.chain.hooks.map(({ name }) => name);
  const origin = { lane: 2, hooks, ways: ['a > b'], nameOf: (index: number) => (index === INDEX_A ? 'a' : undefined) };
  return {
    ...rig,
    made,
    events() {
      const events: EveEvent[] = [];
      reader.read((event) => {
        const line = eveLine(eveOf(event, origin));
        assertEve(line);
        events.push(JSON.parse(line) as EveEvent);
      });
      assert.equal(reader.invalid, 0);
      return events;
    },
  };
}

const at = (bytes: Buffer, seconds: number, nanoseconds = 0) => ({ port: 0, bytes, seconds, nanoseconds });

test('a packet that a hook dropped is told of as Suricata tells of it', async (t) => {
  const rig = layTold(t, {
    hooks: () => [hook('no-telnet', ({ destinationPort }) => (destinationPort === 23 ? DROP : FORWARD))],
  });
  const syn = tcp({
    sourcePort: 40_112,
    destinationPort: 23,
    sequence: 7_000_000_000 % 2 ** 32,
    flags: 2,
    window: 64_240,
  });
  const datagram = ipv4({ source: '10.77.0.1', destination: '10.77.0.2', tos: 16, ttl: 61, identification: 777 }, syn);
  await rig.pass(at(inFrame(datagram), 1_795_603_100, 199_120_999), inFrame(ipv4({}, tcp({ destinationPort: 80 }))));
  assert.deepEqual(rig.events(), [
    {
      timestamp: '2026-11-25T10:38:20.199120+0000',
      in_iface: 'a',
      event_type: 'drop',
      src_ip: '10.77.0.1',
      src_port: 40_112,
      dest_ip: '10.77.0.2',
      dest_port: 23,
      proto: 'TCP',
      ip_v: 4,
      pkt_src: 'wire/pcap',
      drop: {
        len: 40,
        tos: 16,
        ttl: 61,
        ipid: 777,
        tcpseq: 7_000_000_000 % 2 ** 32,
        tcpack: 0,
        tcpwin: 64_240,
        syn: true,
        ack: false,
        psh: false,
        rst: false,
        urg: false,
        fin: false,
        tcpres: 0,
        tcpurgp: 0,
        reason: 'hook',
      },
      firehook: { hook: 'no-telnet', lane: 2, way: 'a > b', verdict: 'DROP' },
    },
  ]);
});

test('the reason that a hook gives is in the event, and is sampled by itself', async (t) => {
  const reasons = new HookReasons();
  const [telnet, shell] = [reasons.declare(0, 'telnet'), reasons.declare(0, 'remote shell "rsh"')];
  const rig = layTold(
    t,
    {
      reasons,
      hooks: () => [
        hook('old', ({ destinationPort }) =>
          destinationPort === 23 ? telnet.drop : destinationPort === 514 ? shell.reset : DROP,
        ),
      ],
    },
    { oneIn: 3, perSecond: 0 },
  );
  const to = (destinationPort: number): Buffer => inFrame(ipv4({}, tcp({ destinationPort })));
  await rig.pass(...[23, 23, 514, 80, 23, 80, 23].map(to));
  assert.deepEqual(
    rig.events().map(({ firehook }) => [firehook.verdict, firehook.reason, firehook.suppressed]),
    [
      ['DROP', 'telnet', undefined],
      ['RESET', 'remote shell "rsh"', undefined],
      ['DROP', undefined, undefined],
      ['DROP', 'telnet', 2],
    ],
  );
});

test('UDP over IPv6 behind an extension header, and an echo request', async (t) => {
  const rig = layTold(t, { hooks: () => [hook('all', () => DROP)] });
  const inner = { ...udp({ sourcePort: 5, destinationPort: 53 }, Buffer.from('four')) };
  const six = ipv6(
    {
      source: '2001:db8::1',
      destination: '2001:db8::2',
      trafficClass: 3,
      flowLabel: 0xabcde,
      hopLimit: 9,
      extensions: [extension(0)],
    },
    inner,
  );
  await rig.pass(inFrame(six), inFrame(ipv4({}, icmpv4({ type: 8 }, Buffer.from('data')))));
  const [first, second] = rig.events();
  assert.deepEqual(first?.drop, { len: 20, tc: 3, hoplimit: 9, flowlbl: 0xabcde, udplen: 12, reason: 'hook' });
  assert.deepEqual([first?.proto, first?.src_port, first?.dest_port, first?.ip_v], ['UDP', 5, 53, 6]);
  assert.deepEqual(
    [second?.proto, second?.icmp_type, second?.icmp_code, typeof second?.drop?.['icmp_id']],
    ['ICMP', 8, 0, 'number'],
  );
});

describe('each packet that ends is told of once, by the reason that the ledger has', () => {
  const question = inFrame(ipv4({}, udp({ destinationPort: 53 }, Buffer.from('question'))));
  const cases: readonly [string, RigOptions, Buffer, string, string | undefined][] = [
    ['a drop', { hooks: () => [hook('h', () => DROP)] }, question, 'hook', 'DROP'],
    ['a reject', { hooks: () => [hook('h', () => ICMP_ON_DROP)] }, question, 'hook', 'ICMP_ON_DROP'],
    ['a reset', { hooks: () => [hook('h', () => RESET)] }, inFrame(ipv4({}, tcp())), 'hook', 'RESET'],
    ['a reply', { hooks: () => [hook('h', (packet) => packet.replyUdp(Buffer.from('x')))] }, question, 'hook', 'REPLY'],
    [
      'a reply that is not sent',
      { hooks: () => [hook('h', () => REPLY)], failingPorts: [0] },
      question,
      'send_error',
      undefined,
    ],
    [
      'a fault',
      {
        hooks: () => [
          hook('h', () => {
            throw new Error('no');
          }),
        ],
      },
      question,
      'fault',
      'DROP',
    ],
    ['a malformed one', {}, inFrame(Buffer.from('4500ffff', 'hex')), 'malformed', undefined],
    ['one that is not IP', { nonIp: 'drop' }, ARP, 'non_ip', undefined],
    ['one that cannot be sent', { failingPorts: [1] }, question, 'send_error', undefined],
    [
      'one that is too long',
      {},
      inFrame(ipv4({ dontFragment: true }, udp({}, Buffer.alloc(1600)))),
      'too_long',
      undefined,
    ],
  ];
  for (const [name, options, frame, reason, verdict] of cases)
    test(name, async (t) => {
      const rig = layTold(t, options);
      await rig.pass(frame);
      const events = rig.events();
      assert.equal(events.length, 1);
      assert.deepEqual([events[0]?.drop?.['reason'], events[0]?.firehook.verdict], [reason, verdict]);
      // A hook is named where one decided.
      assert.equal(events[0]?.firehook.hook, verdict === undefined ? undefined : 'h');
    });
});

test('a frame without a datagram has its MAC addresses and no ends', async (t) => {
  const rig = layTold(t, { nonIp: 'drop' });
  await rig.pass(ARP);
  const [event] = rig.events();
  assert.deepEqual(event?.ether, { dest_mac: '02:00:00:00:00:02', src_mac: '02:00:00:00:00:01' });
  assert.deepEqual([event?.src_ip, event?.proto, event?.ip_v], [undefined, undefined, undefined]);
});

test('what hooks wrote into a packet before is not what is told of: it is told of as it came', async (t) => {
  const rig = layTold(t, {
    hooks: () => [
      hook(
        'writes',
        ({ ip }) => {
          ip.ttl = 3;
          ip.source.setWord(0, 0x01020304);
          return FORWARD;
        },
        9,
      ),
      hook('drops', () => DROP),
    ],
  });
  await rig.pass(inFrame(ipv4({ source: '192.0.2.1', ttl: 60 }, udp())));
  const [event] = rig.events();
  assert.deepEqual([event?.src_ip, event?.drop?.['ttl'], event?.firehook.hook], ['192.0.2.1', 60, 'drops']);
});

test('flows have an identity that their packets share', async (t) => {
  const dropping = {
    ...hook('h', ({ destinationPort, flow }) => {
      if (destinationPort !== 99) return FORWARD;
      flow?.settle(DROP);
      return DROP;
    }),
  };
  const flowing = {
    ...dropping,
    definition: { ...('definition' in dropping ? dropping.definition : {}), flows: true },
  } as typeof dropping;
  const rig = layTold(t, { hooks: () => [flowing] });
  const frame = inFrame(ipv4({}, udp({ sourcePort: 1, destinationPort: 99 })));
  const other = inFrame(ipv4({}, udp({ sourcePort: 2, destinationPort: 99 })));
  await rig.pass(frame, frame, other);
  const [first, second, third] = rig.events().map(({ flow_id }) => flow_id);
  assert.ok(Number.isSafeInteger(first));
  assert.equal(first, second);
  assert.notEqual(first, third);
});

describe('samples', () => {
  const dropped = (port: number): Buffer => inFrame(ipv4({}, udp({ destinationPort: port })));
  const two = (): RigOptions => ({
    hooks: () => [
      hook('often', ({ destinationPort }) => (destinationPort === 1 ? DROP : FORWARD), 2),
      hook('seldom', ({ destinationPort }) => (destinationPort === 2 ? DROP : FORWARD), 1),
    ],
  });

  test('one in N of a hook and reason, the first one always; the next says what was left out', async (t) => {
    const rig = layTold(t, two(), { oneIn: 10, perSecond: 0 });
    for (let index = 0; index < 25; index++) await rig.pass(dropped(1));
    await rig.pass(dropped(2));
    const told = rig.events().map(({ firehook }) => [firehook.hook, firehook.suppressed]);
    assert.deepEqual(told, [
      ['often', undefined],
      ['often', 9],
      ['often', 9],
      ['seldom', undefined],
    ]);
    assert.equal(rig.made.suppressed, 22);
  });

  test('a budget a second, of the time of the packets, that a flood of another kind does not take', async (t) => {
    const rig = layTold(t, two(), { oneIn: 1, perSecond: 3 });
    await rig.pass(...Array.from({ length: 50 }, () => at(dropped(1), 100)), at(dropped(2), 100), at(dropped(1), 101));
    const told = rig.events().map(({ firehook }) => [firehook.hook, firehook.suppressed]);
    assert.deepEqual(told, [
      ['often', undefined],
      ['often', undefined],
      ['often', undefined],
      ['seldom', undefined],
      ['often', 47],
    ]);
  });

  test('what is told, what was left out and what found no room is what did not go on', () => {
    fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 4 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 3 })), { maxLength: 80 }),
        async (oneIn, perSecond, packets) => {
          const after: (() => void)[] = [];
          const context = { after: (run: () => void) => after.push(run) } as unknown as TestContext;
          const rig = layTold(context, two(), { oneIn, perSecond });
          await rig.pass(...packets.map(([port, second]) => at(dropped(port), second)));
          const { dropped: count } = rowAt(rig.lane.ledger, 0 * LEDGER_WIDTH);
          const events = rig.events();
          assert.equal(events.length + rig.made.suppressed, count);
          const said = events.reduce((sum, { firehook }) => sum + (firehook.suppressed ?? 0), 0);
          assert.ok(said <= rig.made.suppressed);
          for (const run of after) run();
        },
      ),
      { numRuns: 200, seed: 12 },
    );
  });

  test('a full ring loses events, counts them, and stops no packet', async (t) => {
    const rig = layTold(t, two());
    await rig.pass(...Array.from({ length: SLOTS + 7 }, () => dropped(1)));
    assert.deepEqual([rig.made.made, rig.made.lost], [SLOTS + 7, 7]);
    assert.equal(rig.row().dropped, SLOTS + 7);
    assert.equal(rig.events().length, SLOTS);
  });
});

test('ways are told by their place', async (t) => {
  const rig = layTold(t, {
    hooks: () => [hook('h', () => DROP)],
    ways: [bridgeWay(), bridgeWay({ name: 'b > a', inPort: 1, outPort: 0 })],
  });
  await rig.pass({ port: 1, bytes: inFrame(ipv4({}, udp())) });
  // The names of the ways come from whoever reads: there is one here.
  assert.equal(rig.events()[0]?.firehook.way, undefined);
});
