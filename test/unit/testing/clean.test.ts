/**
 * What a lab finds wrong with a hook: faults, what is left in the pool, garbage, options, and how its assertions say so.
 *
 * @module
 */

import assert, { AssertionError } from 'node:assert';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import * as z from 'zod';
import {
  DROP,
  defineHook,
  ExAllocatePoolWithTag,
  FORWARD,
  HOOK_META,
  type HookDefinition,
  ICMP_ON_DROP,
  IPAllocBuff,
  IPFreeBuff,
  type IPRcvBuf,
  NonPagedPool,
} from '../../../src/index.ts';
import {
  allocationPerPacket,
  assertDropped,
  assertForwarded,
  assertLost,
  assertNoAllocation,
  assertPacket,
  assertRejected,
  differsOnlyIn,
  fields,
  type HookUnderTest,
  icmpv4,
  ipv4,
  ipv6,
  type LabOptions,
  openLab,
  sameAs,
  tcp,
  udp,
} from '../../../src/testing/index.ts';

const PACKET = ipv4({}, udp({}, 'data'));

function hookOf(onPacket: HookDefinition['onPacket'], more: object = {}): HookUnderTest {
  return defineHook({ name: 'hook', ...more, onPacket } as HookDefinition);
}

/** The message of the AssertionError that this ends with. */
async function failure(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    assert.ok(error instanceof AssertionError, String(error));
    return error.message;
  }
  return assert.fail('it did not fail');
}

/** Sends one packet, and says what closing the lab ends with. */
async function closing(hook: HookUnderTest, options: LabOptions = {}): Promise<string> {
  const lab = await openLab(hook, options);
  await lab.send(PACKET);
  return failure(() => lab.close());
}

describe('a fault', () => {
  test('decides the packet by policy, and is told with the line of the hook', async () => {
    const lab = await openLab(
      hookOf(() => {
        throw new RangeError('not\nmine');
      }),
    );
    const outcome = await lab.send(PACKET);
    assert.deepEqual([outcome.verdict, outcome.reason, outcome.by], ['dropped', 'droppedByFault', 'hook']);
    const [fault] = outcome.faults;
    assert.match(fault?.text ?? '', /^threw: RangeError: not mine \(\/.*clean\.test\.ts:\d+:\d+\)$/);
    lab.expectFaults(/^hook: threw: RangeError/);
    await lab.close();
    const lenient = await openLab(
      hookOf(() => 'no verdict' as never),
      { onHookError: 'forward' },
    );
    assertForwarded(await lenient.send(PACKET));
    assert.equal(lenient.counters('hook').faults, 1);
    lenient.expectFaults('"no verdict"');
    await lenient.close();
  });

  test('is also a name that a packet does not have', async () => {
    const lab = await openLab(
      hookOf((packet) => ((packet as unknown as { dport: number }).dport === 23 ? DROP : FORWARD)),
    );
    await lab.send(PACKET);
    lab.expectFaults(/a packet has no member 'dport'; did you mean destinationPort\?/);
    await lab.close();
  });

  test('that nobody expected fails the lab when it is closed', async () => {
    const message = await closing(hookOf(() => Promise.resolve(FORWARD) as never));
    assert.match(
      message,
      /^the lab does not close clean:\n {2}hook hook: returned a promise.* \(expectFaults says that it was to be\)$/,
    );
  });

  test('that is another one than was expected fails at once, and one time', async () => {
    const lab = await openLab(hookOf(() => 7 as never));
    await lab.send(PACKET);
    await lab.send(PACKET);
    const message = await failure(() => lab.expectFaults('7'));
    assert.match(message, /^other faults .*\nexpected:\n {2}7\ncame:\n {2}hook: .*\n {2}hook: .*$/);
    assert.match(await failure(() => lab.expectFaults('more')), /came:\n {2}none$/);
    lab.expectFaults();
    await lab.close();
  });
});

describe('what is left in the pool', () => {
  const allocate = (octets = 100): IPRcvBuf => {
    const descriptor = ExAllocatePoolWithTag(NonPagedPool, 64, 'tseT');
    assert.ok(descriptor !== null && IPAllocBuff(descriptor, octets) === 1);
    return descriptor;
  };

  test('is found when the lab is closed, with hook, number, octets and tags', async () => {
    const kept: IPRcvBuf[] = [];
    const leaks = hookOf(() => {
      kept.push(allocate());
      return FORWARD;
    });
    assert.equal(
      await closing(leaks),
      'the lab does not close clean:\n  hook hook left 2 allocations of 164 octets in the pool (by tag: TCPb 1, Test 1)',
    );
    assert.match(await closing(leaks), /left 2 allocations of 164 octets/, 'what an earlier lab left is not counted');
    for (const one of kept) IPFreeBuff(one);
  });

  test('by setup is found, too, and what teardown frees is not left', async () => {
    const kept: IPRcvBuf[] = [];
    const setUp = { setup: () => void kept.push(allocate()) };
    assert.match(
      await closing(hookOf(() => FORWARD, setUp)),
      /setup, a timer or the module of a hook left 2 allocations/,
    );
    const teardown = (): void => {
      for (const one of kept.splice(0)) IPFreeBuff(one);
    };
    const lab = await openLab(hookOf(() => FORWARD, { ...setUp, teardown }));
    await lab.send(PACKET);
    await lab.close();
  });

  test('does not keep the next lab from having all of its own', async () => {
    const lab = await openLab(hookOf((packet) => (packet.keep() === null ? DROP : FORWARD)));
    assertForwarded(await lab.send(PACKET));
    assert.deepEqual(
      [lab.counters('hook').outstanding, lab.counters('hook').outstandingBytes],
      [2, 64 + PACKET.length],
    );
    assert.match(await failure(() => lab.close()), /by tag: Keep 1, TCPb 1/);
  });
});

test('a teardown that throws fails the lab, and the lab is closed all the same', async () => {
  const teardown = (): never => {
    throw new Error('no');
  };
  assert.match(await closing(hookOf(() => FORWARD, { teardown })), /hook hook: teardown threw: no/);
  const lab = await openLab(hookOf(() => FORWARD));
  await lab.close();
  await lab.close();
  await assert.rejects(lab.send(PACKET), /this lab is closed/);
  await assert.rejects(lab.tick(1), /this lab is closed/);
});

describe('garbage', () => {
  const packets = [PACKET, ipv6({}, tcp()), ipv4({}, udp({ destinationPort: 24 }))];

  test('is not what a hook without it leaves, whatever its verdicts are', async () => {
    const lab = await openLab(
      hookOf(({ ip, destinationPort, bytes }) => {
        ip.ttl = 9;
        bytes[1] = 4;
        return destinationPort === 80 ? DROP : destinationPort === 24 ? ICMP_ON_DROP : FORWARD;
      }),
    );
    const { received } = lab.ledger();
    const startMs = lab.nowMs;
    assertNoAllocation(lab, packets);
    assert.equal(lab.ledger().received, received, 'a flood is in no ledger');
    const { seen, dropped, rejected, forwarded } = lab.counters('hook');
    assert.ok(seen >= 300_000);
    assert.deepEqual([dropped, rejected, forwarded], [seen / 3, seen / 3, seen / 3]);
    assert.ok(Math.abs(lab.nowMs - startMs - seen / 1000) < 1e-3, 'a microsecond a packet');
    assert.deepEqual(lab.departures, []);
    await lab.close();
  });

  test('is found', async () => {
    const kept: unknown[] = [null];
    const lab = await openLab(
      hookOf((packet) => {
        kept[0] = [packet.ip.ttl, kept];
        return FORWARD;
      }),
    );
    assert.ok(allocationPerPacket(lab, packets) >= 16);
    assert.match(await failure(() => assertNoAllocation(lab, packets)), /^a packet leaves \d+\.\d octets on the heap/);
    await lab.close();
  });

  test('is not looked for where the hook is at fault', async () => {
    let calls = 0;
    const lab = await openLab(
      hookOf(() => {
        calls += 1;
        return (calls === 5 ? 9 : FORWARD) as never;
      }),
    );
    assert.match(await failure(() => assertNoAllocation(lab, packets)), /^hook hook was at fault meanwhile: .*9/);
    lab.expectFaults('9');
    assert.throws(() => lab.prepareFlood([]), /a flood needs a packet/);
    await lab.close();
  });
});

describe('a hook is refused as a lane refuses it', () => {
  const schema = z.strictObject({ port: z.int(), names: z.array(z.string()).default([]) });

  test('for options that its schema does not take; those that it takes have its defaults', async () => {
    const got: unknown[] = [];
    const hook = defineHook({
      name: 'picky',
      options: schema,
      setup: (options) => {
        got.push(options);
        return { onPacket: () => FORWARD };
      },
    });
    await assert.rejects(openLab(hook), /hook picky: options\.port: /);
    await assert.rejects(openLab(hook, { options: { port: 1, prot: 2 } }), /Unrecognized key: "prot"/);
    const lab = await openLab(hook, { options: { port: 1 } });
    await lab.close();
    assert.deepEqual(got, [{ port: 1, names: [] }]);
  });

  test('for what is no hook, a definition with mistakes, a setup that throws or returns nothing', async () => {
    const wrong = { name: 'wrong', onPackets: () => FORWARD } as unknown as HookDefinition;
    await assert.rejects(openLab(defineHook(wrong)), /wrong: onPackets: did you mean onPacket\?/);
    await assert.rejects(openLab({ name: 'plain', onPacket: () => FORWARD } as never), /wrap it in defineHook/);
    await assert.rejects(openLab(undefined as never), /undefined; it has to be what defineHook returns/);
    await assert.rejects(openLab([]), /a lab needs a hook/);
    const throws = (): never => {
      throw new Error('no list');
    };
    await assert.rejects(openLab(hookOf(() => FORWARD, { setup: throws })), /hook: no list/);
    await assert.rejects(openLab(hookOf(() => FORWARD, { setup: () => Promise.reject(new Error('later')) })), /later/);
    await assert.rejects(
      openLab(defineHook({ name: 'none', setup: () => undefined as never })),
      /without onPacket|expected handlers/,
    );
    await assert.rejects(openLab([hookOf(() => DROP), hookOf(() => DROP)]), /is also the name of/);
  });

  test('for options that belong to nobody, and addresses that are none', async () => {
    const two = [hookOf(() => DROP), { hook: hookOf(() => DROP), name: 'other' }];
    await assert.rejects(openLab(two, { options: {} }), /several have theirs in their entries/);
    await assert.rejects(
      openLab(
        hookOf(() => DROP),
        { addresses: ['host'] },
      ),
      /addresses: "host" is no address/,
    );
    await assert.rejects(
      openLab(
        hookOf(() => DROP),
        { startMs: 0 },
      ),
      /startMs: 0 /,
    );
  });

  test('for what it needs and is not granted; by default all is', async () => {
    const file = path.basename(import.meta.filename);
    const hook = hookOf(() => FORWARD, {
      needs: { files: [file], network: ['tcp://192.0.2.7:443'] },
      setup: (_: unknown, { resolvePath }: { resolvePath: (name: string) => string }) =>
        void readFileSync(resolvePath(file)),
    });
    const folder = import.meta.dirname;
    await (await openLab(hook, { folder })).close();
    await assert.rejects(openLab(hook, { folder, allow: {} }), /wants to read "clean\.test\.ts"/);
    await assert.rejects(
      openLab(hook, { folder, allow: { files: ['.'] } }),
      /wants to speak to "tcp:\/\/192\.0\.2\.7:443"/,
    );
    const network = ['tcp://192.0.2.7:443'];
    await (await openLab({ hook, allow: { files: [file], network } }, { folder, allow: {} })).close();
    const typo = hookOf(() => FORWARD, { needs: { network: ['tcp://example.org'] } });
    await assert.rejects(openLab(typo), /"tcp:\/\/example\.org" is not valid/);
  });

  test('for another copy of firehook than the lab has', async () => {
    const foreign = { name: 'foreign', onPacket: () => FORWARD, [HOOK_META]: { apiVersion: 1 } };
    await assert.rejects(openLab(foreign), /hook foreign was made by another copy of firehook/);
  });
});

test('one lab at a time, and one that was refused is none', async () => {
  const lab = await openLab(hookOf(() => DROP));
  await assert.rejects(
    openLab(hookOf(() => DROP)),
    /a lab is open already \(hooks: hook; opened at \/.*clean\.test\.ts:\d+:\d+\)/,
  );
  assertDropped(await lab.send(PACKET));
  await lab.close();
  await (await openLab(hookOf(() => DROP))).close();
});

describe('an assertion that fails', () => {
  const run = async (verdict: number, packet = PACKET, by?: HookUnderTest) => {
    const lab = await openLab(by ?? hookOf(() => verdict as never));
    const outcome = await lab.send(packet);
    lab.expectFaults(...outcome.faults.map(({ text }) => text));
    await lab.close();
    return outcome;
  };

  test('says what became of the packet, by whom, and shows it', async () => {
    const dropped = await run(DROP);
    const message = await failure(() => assertForwarded(dropped));
    const [first, second] = message.split('\n');
    assert.equal(first, 'expected the packet to be forwarded; it was dropped by hook hook (droppedByHook)');
    assert.equal(second, '192.0.2.1:49152 > 198.51.100.2:53 UDP, 32 octets, ttl 64');
    assert.match(
      await failure(() => assertDropped(dropped, 'other')),
      /expected hook other to do it; it was dropped by hook hook/,
    );
    assert.match(await failure(() => assertRejected(dropped)), /to be rejected; it was dropped/);
    assert.match(await failure(() => assertLost(dropped)), /to be lost; it was dropped/);
    assert.match(await failure(() => assertDropped(rejectedAs(dropped))), /to be dropped; it was rejected/);
    const fault = await run(9);
    assert.match(
      await failure(() => assertDropped(fault)),
      /^expected a verdict of a hook; hook hook: returned .*9.*; it was dropped/,
    );
  });

  const rejectedAs = (outcome: Awaited<ReturnType<typeof run>>) => ({ ...outcome, verdict: 'rejected' as const });

  test('tells a rejected packet that nobody was told of', async () => {
    // About an ICMP error none is sent.
    const outcome = await run(ICMP_ON_DROP, ipv4({}, icmpv4({ type: 3 }, PACKET)));
    assert.match(await failure(() => assertRejected(outcome)), /expected one ICMP error to go back, 0 did/);
    const answered = await run(ICMP_ON_DROP);
    const other = { ...answered, arrived: ipv4({ source: '192.0.2.99' }, udp()) };
    assert.match(await failure(() => assertRejected(other)), /it quotes another packet/);
  });

  test('finds a checksum that a hook left wrong', async () => {
    const outcome = await run(
      FORWARD,
      PACKET,
      hookOf((packet) => {
        packet.bytes[30] = 1;
        return FORWARD;
      }),
    );
    assert.match(await failure(() => assertForwarded(outcome)), /^a checksum is wrong, and was right before\n/);
    const wrong = ipv4({}, udp({ checksum: 1 }));
    assertForwarded(await run(FORWARD, wrong), sameAs(wrong));
  });

  test('lists all fields that differ', async () => {
    const message = await failure(() =>
      assertPacket(
        PACKET,
        fields({ destinationPort: 54, ip: { ttl: 1 }, text: /^x/, payload: 'y', tcp: { flags: 2 } }),
      ),
    );
    assert.deepEqual(message.split('\n').slice(0, 5), [
      'destinationPort: expected 54, got 53',
      'ip.ttl: expected 1, got 64',
      'text: expected /^x/, got data',
      'payload: expected 79, got 64617461',
      'tcp: expected something, got null',
    ]);
    assertPacket(PACKET, fields({ text: 'data', payload: Buffer.from('data'), tcp: null, udp: { length: 12 } }));
    assert.match(await failure(() => assertPacket(Buffer.of(1), fields({}))), /^no well-formed datagram/);
  });

  test('says what changed and was not to, and what was to and did not', async () => {
    const other = ipv4({ ttl: 63, source: '192.0.2.2' }, udp({}, 'data'));
    assert.equal(
      (await failure(() => assertPacket(other, differsOnlyIn(PACKET, 'ip.ttl', 'destination')))).split('\n192.')[0],
      'source: was 192.0.2.1, is 192.0.2.2\ndestination: is as it was',
    );
    assertPacket(other, differsOnlyIn(PACKET, 'ip', 'source'));
    assert.match(await failure(() => assertPacket(other, sameAs(PACKET))), /source: was .*\nip\.ttl: was 64, is 63/);
    const reserved = Buffer.from(tcpPacket);
    reserved[32] = (reserved[32] ?? 0) | 1;
    assert.match(await failure(() => assertPacket(reserved, sameAs(tcpPacket))), /checksumsRight: was true, is false/);
  });

  const tcpPacket = ipv4({}, tcp());

  test('is for one datagram', async () => {
    const outcome = await run(FORWARD);
    const twice = { ...outcome, out: [...outcome.out, ...outcome.out] };
    assert.match(
      await failure(() => assertForwarded(twice, sameAs(PACKET))),
      /checks are for one datagram, and 2 left/,
    );
    assertForwarded(twice);
  });
});
