/**
 * What the public header says of the callback and of its arguments, through a real lane.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FORWARD, type FORWARD_ACTION, type IPPacketFirewallPtr } from '../../../src/firewall/constants.ts';
import { gatherChain, type IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { bridgeWay, callback, chainOf, layRig } from '../lane/lane-rig.ts';

const DATAGRAM = ipv4({}, udp({}, Buffer.from('data')));
const FRAME = ethernet({}, DATAGRAM);

describe('the callback', () => {
  test('gets seven arguments, whether a packet is sent or received (DOC-INTRO-1, HDR-CALLBACK-1, HDR-CONTEXT-2, SAMPLE-DATA-1, SAMPLE-DATA-2)', async (t) => {
    const seen: unknown[] = [];
    const look = (...args: Parameters<IPPacketFirewallPtr>): FORWARD_ACTION => {
      const octets = Buffer.alloc(DATAGRAM.length);
      gatherChain(args[0].value, octets, 0);
      seen.push([args.length, args[4]?.Direction, octets]);
      return FORWARD;
    };
    const rig = layRig(t, {
      ways: [
        bridgeWay({ direction: 1 }),
        bridgeWay({ name: 'b > a', inPort: 1, outPort: 0, direction: 0, recvInterfaceIndex: 0 }),
      ],
      hooks: () => [callback('look', look)],
    });
    await rig.pass({ port: 0, bytes: FRAME }, { port: 1, bytes: FRAME });
    assert.deepEqual(seen, [
      [7, 1, DATAGRAM],
      [7, 0, DATAGRAM],
    ]);
  });

  test('finds five members in pContext, of which Direction alone says something, and their size (HDR-CONTEXT-1, HDR-CONTEXT-3, HDR-CONTEXT-4, SAMPLE-CONTEXT-1)', async (t) => {
    const seen: unknown[] = [];
    const rig = layRig(t, {
      hooks: () => [
        callback('look', (_, __, ___, ____, pContext, ContextLength) => {
          seen.push(Object.entries(pContext ?? {}), ContextLength);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    const members = [
      ['Direction', 1],
      ['NTE', null],
      ['LinkCtxt', null],
      ['LContext1', null],
      ['LContext2', 0],
    ];
    assert.deepEqual(seen, [members, 40]);
  });

  test('finds members without a meaning as the callback before it left them (HDR-RCVBUF-6)', async (t) => {
    const marks = {
      ipr_pMdl: {},
      ipr_pClientCnt: { value: 7 },
      ipr_RcvContext: Buffer.from('context'),
      ipr_RcvOffset: 9,
    };
    const seen: (IPRcvBuf | null)[] = [];
    const rig = layRig(t, {
      hooks: (pool) => [
        callback('replaces', (_, __, ___, ____, _____, ______, ppRcvBuf) => {
          ppRcvBuf.value = Object.assign(chainOf(pool, DATAGRAM), marks);
          return FORWARD;
        }),
        callback('looks', (pData) => {
          for (const [name, value] of Object.entries(marks)) {
            assert.equal(pData.value?.[name as keyof typeof marks], value, name);
          }
          seen.push(pData.value);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.equal(seen.length, 1);
    assert.deepEqual([rig.faults, rig.sent()], [[], [FRAME]]);
  });
});

test('a verdict of the filter hook is another one: PF_PASS 2 rejects, PF_ICMP_ON_DROP 3 is none (DOC-FILTER-2)', async (t) => {
  const [PF_PASS, PF_ICMP_ON_DROP] = [2, 3];
  for (const [verdict, rejected, faults] of [
    [PF_PASS, 1, []],
    [PF_ICMP_ON_DROP, 0, ['filter: returned 3, which is no verdict']],
  ] as const) {
    const rig = layRig(t, { hooks: () => [callback('filter', () => verdict as FORWARD_ACTION)] });
    await rig.pass(FRAME);
    assert.deepEqual([rig.row().rejected, rig.row().forwarded, rig.faults], [rejected, 0, faults]);
  }
});
