/**
 * The hook chain: order, verdicts, faults, and what becomes of the descriptor it lends, through a real lane.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FRAME_CHECKSUM_PARTIAL } from '../../../src/drivers/frame.ts';
import type { FORWARD_ACTION } from '../../../src/firewall/constants.ts';
import { DEST_LOCAL, DEST_REMOTE, DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { gatherChain, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import type { Pool } from '../../../src/firewall/pool.ts';
import { ACCEPT, type Verdict } from '../../../src/hook/contract.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import type { Packet } from '../../../src/hook/packet/packet-contract.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { callback, chainOf, descriptor, hook, INDEX_A, layRig } from '../lane/lane-rig.ts';
import { handOver, look, replaceWith } from './chain-hooks.ts';

const OLD = ipv4({}, udp({}, Buffer.from('old')));
const NEW = ipv4({}, udp({}, Buffer.from('new and longer')));
const OTHER = ipv4({}, udp({}, Buffer.from('another')));
const FRAME = ethernet({ tags: [{ id: 7 }], padTo: 64 }, OLD);
const framed = (datagram: Buffer) => ethernet({ tags: [{ id: 7 }] }, datagram);
describe('order', () => {
  test('larger priority runs first, ties in order of registration, none counts as 0', async (t) => {
    const order: string[] = [];
    const named = (name: string, priority?: number) =>
      hook(
        name,
        () => {
          order.push(name);
          return FORWARD;
        },
        priority,
      );
    const rig = layRig(t, {
      hooks: () => [
        named('zero'),
        named('minus', -1),
        named('ten', 10),
        named('also-ten', 10),
        named('plain', 0),
        named('top', 99),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(order, ['top', 'ten', 'also-ten', 'zero', 'plain', 'minus']);
    assert.deepEqual(
      rig.chain.hooks.map(({ name }) => name),
      order,
    );
  });

  test('a priority given from outside wins over the one the definition has', async (t) => {
    const order: string[] = [];
    const made = hook('first-by-module', () => DROP, 100);
    const rig = layRig(t, {
      hooks: () => [
        { ...made, priority: 1 },
        hook(
          'other',
          () => {
            order.push('other');
            return DROP;
          },
          2,
        ),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(order, ['other']);
    assert.deepEqual([rig.hook(0).dropped, rig.hook(1).seen], [1, 0]);
  });
});

describe('ACCEPT', () => {
  test('lets the packet go on past the later hooks, and is counted for hook and way', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('first', ({ destinationPort }) => (destinationPort === 22 ? ACCEPT : FORWARD)),
        hook('later', () => DROP),
      ],
    });
    await rig.pass(framed(ipv4({}, udp({ destinationPort: 22 }))), FRAME);
    assert.deepEqual([rig.row().forwarded, rig.row().accepted, rig.row().droppedByHook], [1, 1, 1]);
    assert.deepEqual([rig.hook(0).accepted, rig.hook(0).forwarded, rig.hook(1).seen], [1, 1, 1]);
    assert.equal(rig.chain.decidedBy, 1);
  });

  test('takes what the hook wrote and put in the place of the packet', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [replaceWith((own) => chainOf(own, NEW), ACCEPT)(pool), hook('later', () => DROP)],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent(), [framed(NEW)]);
    const writes = layRig(t, {
      hooks: () => [
        hook('writes', (packet) => {
          packet.bytes[8] = 7;
          return ACCEPT;
        }),
        hook('later', () => DROP),
      ],
    });
    await writes.pass(FRAME);
    assert.equal(writes.sent()[0]?.[18 + 8], 7);
  });

  test('of a hook that is at fault ends nothing: onHookError decides', async (t) => {
    for (const onHookError of ['drop', 'forward'] as const) {
      const rig = layRig(t, {
        onHookError,
        hooks: () => [
          hook('wrong', (_packet, context) => {
            context.sendInterfaceIndex = 77;
            return ACCEPT;
          }),
          hook('later', () => FORWARD),
        ],
      });
      await rig.pass(FRAME);
      assert.deepEqual([rig.hook(0).faults, rig.hook(0).accepted, rig.row().accepted], [1, 0, 0]);
      assert.equal(rig.hook(1).seen, onHookError === 'drop' ? 0 : 1);
    }
  });

  test('is no verdict of a seven-argument callback', async (t) => {
    const rig = layRig(t, { leaks: 0, hooks: () => [callback('seven', () => ACCEPT as never)] });
    await rig.pass(FRAME);
    assert.deepEqual([rig.hook(0).faults, rig.row().droppedByFault], [1, 1]);
  });
});

describe('the seven-argument door', () => {
  test('is for IPv4: an IPv6 packet passes it by and goes on to the next hook', async (t) => {
    const versions: number[] = [];
    const rig = layRig(t, {
      hooks: () => [
        callback('drop-all', () => DROP),
        hook('look', ({ version }) => {
          versions.push(version);
          return FORWARD;
        }),
      ],
    });
    const overIpv6 = ethernet({}, ipv6({}, udp()));
    await rig.pass(overIpv6, FRAME);
    assert.deepEqual([rig.sent(), versions], [[overIpv6], [6]]);
    assert.deepEqual([rig.hook(0).seen, rig.hook(0).dropped, rig.hook(1).seen], [1, 1, 1]);
  });
});

describe('the lent descriptor', () => {
  test('handed back as it is changes nothing, through either door', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('same', (packet) => {
          packet.replace(packet.chain);
          return FORWARD;
        }),
        callback('same-7', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
          ppRcvBuf.value = pData.value;
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.sent(), rig.faults, rig.row().replaced], [[FRAME], [], 0]);
  });

  test('may be made shorter', async (t) => {
    const rig = layRig(t, {
      hooks: () => [
        hook('shorten', (packet) => {
          const { chain } = packet;
          chain.ipr_size -= 3;
          ipv4({}, udp()).copy(packet.bytes);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME, FRAME);
    assert.deepEqual(rig.sent(), [framed(ipv4({}, udp())), framed(ipv4({}, udp()))]);
    assert.equal(rig.row().replaced, 2);
  });

  test('may get a tail of the pool linked behind it', async (t) => {
    const extend = (packet: Packet, pool: Pool): Verdict => {
      const whole = ipv4({}, udp({}, Buffer.from('old, new')));
      whole.copy(packet.bytes, 0, 0, OLD.length);
      packet.chain.ipr_next = chainOf(pool, whole.subarray(OLD.length, OLD.length + 2), whole.subarray(OLD.length + 2));
      return FORWARD;
    };
    const rig = layRig(t, { hooks: (pool) => [hook('extend', (packet) => extend(packet, pool))] });
    await rig.pass(FRAME, FRAME);
    const expected = framed(ipv4({}, udp({}, Buffer.from('old, new'))));
    assert.deepEqual(rig.sent(), [expected, expected]);
  });

  test('keeps the note that the checksum is not final when it gets a tail', async (t) => {
    const partial = ipv4({}, tcp({ checksum: 0x1234 }, Buffer.from('four')));
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('extend', (packet) => {
          packet.bytes.writeUInt16BE(packet.length + 4, 2);
          packet.bytes.writeUInt16BE(ipv4({}, tcp({}, Buffer.from('fourmore'))).readUInt16BE(10), 10);
          packet.chain.ipr_next = chainOf(pool, Buffer.from('more'));
          return FORWARD;
        }),
      ],
    });
    await rig.pass({ port: 0, bytes: framed(partial), flags: FRAME_CHECKSUM_PARTIAL });
    assert.deepEqual(rig.sent(), [framed(ipv4({}, tcp({}, Buffer.from('fourmore'))))]);
  });

  test('with a tail and a DROP has its tail freed', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('tail', (packet) => {
          packet.chain.ipr_next = chainOf(pool, Buffer.alloc(9));
          return DROP;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.equal(rig.row().droppedByHook, 1);
  });

  test('with a tail beside a replacement loses the tail and keeps the replacement', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('both', (packet) => {
          packet.chain.ipr_next = chainOf(pool, Buffer.alloc(9));
          packet.replace(chainOf(pool, NEW));
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent(), [framed(NEW)]);
  });

  const misuses: Record<string, (chain: IPRcvBuf, pool: Pool) => void> = {
    'an empty datagram': (chain) => {
      chain.ipr_size = 0;
    },
    'a cut datagram': (chain) => {
      chain.ipr_size -= 1;
    },
    'a size larger than the datagram': (chain) => {
      chain.ipr_size += 1;
    },
    'a size that is no number': (chain) => {
      chain.ipr_size = Number.NaN;
    },
    'another buffer': (chain) => {
      chain.ipr_buffer = Buffer.from(NEW);
    },
    'no buffer': (chain) => {
      chain.ipr_buffer = null;
    },
    'a stranger for a tail': (chain) => {
      chain.ipr_next = new IPRcvBuf();
    },
    'itself for a tail': (chain) => {
      chain.ipr_next = chain;
    },
    'nonsense for a tail': (chain) => {
      chain.ipr_next = 7 as unknown as IPRcvBuf;
    },
    'a tail that makes it too long': (chain, pool) => {
      chain.ipr_next = chainOf(pool, Buffer.alloc(65_535));
    },
  };
  for (const [what, misuse] of Object.entries(misuses)) {
    test(`given ${what} is a fault, and is right again for the next hook`, async (t) => {
      const seen: Buffer[] = [];
      const rig = layRig(t, {
        onHookError: 'forward',
        hooks: (pool) => [
          hook('misuse', (packet) => {
            misuse(packet.chain, pool);
            return FORWARD;
          }),
          look(seen),
        ],
      });
      await rig.pass(FRAME, FRAME);
      assert.deepEqual(seen, [OLD, OLD]);
      assert.deepEqual(rig.sent(), [FRAME, FRAME]);
      assert.deepEqual([rig.hook(0).faults, rig.row().hookFaults, rig.row().lost], [2, 2, 0]);
    });
  }

  test('may be brought back in the place of a replacement, but not reshaped meanwhile', async (t) => {
    let lent: IPRcvBuf | null = null;
    const seen: Buffer[] = [];
    const keep = hook('keep', (packet) => {
      lent = packet.chain;
      return FORWARD;
    });
    const back = layRig(t, {
      hooks: (pool) => [
        keep,
        replaceWith((from) => chainOf(from, NEW))(pool),
        hook('back', (packet) => {
          if (lent !== null) packet.replace(lent);
          return FORWARD;
        }),
        look(seen),
      ],
    });
    await back.pass(FRAME);
    assert.deepEqual([back.sent(), seen, back.faults, back.row().replaced], [[FRAME], [OLD], [], 0]);
    const reshaped = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        keep,
        replaceWith((from) => chainOf(from, NEW))(pool),
        hook('reshape', () => {
          if (lent !== null) lent.ipr_next = chainOf(pool, Buffer.alloc(4));
          return FORWARD;
        }),
      ],
    });
    await reshaped.pass(FRAME);
    assert.deepEqual(reshaped.sent(), [framed(NEW)]);
    assert.equal(reshaped.faults.length, 1);
  });
});

describe('a pool without memory', () => {
  const small = { poolBytes: 64 * 1024 };

  test('loses the packet when buffers cannot be joined for the next hook, and books that on no hook', async (t) => {
    const rig = layRig(t, {
      ...small,
      hooks: (pool) => [
        hook('fill', (packet) => {
          packet.replace(chainOf(pool, NEW.subarray(0, 20), NEW.subarray(20)));
          pool.limitBytes = 1;
          return FORWARD;
        }),
        hook('never', () => FORWARD),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.row().lost, rig.row().lostPool, rig.hook(1).seen], [1, 1, 0]);
    assert.deepEqual(rig.faults, []);
  });

  test('loses the packet whose lent descriptor was shortened', async (t) => {
    const rig = layRig(t, {
      poolBytes: 1,
      hooks: () => [
        hook('shorten', (packet) => {
          packet.chain.ipr_size -= 3;
          ipv4({}, udp()).copy(packet.bytes);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.row().lost, rig.row().lostPool], [1, 1]);
  });
});

describe('a fault', () => {
  const faults: Record<string, [reason: string, (pool: Pool) => unknown]> = {
    'a throw': [
      'threw',
      () => {
        throw new Error('no');
      },
    ],
    'a throw of nothing': [
      'threw',
      () => {
        throw undefined as unknown as Error;
      },
    ],
    'a promise': ['returned a promise; a hook gives its verdict before it returns', () => Promise.resolve(FORWARD)],
    'a number that is no verdict': ['returned 7, which is no verdict', () => 7],
    nothing: ['returned undefined, which is no verdict', () => undefined],
    null: ['returned null, which is no verdict', () => null],
    true: ['returned true, which is no verdict', () => true],
    'a verdict as text': ['returned "0", which is no verdict', () => '0'],
    'an allocation freed twice in silence': [
      'misused the pool and hid it',
      (pool) => {
        const chain = descriptor(pool);
        pool.freeChain(chain);
        try {
          pool.freeChain(chain);
        } catch {
          // The very thing that must not go unnoticed.
        }
        return FORWARD;
      },
    ],
  };
  for (const [what, [reason, misbehave]] of Object.entries(faults)) {
    test(`${what} is one, and onHookError decides`, async (t) => {
      for (const door of ['defined', 'callback'] as const) {
        const make = (pool: Pool): LoadedHook[] => [
          door === 'defined'
            ? hook('bad', () => misbehave(pool) as FORWARD_ACTION)
            : callback('bad', () => misbehave(pool) as FORWARD_ACTION),
          hook('next', () => FORWARD),
        ];
        const drops = layRig(t, { hooks: make });
        await drops.pass(FRAME);
        assert.deepEqual(drops.faults, [`bad: ${reason}`]);
        assert.deepEqual([drops.row().droppedByFault, drops.row().hookFaults, drops.hook(1).seen], [1, 1, 0]);
        assert.deepEqual([drops.hook(0).faults, drops.hook(0).dropped], [1, 1]);
        const forwards = layRig(t, { hooks: make, onHookError: 'forward' });
        await forwards.pass(FRAME);
        assert.deepEqual([forwards.sent(), forwards.row().hookFaults, forwards.hook(1).seen], [[FRAME], 1, 1]);
        assert.deepEqual([forwards.hook(0).faults, forwards.hook(0).forwarded], [1, 0]);
      }
    });
  }

  test('frees what the hook handed over before it', async (t) => {
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        hook('throw', (packet) => {
          packet.replace(chainOf(pool, OTHER));
          packet.replace(chainOf(pool, NEW));
          packet.chain.ipr_next = chainOf(pool, Buffer.alloc(3));
          throw new Error('after all');
        }),
        callback('no-verdict', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
          pData.value = chainOf(pool, OTHER);
          ppRcvBuf.value = chainOf(pool, NEW);
          return 7 as FORWARD_ACTION;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent(), [FRAME]);
    assert.equal(rig.row().hookFaults, 1, 'an attribute of the packet');
    assert.equal(rig.hook(0).faults + rig.hook(1).faults, 2);
  });

  test('takes back the interface and the destination type that the hook set', async (t) => {
    const types: number[] = [];
    for (const bad of [
      hook('bad', (_, context) => {
        context.sendInterfaceIndex = INDEX_A;
        context.destinationType = 0;
        throw new Error('after all');
      }),
      callback('bad', (_, __, pSendInterfaceIndex, pDestinationType) => {
        pSendInterfaceIndex.value = INDEX_A;
        pDestinationType.value = 0;
        return 9 as FORWARD_ACTION;
      }),
    ]) {
      const next = hook('next', (_, context) => {
        types.push(context.destinationType);
        return FORWARD;
      });
      const rig = layRig(t, { onHookError: 'forward', hooks: () => [bad, next] });
      await rig.pass(FRAME);
      assert.equal(rig.driver.sent[0]?.port, 1);
    }
    assert.deepEqual(types, [DEST_REMOTE, DEST_REMOTE]);
  });

  test('of a hook that says DROP or ICMP_ON_DROP changes nothing about that', async (t) => {
    const faults: Record<string, (pool: Pool) => LoadedHook> = {
      'a replacement that is not its own': () =>
        callback('bad', (_, __, ___, ____, _____, ______, ppRcvBuf) => {
          ppRcvBuf.value = new IPRcvBuf();
          return verdict;
        }),
      'an interface that is not there': () =>
        hook('bad', (_, context) => {
          context.sendInterfaceIndex = 77;
          return verdict;
        }),
      'a type that is none': () =>
        hook('bad', (_, context) => {
          context.destinationType = Number.NaN;
          return verdict;
        }),
      'a misuse that it hides': (pool) =>
        hook('bad', () => {
          try {
            pool.freeChain(new IPRcvBuf());
          } catch {
            // Hidden.
          }
          return verdict;
        }),
    };
    let verdict: FORWARD_ACTION = DROP;
    for (verdict of [DROP, ICMP_ON_DROP] as const) {
      for (const [what, make] of Object.entries(faults)) {
        for (const onHookError of ['forward', 'drop'] as const) {
          const rig = layRig(t, { onHookError, hooks: (pool) => [make(pool), hook('next', () => FORWARD)] });
          await rig.pass(FRAME);
          assert.equal(rig.faults.length, 1, what);
          const { forwarded, droppedByHook, droppedByFault, rejected, hookFaults } = rig.row();
          assert.deepEqual(
            { forwarded, droppedByHook, droppedByFault, rejected, hookFaults },
            {
              forwarded: 0,
              droppedByHook: verdict === DROP ? 1 : 0,
              droppedByFault: 0,
              rejected: verdict === DROP ? 0 : 1,
              hookFaults: 1,
            },
            what,
          );
          assert.equal(rig.hook(1).seen, 0);
        }
      }
    }
  });
});

describe('the cells of a callback', () => {
  test('pDestinationType is a UCHAR, and what is there the next hook sees (HDR-CALLBACK-2, HDR-CHANGE-2, HDR-DEST-11)', async (t) => {
    const seen: number[] = [];
    for (const [set, expected] of [
      [300, 44],
      [-1, 255],
      [DEST_LOCAL, DEST_LOCAL],
    ] as const) {
      const rig = layRig(t, {
        hooks: () => [
          callback('set', (_, __, ___, pDestinationType) => {
            pDestinationType.value = set;
            return FORWARD;
          }),
          callback('look', (_, __, ___, pDestinationType) => {
            seen.push(pDestinationType.value);
            return FORWARD;
          }),
          hook('look-too', (_, context) => {
            seen.push(context.destinationType);
            return FORWARD;
          }),
        ],
      });
      await rig.pass(FRAME);
      assert.deepEqual(seen.splice(0), [expected, expected]);
      assert.deepEqual(rig.faults, []);
    }
    const bad = layRig(t, {
      hooks: () => [
        callback('bad', (_, __, ___, pDestinationType) => {
          pDestinationType.value = 1.5;
          return FORWARD;
        }),
      ],
    });
    await bad.pass(FRAME);
    assert.deepEqual(bad.faults, ['bad: set a destination type that is no whole number']);
  });

  test('what one callback writes into pContext reaches no other, nor itself at the next packet', async (t) => {
    const seen: unknown[] = [];
    const look = callback('look', (_, __, ___, ____, pContext) => {
      seen.push({ ...pContext });
      return FORWARD;
    });
    const write = callback('write', (_, __, ___, ____, pContext) => {
      seen.push({ ...pContext });
      assert.ok(pContext !== null);
      pContext.Direction = 0;
      pContext.NTE = 'mine';
      pContext.LinkCtxt = {};
      pContext.LContext1 = 7;
      pContext.LContext2 = 8;
      return FORWARD;
    });
    const rig = layRig(t, { hooks: () => [write, look] });
    await rig.pass(FRAME, FRAME);
    const untouched = { Direction: 1, NTE: null, LinkCtxt: null, LContext1: null, LContext2: 0 };
    assert.deepEqual(seen, [untouched, untouched, untouched, untouched]);
  });

  test('a hook that freezes its cells or gives them accessors harms itself only', async (t) => {
    for (const spoil of [
      (cells: object[]) => cells.forEach((cell) => void Object.freeze(cell)),
      ([pData]: object[]) =>
        Object.defineProperty(pData, 'value', {
          get: () => {
            throw new Error('from an accessor');
          },
        }),
      (cells: object[]) => cells.forEach((cell) => void Object.assign(cell, { more: 1 })),
    ]) {
      const rig = layRig(t, {
        onHookError: 'forward',
        hooks: () => [
          callback('spoil', (pData, _, pSend, pType, pContext, __, ppRcvBuf) => {
            spoil([pData, pSend, pType, pContext as object, ppRcvBuf]);
            return FORWARD;
          }),
          callback('next', (pData) => (pData.value === null ? DROP : FORWARD)),
        ],
      });
      await rig.pass(FRAME, FRAME);
      assert.deepEqual([rig.row().forwarded, rig.hook(1).forwarded, rig.hook(1).faults], [2, 2, 0]);
      assert.ok(rig.hook(0).faults >= 1);
    }
  });

  test('a descriptor cannot be given accessors', async (t) => {
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        callback('spoil', (_, __, ___, ____, _____, ______, ppRcvBuf) => {
          const mine = chainOf(pool, NEW);
          ppRcvBuf.value = mine;
          Object.defineProperty(mine, 'ipr_next', { get: () => mine });
          return FORWARD;
        }),
        callback('spoil-too', (pData) => {
          Object.defineProperty(pData.value, 'ipr_size', { get: () => 0 });
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.equal(rig.faults.length, 2);
    assert.deepEqual(rig.sent(), [FRAME]);
  });
});

describe('counting changes', () => {
  test('tells changed from unchanged and replaced, where it is asked for', async (t) => {
    const hooks = (pool: Pool): LoadedHook[] => [
      hook('look', () => FORWARD),
      hook('change', (packet) => {
        packet.bytes[8] = 1;
        return FORWARD;
      }),
      hook('same', (packet) => {
        packet.bytes[8] = 1;
        return FORWARD;
      }),
      replaceWith((from) => chainOf(from, NEW.subarray(0, 20), NEW.subarray(20)))(pool),
      callback('change-7', (pData) => {
        const first = pData.value?.ipr_buffer;
        if (first !== null && first !== undefined) first[8] = 2;
        return FORWARD;
      }),
      hook('change-and-drop', (packet) => {
        packet.bytes[8] = 3;
        return DROP;
      }),
    ];
    const tracked = layRig(t, { hooks, trackChanges: true });
    await tracked.pass(FRAME, FRAME);
    assert.deepEqual(
      [0, 1, 2, 3, 4, 5].map((index) => [tracked.hook(index).changed, tracked.hook(index).replaced]),
      [
        [0, 0],
        [2, 0],
        [0, 0],
        [0, 2],
        [2, 0],
        [2, 0],
      ],
    );
    const untracked = layRig(t, { hooks });
    await untracked.pass(FRAME);
    assert.equal(untracked.hook(1).changed, 0);
  });

  test('sees that a later hook made a replacement longer', async (t) => {
    const rig = layRig(t, {
      trackChanges: true,
      hooks: (pool) => [
        handOver((from) => chainOf(from, NEW))(pool),
        callback('pad', (pData) => {
          if (pData.value !== null) pData.value.ipr_next = chainOf(pool, Buffer.alloc(4));
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.equal(rig.hook(1).changed, 1);
  });

  test('lets a frame longer than any datagram pass', async (t) => {
    const ports = [0, 1].map((id) => ({ id, linktype: 1, maxFrameLength: 100_000 }));
    const rig = layRig(t, { ports, trackChanges: true, hooks: () => [hook('look', () => FORWARD)] });
    const long = ethernet({}, ipv4({ totalLength: 0 }, tcp({}, Buffer.alloc(70_000))));
    await rig.pass(long, FRAME);
    assert.deepEqual(rig.sent(), [long, FRAME]);
  });
});

test('a hook reads through the chain what it reads through the octets (SAMPLE-DATA-1)', async (t) => {
  const rig = layRig(t, {
    hooks: () => [
      hook('compare', ({ chain, bytes, length }) => {
        const copy = Buffer.alloc(length);
        return gatherChain(chain, copy, 0) === length && copy.equals(bytes.subarray(0, length)) ? FORWARD : DROP;
      }),
    ],
  });
  await rig.pass(FRAME);
  assert.deepEqual(rig.sent(), [FRAME]);
});
