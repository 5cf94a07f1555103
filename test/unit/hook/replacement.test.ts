/**
 * What hooks put in a packet's place, and who owns it: taken, seen by later hooks, sent, refused, freed.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DROP, FORWARD, ICMP_ON_DROP, IPR_FLAG_CHECKSUM_OFFLOAD } from '../../../src/firewall/constants.ts';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { checkIpv4, tcp as isTcp } from '../../support/packet-checker.ts';
import { callback, chainOf, descriptor, hook, layRig } from '../lane/lane-rig.ts';
import { handOver, look, measure, replaceWith } from './chain-hooks.ts';

const OLD = ipv4({}, udp({}, Buffer.from('old')));
const NEW = ipv4({}, udp({}, Buffer.from('new and longer')));
const OTHER = ipv4({}, udp({}, Buffer.from('another')));
const FRAME = ethernet({ tags: [{ id: 7 }], padTo: 64 }, OLD);
const framed = (datagram: Buffer) => ethernet({ tags: [{ id: 7 }] }, datagram);
const NOT_OWN = 'handed over a chain that is not its own from the pool';
const NO_DATAGRAM = 'handed over a chain that holds no well-formed IP datagram';
const BROKEN = 'broke the chain that stands for the packet';

describe('a replacement', () => {
  for (const door of [replaceWith, handOver]) {
    test(`of one, two or many buffers goes out behind the link header (${door.name}) (HDR-CALLBACK-4, HDR-REPLACE-1)`, async (t) => {
      const parts = [
        [NEW],
        [NEW.subarray(0, 20), NEW.subarray(20)],
        [NEW.subarray(0, 9), NEW.subarray(9, 20), Buffer.alloc(0), NEW.subarray(20)],
        Array.from(NEW, (octet) => Buffer.of(octet)),
        [Buffer.alloc(0), NEW],
      ];
      let turn = 0;
      const rig = layRig(t, {
        hooks: (pool) => [door((from) => chainOf(from, ...(parts[turn++] ?? [])))(pool)],
      });
      await rig.pass(...parts.map(() => FRAME));
      assert.deepEqual(
        rig.sent(),
        parts.map(() => framed(NEW)),
      );
      assert.deepEqual([rig.row().replaced, rig.hook(0).replaced, rig.hook(0).forwarded], [5, 5, 5]);
      assert.deepEqual(rig.faults, []);
    });

    for (const verdict of [DROP, ICMP_ON_DROP] as const) {
      test(`handed over with verdict ${verdict} is freed (${door.name})`, async (t) => {
        const rig = layRig(t, { hooks: (pool) => [door((from) => chainOf(from, NEW), verdict)(pool)] });
        await rig.pass(FRAME);
        assert.deepEqual([rig.row().dropped, rig.row().rejected, rig.row().replaced], [2 - verdict, verdict - 1, 0]);
        assert.deepEqual(rig.faults, []);
      });
    }

    test(`that is no well-formed datagram is refused and freed (${door.name})`, async (t) => {
      const bad = [Buffer.alloc(40), NEW.subarray(0, 19), NEW.subarray(0, NEW.length - 1), Buffer.alloc(0)];
      let turn = 0;
      const rig = layRig(t, { hooks: (pool) => [door((from) => chainOf(from, bad[turn++] ?? NEW))(pool)] });
      await rig.pass(...bad.map(() => FRAME));
      assert.equal(rig.row().droppedByFault, 4);
      assert.ok(rig.faults.every((fault) => fault.endsWith(NO_DATAGRAM)));
    });
  }

  test('longer than a datagram can be is refused and freed', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        replaceWith((from) => chainOf(from, NEW, Buffer.alloc(65_535 - NEW.length), Buffer.alloc(1)))(pool),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.faults, [`replace: ${NO_DATAGRAM}`]);
  });

  test('of another IP version than the link header names is refused', async (t) => {
    const rig = layRig(t, { hooks: (pool) => [replaceWith((from) => chainOf(from, ipv6({}, udp())))(pool)] });
    await rig.pass(FRAME);
    assert.deepEqual(rig.faults, ['replace: handed over a datagram of another IP version than its link header names']);
  });

  test('of several buffers is joined for a defineHook hook and kept as it is for a callback', async (t) => {
    const seen: Buffer[] = [];
    const sizes: number[][] = [];
    const rig = layRig(t, {
      hooks: (pool) => [
        handOver((from) => chainOf(from, NEW.subarray(0, 20), NEW.subarray(20)))(pool),
        measure(sizes),
        look(seen),
        measure(sizes),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(seen, [NEW]);
    assert.deepEqual(sizes, [[20, NEW.length - 20], [NEW.length]]);
    assert.deepEqual(rig.sent(), [framed(NEW)]);
    assert.equal(rig.hook(0).replaced, 1);
  });

  test('is what later hooks see, read and may replace again', async (t) => {
    const seen: Buffer[] = [];
    const rig = layRig(t, {
      hooks: (pool) => [
        replaceWith((from) => chainOf(from, NEW))(pool),
        look(seen),
        handOver((from) => chainOf(from, OTHER))(pool),
        look(seen),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(seen, [NEW, OTHER]);
    assert.deepEqual(rig.sent(), [framed(OTHER)]);
    assert.equal(rig.row().replaced, 1, 'a packet counts once, however often it is replaced');
  });

  test('shows a later hook its own layout, also after a worse one was refused', async (t) => {
    const ports: number[] = [];
    const replacement = ipv4({ options: Buffer.alloc(4, 1) }, udp({ destinationPort: 5353 }));
    let turn = 0;
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        replaceWith((from) => chainOf(from, replacement))(pool),
        replaceWith((from) => chainOf(from, turn++ === 0 ? ipv6({}, tcp()) : Buffer.alloc(60, 0x45)))(pool),
        hook('ports', (packet) => {
          ports.push(packet.destinationPort);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME, FRAME);
    assert.deepEqual(ports, [5353, 5353]);
    assert.deepEqual(rig.sent(), [framed(replacement), framed(replacement)]);
  });

  test('is gone with the packet: the next one stands for itself', async (t) => {
    const seen: Buffer[] = [];
    let isFirst = true;
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('once', (packet) => {
          if (isFirst) packet.replace(chainOf(pool, NEW));
          isFirst = false;
          return FORWARD;
        }),
        look(seen),
      ],
    });
    await rig.pass(FRAME, FRAME);
    assert.deepEqual(seen, [NEW, OLD]);
    assert.deepEqual(rig.sent(), [framed(NEW), FRAME]);
  });

  test('that is dropped by a later hook is freed, and the answer quotes the packet that came', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [replaceWith((from) => chainOf(from, NEW))(pool), hook('reject', () => ICMP_ON_DROP)],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent()[0]?.subarray(18 + 28), OLD);
  });

  test('whose first descriptor says that the checksum is not final has it completed (HDR-CONST-6, HDR-RCVBUF-7)', async (t) => {
    const partial = ipv4({}, tcp({ checksum: 0x1234 }, Buffer.from('data')));
    const flagged = (pool: Pool): IPRcvBuf => {
      const chain = chainOf(pool, partial.subarray(0, 20), partial.subarray(20));
      chain.ipr_flags = IPR_FLAG_CHECKSUM_OFFLOAD;
      return chain;
    };
    for (const later of [[], [look([])]]) {
      const rig = layRig(t, { hooks: (pool) => [handOver(flagged)(pool), ...later] });
      await rig.pass(FRAME);
      checkIpv4(rig.sent()[0]?.subarray(18) ?? Buffer.alloc(0), isTcp());
    }
    const odd = layRig(t, {
      hooks: (pool) => [
        handOver((from) => {
          const chain = chainOf(from, partial);
          chain.ipr_flags = 2n as unknown as number;
          return chain;
        })(pool),
      ],
    });
    await odd.pass(FRAME);
    assert.deepEqual(odd.sent(), [framed(partial)]);
  });
});

describe('several chains at once', () => {
  test('the last of several replace() calls counts, and the others are freed', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('twice', (packet) => {
          const first = chainOf(pool, OLD);
          packet.replace(first);
          packet.replace(chainOf(pool, OTHER));
          packet.replace(first);
          packet.replace(chainOf(pool, NEW));
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME, FRAME);
    assert.deepEqual(rig.sent(), [framed(NEW), framed(NEW)]);
    assert.deepEqual(rig.faults, []);
  });

  test('a replacement may take buffers of the one it takes the place of', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        hook('prepend', (packet) => {
          const body = chainOf(pool, NEW.subarray(20));
          packet.replace(body);
          const whole = chainOf(pool, NEW.subarray(0, 20));
          whole.ipr_next = body;
          packet.replace(whole);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent(), [framed(NEW)]);
  });

  test('*pData set to another chain is a replacement (HDR-CALLBACK-2, HDR-REPLACE-2)', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        callback('data', (pData) => {
          pData.value = chainOf(pool, NEW);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.sent(), [framed(NEW)]);
    assert.equal(rig.hook(0).replaced, 1);
  });

  test('with both cells set *ppRcvBuf wins and the other chain is freed', async (t) => {
    for (const same of [false, true]) {
      const rig = layRig(t, {
        hooks: (pool) => [
          callback('both', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
            ppRcvBuf.value = chainOf(pool, NEW);
            pData.value = same ? ppRcvBuf.value : chainOf(pool, OTHER);
            return FORWARD;
          }),
        ],
      });
      await rig.pass(FRAME);
      assert.deepEqual(rig.sent(), [framed(NEW)]);
    }
  });

  test('empty cells are empty, whether null or undefined', async (t) => {
    for (const nothing of [null, undefined]) {
      const rig = layRig(t, {
        hooks: () => [
          callback('empty', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
            pData.value = nothing as null;
            ppRcvBuf.value = nothing as null;
            return FORWARD;
          }),
        ],
      });
      await rig.pass(FRAME);
      assert.deepEqual([rig.sent(), rig.faults, rig.row().replaced], [[FRAME], [], 0]);
    }
  });
});

describe('a chain that is not a hook’s to give', () => {
  const bad: Record<string, (pool: Pool) => IPRcvBuf> = {
    'one made with new': () => {
      const chain = new IPRcvBuf();
      chain.ipr_buffer = Buffer.from(NEW);
      chain.ipr_size = NEW.length;
      return chain;
    },
    'one of another pool': () => chainOf(new Pool(1 << 20), NEW),
    'one that was freed': (pool) => {
      const chain = chainOf(pool, NEW);
      pool.freeChain(chain);
      return chain;
    },
    'a string': () => 'chain' as unknown as IPRcvBuf,
    'an object that looks like one': () => ({ ...new IPRcvBuf() }) as IPRcvBuf,
  };
  for (const [what, make] of Object.entries(bad)) {
    for (const door of [replaceWith, handOver]) {
      test(`${what} is refused (${door.name})`, async (t) => {
        const rig = layRig(t, { hooks: (pool) => [door(make)(pool)] });
        await rig.pass(FRAME);
        assert.equal(rig.faults.length, 1);
        assert.match(rig.faults[0] ?? '', new RegExp(NOT_OWN));
        assert.deepEqual([rig.row().droppedByFault, rig.row().hookFaults], [1, 1]);
      });
    }
  }

  test('a cycle is refused and stays in the books of its hook', async (t) => {
    const rig = layRig(t, {
      leaks: 64 + NEW.length,
      hooks: (pool) => [
        replaceWith((from) => {
          const chain = chainOf(from, NEW);
          chain.ipr_next = chain;
          return chain;
        })(pool),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual(rig.faults, [`replace: ${NOT_OWN}`]);
    assert.deepEqual(rig.pool.ownerUsage(0), { outstanding: 2, bytes: 64 + NEW.length, faults: 0 });
  });

  test('the chain that stands for the packet cannot be freed by a hook that did not make it, nor by its maker', async (t) => {
    let made: IPRcvBuf | null = null;
    const free = (name: string) => (pool: Pool) =>
      hook(name, (packet) => {
        pool.freeChain(made ?? packet.chain);
        return FORWARD;
      });
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        replaceWith((from) => {
          made = chainOf(from, NEW);
          return made;
        })(pool),
        free('strange-free')(pool),
      ],
    });
    await rig.pass(FRAME, FRAME);
    assert.deepEqual(rig.faults, ['strange-free: threw', 'strange-free: threw']);
    assert.deepEqual(rig.sent(), [framed(NEW), framed(NEW)]);
  });
});

describe('a later hook that works on a replacement', () => {
  const replaced = (pool: Pool) =>
    handOver((from) => chainOf(from, NEW.subarray(0, 20), NEW.subarray(20, 30), NEW.subarray(30)))(pool);
  const second = (chain: IPRcvBuf | null): IPRcvBuf | null => chain?.ipr_next ?? null;

  test('may change, shorten and lengthen it in place', async (t) => {
    const longer = ipv4({}, udp({}, Buffer.from('new and longer, and a tail')));
    const seen: Buffer[] = [];
    const rig = layRig(t, {
      hooks: (pool) => [
        replaced(pool),
        callback('append', (pData) => {
          const tail = chainOf(pool, longer.subarray(NEW.length));
          const last = second(second(pData.value));
          longer.copy(pData.value?.ipr_buffer ?? Buffer.alloc(0), 0, 0, 20);
          longer.copy(second(pData.value)?.ipr_buffer ?? Buffer.alloc(0), 0, 20, 30);
          if (last !== null) last.ipr_next = tail;
          return FORWARD;
        }),
        look(seen),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.sent(), seen, rig.faults], [[framed(longer)], [longer], []]);
  });

  const breaks: Record<string, (chain: IPRcvBuf, pool: Pool) => void> = {
    'a cycle': (chain) => {
      const next = second(chain);
      if (next !== null) next.ipr_next = chain;
    },
    'its tail cut off': (chain) => {
      chain.ipr_next = null;
    },
    'a wrong size': (chain) => {
      chain.ipr_size = -1;
    },
    'its buffer taken': (chain) => {
      chain.ipr_buffer = null;
    },
    'a stranger linked to it': (chain) => {
      chain.ipr_next = new IPRcvBuf();
    },
    'a freed buffer linked to it': (chain, pool) => {
      const tail = chainOf(pool, Buffer.alloc(4));
      pool.freeChain(tail);
      chain.ipr_next = tail;
    },
    'its header broken': (chain) => {
      chain.ipr_buffer?.fill(0);
    },
  };
  for (const [what, breakIt] of Object.entries(breaks)) {
    for (const how of ['in silence', 'and hands it back', 'and hands over a stranger', 'and throws']) {
      test(`and leaves ${what} ${how} is at fault; the packet is dropped and every buffer freed`, async (t) => {
        const rig = layRig(t, {
          onHookError: 'forward',
          hooks: (pool) => [
            replaced(pool),
            callback('break', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
              if (pData.value !== null) breakIt(pData.value, pool);
              if (how === 'and hands it back') ppRcvBuf.value = pData.value;
              if (how === 'and hands over a stranger') ppRcvBuf.value = new IPRcvBuf();
              if (how === 'and throws') throw new Error('broken');
              return FORWARD;
            }),
            hook('never', () => FORWARD),
          ],
        });
        await rig.pass(FRAME, FRAME);
        assert.deepEqual(rig.faults, [`break: ${BROKEN}`, `break: ${BROKEN}`]);
        assert.deepEqual([rig.row().droppedByFault, rig.row().lost, rig.hook(2).seen], [2, 0, 0]);
      });
    }
  }

  test('may hand over a chain that it also linked behind the one it replaces', async (t) => {
    const rig = layRig(t, {
      hooks: (pool) => [
        replaced(pool),
        callback('relink', (pData, _, __, ___, ____, _____, ppRcvBuf) => {
          ppRcvBuf.value = chainOf(pool, OTHER);
          if (pData.value !== null) pData.value.ipr_next = ppRcvBuf.value;
          return FORWARD;
        }),
        look([]),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.sent(), rig.faults], [[framed(OTHER)], []]);
  });

  test('cannot free a buffer that another hook linked to it', async (t) => {
    let tail: IPRcvBuf | null = null;
    const rig = layRig(t, {
      onHookError: 'forward',
      hooks: (pool) => [
        handOver((from) => chainOf(from, NEW))(pool),
        callback('link', (pData) => {
          tail = descriptor(pool);
          if (pData.value !== null) pData.value.ipr_next = tail;
          return FORWARD;
        }),
        callback('free', () => {
          if (tail !== null) pool.freeChain(tail);
          return FORWARD;
        }),
      ],
    });
    await rig.pass(FRAME);
    assert.deepEqual([rig.sent(), rig.faults], [[framed(NEW)], ['free: threw']]);
  });
});
