/**
 * Events of hooks, from `runtime.event` to what a test, or a file, gets of them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, describe, test } from 'node:test';
import { eveLine } from '../../../src/events/eve.ts';
import {
  type Context,
  type DefinedHook,
  DROP,
  defineHook,
  type EndedFlow,
  FORWARD,
  type HookRuntime,
  type Packet,
} from '../../../src/index.ts';
import { allocationPerPacket, ipv4, ipv6, type Lab, openLab, tcp, udp } from '../../../src/testing/index.ts';
import { assertEve } from '../../support/eve-schema.ts';

const PACKET = ipv4(
  { source: '192.0.2.9', destination: '198.51.100.7' },
  udp({ sourcePort: 1234, destinationPort: 53 }),
);
let lab: Lab | null = null;
afterEach(async () => {
  await lab?.close();
  lab = null;
});

/** A hook that does something with each packet. */
function hookOf(run: (packet: Packet, runtime: HookRuntime, context: Context) => void): DefinedHook {
  return defineHook({
    name: 'maker',
    setup: (_options, runtime) => ({
      onPacket(packet, context) {
        run(packet, runtime, context);
        return FORWARD;
      },
    }),
  });
}

describe('an event about a packet', () => {
  test('has its time, its interface and its ends, and the fields of the hook', async () => {
    lab = await openLab(
      hookOf((packet, runtime) => runtime.event('dns', packet, { rrname: 'example.org', id: 7, none: undefined })),
    );
    const { events } = await lab.send(PACKET);
    assert.deepEqual(events, [
      {
        timestamp: '2026-01-01T00:00:00.000000+0000',
        event_type: 'dns',
        in_iface: 'a',
        src_ip: '192.0.2.9',
        src_port: 1234,
        dest_ip: '198.51.100.7',
        dest_port: 53,
        proto: 'UDP',
        ip_v: 4,
        dns: { rrname: 'example.org', id: 7 },
        firehook: { hook: 'maker', lane: 0 },
      },
    ]);
    await lab.tick(1500);
    const six = await lab.send(ipv6({ source: '2001:db8::9' }, tcp({ destinationPort: 443 })), { from: 'b' });
    const [event] = six.events;
    assert.deepEqual(
      [event?.timestamp, event?.in_iface, event?.src_ip, event?.proto, event?.ip_v],
      ['2026-01-01T00:00:01.500000+0000', 'b', '2001:db8::9', 'TCP', 6],
    );
    assert.equal(lab.events.length, 2);
  });

  test('has what a hook before it has written, and is there also where the packet is dropped', async () => {
    const first = defineHook({
      name: 'first',
      priority: 9,
      onPacket(packet) {
        packet.ip.destination.setWord(0, 0x0a000001);
        return FORWARD;
      },
    });
    const second = defineHook({
      name: 'second',
      setup: (_options, runtime) => ({
        onPacket(packet) {
          runtime.event('alert', packet);
          return DROP;
        },
      }),
    });
    lab = await openLab([second, first]);
    const { events, verdict } = await lab.send(PACKET);
    assert.deepEqual([verdict, events[0]?.dest_ip, events[0]?.firehook.hook], ['dropped', '10.0.0.1', 'second']);
    assert.deepEqual(events[0]?.alert, {});
  });

  test('is cut where it has no room, and says so', async () => {
    lab = await openLab(
      hookOf((packet, runtime) => runtime.event('tls', packet, { sni: 'x'.repeat(9000), more: 'y'.repeat(256), n: 1 })),
    );
    const { events } = await lab.send(PACKET);
    assert.equal(events[0]?.firehook.cut, true);
    assert.equal(events[0]?.tls?.['sni'], 'x'.repeat(256));
    assert.ok(String(events[0]?.tls?.['more']).length < 256);
  });

  test('is not lost where more come than a ring has room for', async () => {
    lab = await openLab(
      hookOf((packet, runtime) => {
        for (let index = 0; index < 5000; index++) runtime.event('alert', packet, { index });
      }),
    );
    const { events } = await lab.send(PACKET);
    assert.deepEqual(
      events.map(({ alert }) => alert?.['index']),
      Array.from({ length: 5000 }, (_, index) => index),
    );
  });

  test('allocates nothing where its fields are small integers, whatever the addresses', async () => {
    const fields = { octets: 0, port: 0 };
    lab = await openLab(
      hookOf((packet, runtime) => {
        fields.octets = packet.length;
        fields.port = packet.destinationPort;
        runtime.event('alert', packet, fields);
      }),
    );
    const packets = [PACKET, ipv4({ source: '255.255.255.254', destination: '127.255.0.1' }, udp({}))];
    assert.ok(allocationPerPacket(lab, packets) < 4);
    assert.ok(allocationPerPacket(lab, [ipv6({}, udp({}))]) < 4);
    assert.deepEqual(lab.events, [], 'of a flood nothing is kept');
  });
});

describe('an event beside packets', () => {
  test('has the time of the clock, and no ends', async () => {
    lab = await openLab(
      defineHook({
        name: 'timer',
        setup(_options, runtime) {
          runtime.after(250, () => runtime.event('anomaly', null, { reason: 'quiet' }));
          return { onPacket: () => FORWARD };
        },
      }),
    );
    const { events } = await lab.tick(1000);
    assert.deepEqual(events, [
      {
        timestamp: '2026-01-01T00:00:00.250000+0000',
        event_type: 'anomaly',
        anomaly: { reason: 'quiet' },
        firehook: { hook: 'timer', lane: 0 },
      },
    ]);
  });

  test('has the ends of a flow that ends', async () => {
    lab = await openLab(
      defineHook({
        name: 'flows',
        flows: true,
        setup: (_options, runtime) => ({
          onPacket: () => FORWARD,
          onFlowEnd: (flow: EndedFlow) => runtime.event('flow', flow, { reason: flow.reason, pkts: flow.packets }),
        }),
      }),
      { flows: { timeouts: { udpNewMs: 1000 } } },
    );
    await lab.send(PACKET);
    const { events } = await lab.tick(60_000);
    assert.deepEqual(
      events.map(({ src_ip, src_port, dest_ip, dest_port, proto, flow }) => ({
        src_ip,
        src_port,
        dest_ip,
        dest_port,
        proto,
        flow,
      })),
      [
        {
          src_ip: '192.0.2.9',
          src_port: 1234,
          dest_ip: '198.51.100.7',
          dest_port: 53,
          proto: 'UDP',
          flow: { reason: 'expired', pkts: 1 },
        },
      ],
    );
  });
});

const wrong: readonly (readonly [
  what: string,
  make: (runtime: HookRuntime, packet: Packet) => void,
  reason: RegExp,
])[] = [
  [
    'another type',
    (runtime, packet) => runtime.event('drop' as never, packet),
    /there is no type drop; there are alert, dns/,
  ],
  [
    'something else than a packet',
    (runtime) => runtime.event('alert', {} as never),
    /has to be the packet, a flow, or null/,
  ],
  ['nothing', (runtime) => runtime.event('alert', undefined as never), /has to be the packet, a flow, or null/],
  ['a name in capitals', (runtime, packet) => runtime.event('alert', packet, { A: 1 }), /a field cannot be called "A"/],
  [
    'a name that is none',
    (runtime, packet) => runtime.event('alert', packet, { 'a"b': 1 }),
    /a field cannot be called "a\\"b"/,
  ],
  [
    'a long name',
    (runtime, packet) => runtime.event('alert', packet, { ['x'.repeat(33)]: 1 }),
    /a field cannot be called/,
  ],
  [
    'an object',
    (runtime, packet) => runtime.event('alert', packet, { a: {} as never }),
    /the field a is neither text nor a number/,
  ],
  [
    'an event among its fields',
    (runtime, packet) =>
      runtime.event('alert', packet, {
        get a(): number {
          runtime.event('alert', packet);
          return 1;
        },
      }),
    /the fields of an event make no event/,
  ],
];

describe('what is no event', () => {
  for (const [what, make, reason] of wrong)
    test(`is a fault of the hook, and nothing of it is written: ${what}`, async () => {
      lab = await openLab(hookOf((packet, runtime) => make(runtime, packet)));
      const { faults, events } = await lab.send(PACKET);
      assert.equal(faults.length, 1);
      assert.match(faults[0]?.text ?? '', reason);
      assert.deepEqual(events, []);
      lab.expectFaults(reason);
    });

  test('is left out: numbers that are not finite', async () => {
    lab = await openLab(
      hookOf((packet, runtime) => runtime.event('alert', packet, { a: Number.NaN, b: Infinity, c: -0.5 })),
    );
    const { events } = await lab.send(PACKET);
    assert.deepEqual(events[0]?.alert, { c: -0.5 });
  });
});

describe('an alert', () => {
  test('has all that those of Suricata have', async () => {
    lab = await openLab(
      hookOf((packet, runtime) => {
        runtime.alert(packet, 'telnet');
        runtime.alert(packet, 'a beacon', {
          severity: 1,
          category: 'Trojan',
          action: 'blocked',
          id: 7001,
          revision: 2,
        });
      }),
    );
    const { events } = await lab.send(PACKET);
    for (const event of events) assertEve(eveLine(event));
    assert.deepEqual(
      events.map(({ alert }) => alert),
      [
        { action: 'allowed', gid: 1, signature_id: 0, rev: 1, signature: 'telnet', category: '', severity: 3 },
        {
          action: 'blocked',
          gid: 1,
          signature_id: 7001,
          rev: 2,
          signature: 'a beacon',
          category: 'Trojan',
          severity: 1,
        },
      ],
    );
  });

  test('has every field also where its texts are cut', async () => {
    const long = '\u20ac'.repeat(5000);
    lab = await openLab(hookOf((packet, runtime) => runtime.alert(packet, long, { category: long })));
    const { events } = await lab.send(PACKET);
    const [event] = events;
    assert.ok(event !== undefined);
    assertEve(eveLine(event));
    assert.equal(event.alert?.['signature'], '\u20ac'.repeat(66));
    assert.equal(event.alert?.['severity'], 3);
  });

  test('that is none is an error of the call, and nothing of it is written', async () => {
    const wrong: ((runtime: HookRuntime, packet: Packet) => void)[] = [
      (runtime, packet) => runtime.alert(packet, 7 as unknown as string),
      (runtime, packet) => runtime.alert(packet, 'x', { severity: 0 }),
      (runtime, packet) => runtime.alert(packet, 'x', { severity: 1.5 }),
      (runtime, packet) => runtime.alert(packet, 'x', { id: -1 }),
      (runtime, packet) => runtime.alert(packet, 'x', { action: 'maybe' as 'allowed' }),
      (runtime, packet) => runtime.alert(packet, 'x', { category: {} as string }),
    ];
    let refused = 0;
    lab = await openLab(
      hookOf((packet, runtime) => {
        for (const call of wrong)
          assert.throws(() => {
            call(runtime, packet);
          }, /^TypeError: alert: /);
        refused += 1;
      }),
    );
    assert.deepEqual((await lab.send(PACKET)).events, []);
    assert.equal(refused, 1);
  });
});
