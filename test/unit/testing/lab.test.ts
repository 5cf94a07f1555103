/**
 * A lab: what becomes of packets is told as it is, at a bridge and at a host, with one hook and with several.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  ACCEPT,
  type Context,
  DEST_LOCAL,
  DEST_MCAST,
  DEST_REMOTE,
  DROP,
  defineHook,
  ExAllocatePoolWithTag,
  FORWARD,
  type HookRuntime,
  ICMP_ON_DROP,
  INVALID_IF_INDEX,
  IP_RECEIVE,
  IP_TRANSMIT,
  IPAllocBuff,
  LOCAL_IF_INDEX,
  NonPagedPool,
  type Packet,
  parseAddress,
} from '../../../src/index.ts';
import {
  ACK,
  assertDropped,
  assertForwarded,
  assertLost,
  assertRejected,
  differsOnlyIn,
  ethernet,
  fields,
  fragments,
  type HookUnderTest,
  icmpv6,
  ipv4,
  ipv6,
  type Lab,
  type LabHook,
  type LabOptions,
  openLab,
  readFrame,
  readPacket,
  sameAs,
  tcp,
  transport,
  udp,
} from '../../../src/testing/index.ts';

type OnPacket = (packet: Packet, context: Context) => 0 | 1 | 2 | 3;

function hookOf(onPacket: OnPacket, name = 'hook'): HookUnderTest {
  return defineHook({ name, onPacket });
}

/** Opens a lab, and closes it whatever the test does. */
async function inLab(
  hooks: HookUnderTest | LabHook | readonly (HookUnderTest | LabHook)[],
  options: LabOptions,
  body: (lab: Lab) => Promise<void>,
): Promise<void> {
  const lab = await openLab(hooks, options);
  try {
    await body(lab);
  } catch (error) {
    await lab.close().catch(() => undefined);
    throw error;
  }
  await lab.close();
}

const byPort = hookOf(({ destinationPort }) => {
  if (destinationPort === 23) return DROP;
  if (destinationPort === 24) return ICMP_ON_DROP;
  return destinationPort === 25 ? ACCEPT : FORWARD;
}, 'by-port');

describe('at a bridge', () => {
  test('each verdict is told with the hook that gave it', () =>
    inLab(byPort, {}, async (lab) => {
      const forwarded = await lab.send(ipv4({}, udp({}, 'hello')));
      assertForwarded(forwarded, sameAs(ipv4({}, udp({}, 'hello'))), fields({ text: 'hello' }));
      assert.deepEqual([forwarded.reason, forwarded.by, forwarded.back, forwarded.sent], [null, null, [], []]);
      assert.deepEqual(
        forwarded.departures.map(({ to }) => to),
        ['b'],
      );
      assertDropped(await lab.send(ipv4({}, tcp({ destinationPort: 23 }))), 'by-port');
      const accepted = await lab.send(ipv6({}, tcp({ destinationPort: 25 })));
      assertForwarded(accepted);
      assert.equal(accepted.by, 'by-port');
      const { seen, forwarded: passed, dropped } = lab.counters('by-port');
      assert.deepEqual([seen, passed, dropped, lab.ledger('a').received, lab.ledger('b').received], [3, 1, 1, 3, 0]);
    }));

  test('a rejected packet is answered where it came from, in both versions', () =>
    inLab(byPort, {}, async (lab) => {
      for (const datagram of [ipv4({}, udp({ destinationPort: 24 })), ipv6({}, udp({ destinationPort: 24 }))]) {
        const outcome = await lab.send(datagram, { from: 'b' });
        assertRejected(outcome, 'by-port');
        const [error] = outcome.departures;
        assert.equal(error?.to, 'b');
        // A frame as from a router: MAC addresses exchanged.
        assert.equal(readFrame(error?.frame ?? Buffer.alloc(0))?.destination, '02:00:00:00:00:02');
      }
    }));

  test('an ICMP error is sent about every rejected packet: the budgets of a lane are not in force', () =>
    inLab(byPort, {}, async (lab) => {
      for (let i = 0; i < 100; i++) assertRejected(await lab.send(ipv4({}, udp({ destinationPort: 24 }))));
    }));

  test('a hook may send a packet back', () =>
    inLab(
      hookOf((_, context) => {
        context.sendInterfaceIndex = context.recvInterfaceIndex;
        return FORWARD;
      }),
      {},
      async (lab) => {
        const outcome = await lab.send(ipv4({}, udp()));
        assert.deepEqual([outcome.verdict, outcome.out.length, outcome.back.length], ['forwarded', 0, 1]);
      },
    ));

  test('a packet that is too long is lost and answered, or cut', () =>
    inLab(
      hookOf(() => FORWARD),
      { mtu: 1300 },
      async (lab) => {
        const long = Buffer.alloc(1400);
        const lost = await lab.send(ipv4({ dontFragment: true }, udp({}, long)));
        assertLost(lost, 'lostTooLong');
        const error = readPacket(lost.back[0] ?? Buffer.alloc(0));
        assert.deepEqual([error?.icmp?.type, error?.icmp?.code, error?.icmp?.rest], [3, 4, 1300]);
        const cut = await lab.send(ipv4({}, udp({}, long)));
        assertForwarded(cut);
        assert.deepEqual(cut.out, fragments(ipv4({}, udp({}, long)), 1300));
      },
    ));

  test('frames come in with their tags, and what is not IP goes by its policy', () =>
    inLab(
      hookOf(({ link }) => (link.vlan === 7 ? DROP : FORWARD)),
      {},
      async (lab) => {
        const tagged = (id: number): Uint8Array => ethernet({ tags: [{ id }] }, ipv4({}, udp()));
        assertDropped(await lab.send(tagged(7), { frame: true }));
        const passed = await lab.send(tagged(8), { frame: true });
        assertForwarded(passed, sameAs(ipv4({}, udp())));
        assert.deepEqual(passed.departures[0]?.frame, tagged(8));
        const arp = await lab.send(ethernet({ etherType: 0x0806 }, Buffer.alloc(46)), { frame: true });
        assertForwarded(arp);
        assert.deepEqual([arp.arrived, arp.out, arp.departures[0]?.datagram], [null, [], null]);
      },
    ));

  test('a malformed packet is dropped, and no hook is said to have done it', () =>
    inLab(byPort, {}, async (lab) => {
      assertDropped(await lab.send(ipv4({}, udp({ destinationPort: 23 }))));
      const outcome = await lab.send(ipv4({ totalLength: 19 }, udp()));
      assert.deepEqual([outcome.verdict, outcome.reason, outcome.by], ['dropped', 'droppedMalformed', null]);
    }));

  test('policies are those that are asked for', () =>
    inLab(byPort, { nonIp: 'drop', unreadable: 'forward' }, async (lab) => {
      const send = (etherType: number) => lab.send(ethernet({ etherType }, Buffer.alloc(46)), { frame: true });
      assert.equal((await send(0x0806)).reason, 'droppedNonIp');
      assert.equal((await send(0x88e5)).verdict, 'forwarded');
    }));

  test('runtime.send sends by the routes of the machine', async () => {
    let answer: boolean | null = null;
    let send: HookRuntime['send'] = () => true;
    const hook = defineHook({
      name: 'sends',
      setup: (_, runtime) => {
        send = runtime.send;
      },
      onPacket: () => {
        answer = send(ipv4({}, udp()));
        return FORWARD;
      },
    });
    await inLab(hook, {}, async (lab) => {
      const outcome = await lab.send(ipv4({}, udp()));
      assert.deepEqual(outcome.sent, [ipv4({}, udp())]);
      assert.deepEqual(
        outcome.departures.filter(({ isMade }) => isMade).map(({ to }) => to),
        ['routed'],
      );
      assert.equal(answer, true);
      assert.equal(lab.ledger().injected, 1);
    });
  });
});

describe('at a host', () => {
  test('packets come in and go out, with what hooks are told of it', async () => {
    const met: unknown[] = [];
    const hook = hookOf((_, { direction, recvInterfaceIndex, sendInterfaceIndex, destinationType }) => {
      met.push([direction, recvInterfaceIndex, sendInterfaceIndex, destinationType]);
      return FORWARD;
    });
    await inLab(hook, { attach: 'host', addresses: ['198.51.100.2', '2001:db8::2'] }, async (lab) => {
      assert.equal((await lab.send(ipv4({}, udp()))).departures[0]?.to, 'host');
      assert.equal((await lab.send(ipv4({}, udp()), { from: 'out' })).departures[0]?.to, 'network');
      await lab.send(ipv6({}, udp()));
      const frame = (await lab.send(ipv4({ destination: '224.0.0.251' }, udp()))).departures[0]?.frame;
      assert.equal(readFrame(frame ?? Buffer.alloc(0))?.destination, '01:00:5e:00:00:fb');
    });
    assert.deepEqual(met, [
      [IP_RECEIVE, 2, INVALID_IF_INDEX, DEST_LOCAL],
      [IP_TRANSMIT, LOCAL_IF_INDEX, 2, DEST_REMOTE],
      [IP_RECEIVE, 2, INVALID_IF_INDEX, DEST_LOCAL],
      [IP_RECEIVE, 2, INVALID_IF_INDEX, DEST_MCAST],
    ]);
  });

  test('an ICMP error goes by the routes of the host, or back to the host', () =>
    inLab(byPort, { attach: 'host' }, async (lab) => {
      const outside = await lab.send(ipv4({}, udp({ destinationPort: 24 })));
      assertRejected(outside, 'by-port');
      assert.deepEqual(
        outside.departures.map(({ to, frame }) => [to, frame]),
        [['routed', null]],
      );
      const own = await lab.send(ipv4({}, udp({ destinationPort: 24 })), { from: 'out' });
      assertRejected(own, 'by-port');
      assert.equal(own.departures[0]?.to, 'host');
    }));

  test('runtime.send is told apart from what went on', async () => {
    let runtime: HookRuntime | null = null;
    const hook = defineHook({
      name: 'answers',
      setup: (_, given) => {
        runtime = given;
      },
      onPacket({ udp: header }) {
        if (header === null) return FORWARD;
        runtime?.send(ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, udp({}, 'answer')));
        return runtime?.send(Buffer.from('no datagram')) === true ? FORWARD : DROP;
      },
    });
    await inLab(hook, { attach: 'host' }, async (lab) => {
      const outcome = await lab.send(ipv4({}, udp()));
      assertDropped(outcome, 'answers');
      assert.deepEqual(
        outcome.sent.map((datagram) => readPacket(datagram)?.text),
        ['answer'],
      );
      assert.deepEqual([lab.ledger().injected, lab.ledger().injectRefused], [1, 1]);
      assert.deepEqual(
        lab.departures.map(({ to, isMade }) => [to, isMade]),
        [['routed', true]],
      );
    });
  });
});

describe('what a hook does to a packet', () => {
  test('a field that it sets is seen, and that nothing else changed', () =>
    inLab(
      hookOf(({ ip, tcp: header }) => {
        ip.destination.set(parseAddress('192.0.2.9') ?? new Uint8Array());
        if (header !== null) header.destinationPort = 8080;
        return FORWARD;
      }),
      {},
      async (lab) => {
        const sent = ipv4({ id: 77 }, tcp({ flags: ACK }, 'data'));
        const outcome = await lab.send(sent);
        assertForwarded(
          outcome,
          fields({ destination: '192.0.2.9', destinationPort: 8080, tcp: { flags: ACK }, checksumsRight: true }),
          differsOnlyIn(sent, 'destination', 'destinationPort'),
        );
        assert.deepEqual(outcome.arrived, sent);
      },
    ));

  test('a packet that it puts in the place of another one leaves, and the pool is as before', () =>
    inLab(
      hookOf((packet) => {
        const chain = ExAllocatePoolWithTag(NonPagedPool, 64, 'fPCT');
        const datagram = ipv4({ source: '192.0.2.3' }, udp({}, 'another'));
        if (chain === null || IPAllocBuff(chain, datagram.length) !== 1) return DROP;
        chain.ipr_buffer?.set(datagram);
        packet.replace(chain);
        return FORWARD;
      }),
      {},
      async (lab) => {
        const outcome = await lab.send(ipv4({}, udp()));
        assertForwarded(outcome, sameAs(ipv4({ source: '192.0.2.3' }, udp({}, 'another'))));
        assert.deepEqual([lab.counters('hook').replaced, lab.counters('hook').outstanding], [1, 0]);
      },
    ));

  test('a payload grows, and without a pool it does not', async () => {
    const hook = hookOf(({ payload }) => (payload.splice(0, 0, Buffer.from('more ')) ? FORWARD : DROP));
    await inLab(hook, {}, async (lab) => {
      const sent = ipv6({}, udp({}, 'data'));
      assertForwarded(
        await lab.send(sent),
        fields({ text: 'more data' }),
        differsOnlyIn(sent, 'length', 'udp.length', 'payload'),
      );
    });
    await inLab(hook, { poolLimitMiB: 0 }, async (lab) => {
      assertDropped(await lab.send(ipv6({}, udp({}, 'data'))), 'hook');
    });
    await inLab(hook, {}, async (lab) => {
      assertForwarded(await lab.send(ipv6({}, udp({}, 'data'))), fields({ text: 'more data' }));
    });
  });

  test('a checksum that is left to the card is right when the packet leaves', () =>
    inLab(
      hookOf((packet) => {
        packet.ip.ttl = 9;
        packet.bytes[20] = 1;
        return FORWARD;
      }),
      {},
      async (lab) => {
        const sent = ipv4({}, tcp({}, 'data'));
        const outcome = await lab.send(sent, { partialChecksum: true });
        assert.equal(readPacket(outcome.arrived ?? Buffer.alloc(0))?.checksumsRight, false);
        assertForwarded(
          outcome,
          fields({ ip: { ttl: 9 }, checksumsRight: true }),
          differsOnlyIn(sent, 'ip', 'sourcePort'),
        );
        await assert.rejects(
          lab.send(ipv6({}, icmpv6()), { partialChecksum: true }),
          /only whole datagrams of TCP and UDP/,
        );
      },
    ));

  test('a super-frame is seen whole, and leaves whole whatever the MTU is', () =>
    inLab(
      hookOf(({ length }) => (length > 20_000 ? FORWARD : DROP)),
      {},
      async (lab) => {
        const big = ipv4({}, tcp({ flags: ACK }, Buffer.alloc(30_000)));
        assertForwarded(await lab.send(big, { segmentSize: 1448 }), sameAs(big));
        assertLost(await lab.send(ipv6({}, tcp({}, Buffer.alloc(30_000)))), 'lostTooLong');
      },
    ));
});

describe('hooks', () => {
  test('run in order of priority, that of their entries first, and see what was changed before', async () => {
    const order: string[] = [];
    const noting = (name: string, priority: number): HookUnderTest =>
      defineHook({
        name,
        priority,
        onPacket({ ip }) {
          order.push(`${name} ${ip.ttl}`);
          ip.ttl -= 1;
          return FORWARD;
        },
      });
    const hooks = [
      noting('first', 10),
      { hook: noting('second', 1000), priority: 1, name: 'renamed' },
      noting('third', 0),
    ];
    await inLab(hooks, {}, async (lab) => {
      assert.deepEqual(lab.hooks, ['first', 'renamed', 'third']);
      assertForwarded(await lab.send(ipv4({ ttl: 64 }, udp())), fields({ ip: { ttl: 61 } }));
      assert.equal(lab.counters('renamed').seen, 1);
      assert.throws(() => lab.counters('second'), /no hook of this lab is called second; it has first, renamed, third/);
    });
    assert.deepEqual(order, ['first 64', 'second 63', 'third 62']);
  });

  test('behind one that drops see nothing, and a filter leaves out what it says', () =>
    inLab(
      [hookOf(() => DROP, 'a'), defineHook({ name: 'b', priority: 1, filter: 'udp', onPacket: () => ACCEPT })],
      {},
      async (lab) => {
        assertDropped(await lab.send(ipv4({}, tcp())), 'a');
        assert.equal((await lab.send(ipv4({}, udp()))).by, 'b');
        assert.deepEqual([lab.counters('b').filtered, lab.counters('a').seen], [1, 1]);
      },
    ));

  test('may be the same one twice, each with options and state of its own', () => {
    const quota = defineHook<{ packets: number }>({
      name: 'quota',
      async setup({ packets }, { log, name }) {
        await Promise.resolve();
        let left = packets;
        log('info', `${name}: ${left} packets may pass`);
        return {
          onPacket() {
            left -= 1;
            return left >= 0 ? FORWARD : DROP;
          },
          teardown: () => log('info', 'closed'),
        };
      },
    });
    const entries = [
      { hook: quota, options: { packets: 2 } },
      { hook: quota, name: 'fewer', options: { packets: 1 } },
    ];
    return inLab(entries, {}, async (lab) => {
      assert.deepEqual(lab.log, [
        { level: 'info', hook: 'quota', message: 'quota: 2 packets may pass' },
        { level: 'info', hook: 'fewer', message: 'fewer: 1 packets may pass' },
      ]);
      assertForwarded(await lab.send(ipv4({}, udp())));
      assertDropped(await lab.send(ipv4({}, udp())), 'fewer');
      await lab.close();
      assert.equal(lab.log.length, 4);
    });
  });

  test('are told what the lab says of them, and paths start from its folder', async () => {
    const told: unknown[] = [];
    const hook = defineHook({
      name: 'asks',
      setup: (_, { name, mode, lane, lanes, resolvePath }) => {
        told.push(name, mode, lane, lanes, resolvePath('list.txt'));
      },
      onPacket: () => FORWARD,
    });
    const options = { mode: 'replay', lane: 1, lanes: 4, folder: '/srv/hooks' } as const;
    await inLab(hook, options, () => Promise.resolve());
    assert.deepEqual(told, ['asks', 'replay', 1, 4, '/srv/hooks/list.txt']);
  });
});

describe('time', () => {
  test('goes on when it is told to, and packets have it', async () => {
    const seen: number[] = [];
    const hook = hookOf((_, { timestamp }) => {
      seen.push(timestamp);
      return FORWARD;
    });
    const startMs = Date.UTC(2030, 0, 1);
    await inLab(hook, { startMs }, async (lab) => {
      await lab.send(ipv4({}, udp()));
      await lab.tick(0.25);
      await lab.send(ipv4({}, udp()));
      const passage = await lab.tick(3 * 3_600_000);
      await lab.send(ipv4({}, udp()));
      assert.deepEqual(passage, { departures: [], sent: [], faults: [], events: [] });
      assert.equal(lab.nowMs, startMs + 3 * 3_600_000 + 0.25);
      await assert.rejects(lab.tick(-1), /-1 is no time that can pass/);
    });
    assert.deepEqual(seen, [startMs, startMs + 0.25, startMs + 3 * 3_600_000 + 0.25]);
  });
});

test('a hook looks addresses up in the tables of the lab', async () => {
  const hook = defineHook({
    name: 'by-table',
    setup(_options, { prefixes }) {
      const table = prefixes('blocked');
      return { onPacket: ({ source }) => (table.lookup(source) === 5 ? DROP : FORWARD) };
    },
  });
  const lab = await openLab(hook, { tables: { blocked: ['# a list', '192.0.2.0/24 5', '2001:db8::/32 6'] } });
  assertDropped(await lab.send(ipv4({ source: '192.0.2.1' }, udp())), 'by-table');
  assertForwarded(await lab.send(ipv4({ source: '198.51.100.1' }, udp())));
  assertForwarded(await lab.send(ipv6({ source: '2001:db8::1' }, udp())));
  await lab.close();
  await assert.rejects(openLab(hook), /prefixes: the configuration has no table "blocked"; it has none/);
  await assert.rejects(openLab(hook, { tables: { blocked: ['', 'x'] } }), {
    code: 'FIREHOOK_TABLE_INVALID',
    message: /tables\.blocked:2: "x" is not an IPv4 or IPv6 address or prefix$/,
  });
});

test('octets and sides that are none are refused in words', () =>
  inLab(byPort, {}, async (lab) => {
    await assert.rejects(lab.send(ethernet({}, ipv4({}, udp()))), /a whole Ethernet frame is sent with frame: true/);
    await assert.rejects(lab.send(Buffer.alloc(0)), /no IP datagram/);
    await assert.rejects(
      lab.send(ipv4({}, transport(1, '')), { from: 'in' }),
      /from: in is no side of this lab; it has a and b/,
    );
  }));

test('whatever octets come, each packet has one end, and the lab closes clean', () =>
  inLab(byPort, { attach: 'host' }, async (lab) => {
    const octets = fc.uint8Array({ maxLength: 120 });
    const framed = fc.tuple(fc.constantFrom(0x0800, 0x86dd, 0x8100, 0x8847, 0x0806), octets);
    await fc.assert(
      fc.asyncProperty(framed, fc.constantFrom('in' as const, 'out' as const), async ([etherType, content], from) => {
        const head = ipv4({}, transport(content[0] ?? 0, content.subarray(1)));
        const frame = ethernet({ etherType }, etherType === 0x0800 ? head : content);
        const before = lab.ledger(from);
        const outcome = await lab.send(frame, { frame: true, from });
        const after = lab.ledger(from);
        assert.equal(after.received, before.received + 1);
        assert.equal(after[outcome.verdict], before[outcome.verdict] + 1);
        assert.equal(outcome.departures.length, after.sent - before.sent);
      }),
      { seed: 20_260_102, numRuns: 500 },
    );
  }));
