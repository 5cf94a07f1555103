/**
 * The verdicts REPLY and RESET through a real lane: what goes back and on, and how it is booked.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_CHECKSUM_PARTIAL, FRAME_SUPER } from '../../../src/drivers/frame.ts';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { REPLY, RESET } from '../../../src/hook/contract.ts';
import type { DatagramSender } from '../../../src/lane/egress.ts';
import type { TcpFields } from '../../../src/wire/tcp.ts';
import { ethernet, icmpv4, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { bridgeWay, hook, layRig } from './lane-rig.ts';

const CLIENT = '192.0.2.1';
const SERVER = '198.51.100.2';
const [SYN, RST, ACK, FIN] = [2, 4, 16, 1];
const A = Buffer.from('020000000001', 'hex');
const B = Buffer.from('020000000002', 'hex');
const there = (datagram: Buffer) => ethernet({ tags: [{ id: 7 }], source: A, destination: B }, datagram);
const back = (datagram: Buffer) => ethernet({ tags: [{ id: 7 }], source: B, destination: A }, datagram);
const question = there(
  ipv4({ source: CLIENT, destination: SERVER, ttl: 9 }, udp({ sourcePort: 1000 }, Buffer.from('question'))),
);
const answer = (text: string) =>
  back(
    ipv4({ source: SERVER, destination: CLIENT }, udp({ sourcePort: 53, destinationPort: 1000 }, Buffer.from(text))),
  );
const resets = () => hook('resets', () => RESET);

type Fields = Partial<TcpFields>;
const PORTS: Fields = { sourcePort: 4000, destinationPort: 80 };
const TURNED: Fields = { sourcePort: 80, destinationPort: 4000 };
const sent4 = (fields: Fields, data = '') =>
  ipv4({ source: CLIENT, destination: SERVER }, tcp({ ...PORTS, ...fields }, Buffer.from(data)));
const on4 = (fields: Fields) =>
  ipv4({ source: CLIENT, destination: SERVER, dontFragment: true }, tcp({ window: 0, ...PORTS, ...fields }));
const back4 = (fields: Fields) =>
  ipv4({ source: SERVER, destination: CLIENT, dontFragment: true }, tcp({ window: 0, ...TURNED, ...fields }));

describe('REPLY', () => {
  test('sends a UDP answer of another length back, as the hook wrote it', async (t) => {
    for (const text of ['', 'short', 'an answer that is longer than the question']) {
      const rig = layRig(t, {
        hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.from(text))), hook('later', () => DROP)],
      });
      await rig.pass(question);
      assert.deepEqual(rig.driver.sent, [{ port: 0, bytes: answer(text) }]);
      assert.deepEqual([rig.row().replied, rig.row().replaced, rig.hook(0).replied, rig.hook(1).seen], [1, 0, 1, 0]);
    }
  });

  test('sends what was edited in place back, its checksums final', async (t) => {
    for (const flags of [0, FRAME_CHECKSUM_PARTIAL]) {
      const rig = layRig(t, {
        hooks: () => [
          hook('turns', ({ ip, icmp, udp: layer, bytes }) => {
            ip.swap();
            if (icmp !== null) icmp.type = 0;
            if (layer !== null) layer.destinationPort = 1000;
            bytes[1] = 0;
            return REPLY;
          }),
        ],
      });
      const echo = there(ipv4({ source: CLIENT, destination: SERVER }, icmpv4({ rest: 7 }, Buffer.from('data'))));
      await rig.pass({ port: 0, bytes: flags === 0 ? echo : question, flags });
      const expected =
        flags === 0
          ? back(ipv4({ source: SERVER, destination: CLIENT }, icmpv4({ type: 0, rest: 7 }, Buffer.from('data'))))
          : back(
              ipv4(
                { source: SERVER, destination: CLIENT, ttl: 9 },
                udp({ sourcePort: 1000, destinationPort: 1000 }, Buffer.from('question')),
              ),
            );
      assert.deepEqual(rig.sent(), [expected]);
    }
  });

  test('gives a group that was asked no address of a group to answer from', async (t) => {
    const rig = layRig(t, { hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.from('x')))] });
    await rig.pass(
      ethernet(
        { source: A, destination: Buffer.from('01005e0000fb', 'hex') },
        ipv4({ destination: '224.0.0.251' }, udp()),
      ),
    );
    assert.equal(rig.sent()[0]?.subarray(0, 12).toString('hex'), '020000000001020000000000');
  });

  test('leaves the host by its routes where the way back is no link', async (t) => {
    const made: Buffer[] = [];
    const sender: DatagramSender = {
      send: (datagram, length) => made.push(Buffer.from(datagram.subarray(0, length))) > 0,
    };
    const rig = layRig(t, {
      ways: [bridgeWay({ reject: 'raw', rejectPort: -1 })],
      sender,
      hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.from('yes')))],
    });
    await rig.pass(question);
    assert.deepEqual(made, [answer('yes').subarray(18)]);
    assert.equal(rig.row().replied, 1);
  });

  test('is lost where it cannot go, and counted so', async (t) => {
    const long = layRig(t, { hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.alloc(1473)))] });
    await long.pass(question);
    assert.deepEqual([long.row().replied, long.row().lostTooLong], [0, 1]);
    const broken = layRig(t, {
      failingPorts: [0],
      hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.alloc(1)))],
    });
    await broken.pass(question);
    assert.deepEqual([broken.row().replied, broken.row().lostSendError], [0, 1]);
    const large = layRig(t, { hooks: () => [hook('turns', () => REPLY)] });
    await large.pass({ port: 0, bytes: question, flags: FRAME_SUPER });
    assert.equal(large.row().lostTooLong, 1);
    const tap = layRig(t, {
      ways: [bridgeWay({ outPort: -1, reject: 'count', rejectPort: -1 })],
      hooks: () => [hook('turns', () => REPLY)],
    });
    await tap.pass(question);
    assert.deepEqual([tap.row().replied, tap.row().sent], [1, 0]);
  });

  test('is not sent by a hook that is at fault, and DROP where there is nothing to answer', async (t) => {
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: () => [
        hook('at fault', (packet, context) => {
          context.sendInterfaceIndex = 99;
          return packet.replyUdp(Buffer.from('x'));
        }),
      ],
    });
    await rig.pass(question);
    assert.deepEqual(rig.driver.sent, [{ port: 1, bytes: question }]);
    const other = layRig(t, { hooks: () => [hook('answers', (packet) => packet.replyUdp(Buffer.from('x')))] });
    await other.pass(there(sent4({ flags: SYN })));
    assert.equal(other.row().droppedByHook, 1);
  });

  test('is no verdict of a callback of Windows', async (t) => {
    const rig = layRig(t, { hooks: () => [hook('plain', () => 6 as never), hook('other', () => FORWARD)] });
    await rig.pass(question);
    assert.deepEqual(rig.faults, ['plain: returned HELD, and packet.hold() had not returned it']);
  });
});

describe('RESET', () => {
  const cases: readonly (readonly [string, Buffer, Buffer | null, Buffer | null])[] = [
    [
      'data',
      sent4({ flags: ACK, sequence: 100, acknowledgement: 7000 }, 'hello'),
      back4({ flags: RST, sequence: 7000, acknowledgement: 0 }),
      on4({ flags: RST | ACK, sequence: 100, acknowledgement: 7000 }),
    ],
    [
      'a SYN',
      sent4({ flags: SYN, sequence: 0xffffffff }),
      back4({ flags: RST | ACK, sequence: 0, acknowledgement: 0 }),
      null,
    ],
    [
      'a SYN with data',
      sent4({ flags: SYN, sequence: 10 }, 'abc'),
      back4({ flags: RST | ACK, sequence: 0, acknowledgement: 14 }),
      null,
    ],
    [
      'a SYN-ACK',
      sent4({ flags: SYN | ACK, sequence: 5, acknowledgement: 9 }),
      back4({ flags: RST, sequence: 9, acknowledgement: 0 }),
      on4({ flags: RST | ACK, sequence: 5, acknowledgement: 9 }),
    ],
    [
      'a FIN without an acknowledgement',
      sent4({ flags: FIN, sequence: 5 }, 'xy'),
      back4({ flags: RST | ACK, sequence: 0, acknowledgement: 8 }),
      on4({ flags: RST, sequence: 5, acknowledgement: 0 }),
    ],
    ['a reset', sent4({ flags: RST, sequence: 5 }), null, null],
  ];
  for (const [name, segment, toSender, toReceiver] of cases) {
    test(`of ${name} tells both ends what they believe`, async (t) => {
      const rig = layRig(t, { hooks: () => [resets()] });
      await rig.pass(there(segment));
      const expected = [
        ...(toSender === null ? [] : [{ port: 0, bytes: back(toSender) }]),
        ...(toReceiver === null ? [] : [{ port: 1, bytes: there(toReceiver) }]),
      ];
      assert.deepEqual(rig.driver.sent, expected);
      assert.deepEqual([rig.row().reset, rig.row().resets, rig.hook(0).reset], [1, expected.length, 1]);
    });
  }

  test('works over IPv6, of a super-frame too', async (t) => {
    const rig = layRig(t, { hooks: () => [resets()] });
    const segment = tcp({ ...PORTS, flags: ACK, sequence: 1, acknowledgement: 2 }, Buffer.alloc(3000));
    await rig.pass({ port: 0, bytes: there(ipv6({}, segment)), flags: FRAME_SUPER });
    const turned = { source: '2001:db8::2', destination: '2001:db8::1' };
    assert.deepEqual(rig.sent(), [
      back(ipv6(turned, tcp({ window: 0, ...TURNED, flags: RST, sequence: 2, acknowledgement: 0 }))),
      there(ipv6({}, tcp({ window: 0, ...PORTS, flags: RST | ACK, sequence: 1, acknowledgement: 2 }))),
    ]);
  });

  test('speaks to each end of the addresses that it knows, where an earlier hook translated them', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('nat', ({ ip }) => {
          ip.source.setWord(0, 0xcb007101);
          return FORWARD;
        }),
        resets(),
      ],
    });
    await rig.pass(there(sent4({ flags: ACK, sequence: 1, acknowledgement: 2 })));
    const translated = ipv4(
      { source: '203.0.113.1', destination: SERVER, dontFragment: true },
      tcp({ window: 0, ...PORTS, flags: RST | ACK, sequence: 1, acknowledgement: 2 }),
    );
    assert.deepEqual(rig.sent(), [back(back4({ flags: RST, sequence: 2, acknowledgement: 0 })), there(translated)]);
  });

  test('of what is not TCP is ICMP_ON_DROP', async (t) => {
    const rig = layRig(t, { hooks: () => [resets()] });
    await rig.pass(question);
    assert.deepEqual([rig.row().rejected, rig.row().icmpErrors, rig.row().reset], [1, 1, 0]);
  });

  test('answers nobody that no error would be sent to, and no later fragment', async (t) => {
    const rig = layRig(t, { hooks: () => [resets()] });
    const many = ethernet({ source: A, destination: Buffer.from('ffffffffffff', 'hex') }, sent4({ flags: SYN }));
    const none = there(ipv4({ source: '0.0.0.0', destination: SERVER }, tcp({ flags: SYN })));
    const later = there(ipv4({ source: CLIENT, destination: SERVER, fragmentOffset: 64 }, octets(6, Buffer.alloc(40))));
    await rig.pass(many, none, later);
    assert.deepEqual([rig.row().reset, rig.row().resets], [3, 0]);
  });

  test('has the rate of ICMP errors, and says what it held back; in a tap nothing goes', async (t) => {
    const rig = layRig(t, { icmpPerSecond: 2, hooks: () => [resets()] });
    const syn = there(sent4({ flags: SYN }));
    await rig.pass(syn, syn, syn, syn);
    assert.deepEqual([rig.row().reset, rig.row().resets, rig.row().resetsHeldBack], [4, 2, 2]);
    const tap = layRig(t, {
      ways: [bridgeWay({ outPort: -1, reject: 'count', rejectPort: -1 })],
      hooks: () => [resets()],
    });
    await tap.pass(syn);
    assert.deepEqual([tap.row().reset, tap.row().sent], [1, 0]);
    const refused = layRig(t, { failingPorts: [0], hooks: () => [resets()] });
    await refused.pass(syn);
    assert.deepEqual([refused.row().resets, refused.row().resetsRefused], [0, 1]);
  });
});
