/**
 * Promises of the stock hook `packet-filter`: its options, and what it does with packets. Its language, and which rule is found, have
 * tests of their own in `packet-filter/`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import packetFilter from '../../../hooks/packet-filter.ts';
import { DROP, FORWARD, ICMP_ON_DROP, IP_TRANSMIT } from '../../../src/firewall/constants.ts';
import { ACCEPT } from '../../../src/hook/contract.ts';
import type { LoadedHook } from '../../../src/hook/load-hook.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import {
  ethernet,
  extension,
  fragment,
  icmpv4,
  icmpv6,
  ipv4,
  ipv6,
  octets,
  tcp,
  udp,
} from '../../support/packet-builder.ts';
import { bridgeWay, INDEX_A, INDEX_B, layRig } from '../lane/lane-rig.ts';
import { checked, driveHook, quietRuntime, refusal } from './drive-hook.ts';

const SYN = 2;
const ACK = 16;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-packet-filter-'));
after(() => rmSync(folder, { recursive: true }));

function drive(...rules: string[]) {
  return driveHook(packetFilter, { rules }, folder);
}

describe('packet-filter', () => {
  test('does what the first rule says that a packet matches', async () => {
    const hook = await drive(
      'accept tcp from 192.0.2.9 to any port 22',
      'drop tcp to port 22',
      'reject udp from 192.0.2.0/24',
      'pass udp',
      'default drop',
    );
    assert.equal(hook.verdict(ipv4({ source: '192.0.2.9' }, tcp({ destinationPort: 22 }))), ACCEPT);
    assert.equal(hook.verdict(ipv4({ source: '192.0.2.8' }, tcp({ destinationPort: 22 }))), DROP);
    assert.equal(hook.verdict(ipv6({}, tcp({ destinationPort: 22 }))), DROP);
    assert.equal(hook.verdict(ipv4({ source: '192.0.2.8' }, udp())), ICMP_ON_DROP);
    assert.equal(hook.verdict(ipv4({ source: '192.0.3.8' }, udp())), FORWARD);
    assert.equal(hook.verdict(ipv4({ source: '192.0.3.8' }, tcp({ destinationPort: 23 }))), DROP);
  });

  test('passes what no rule is about, unless default says otherwise', async () => {
    const hook = await drive('drop tcp');
    assert.equal(hook.verdict(ipv4({}, udp())), FORWARD);
    assert.equal(hook.verdict(ipv6({}, octets(99, Buffer.alloc(8)))), FORWARD);
    const none = await drive();
    assert.equal(none.verdict(ipv4({}, tcp())), FORWARD);
  });

  test('finds ports behind IPv6 extension headers and in first fragments, and none in later ones', async () => {
    const hook = await drive('drop tcp to port 80');
    const to80 = tcp({ destinationPort: 80 }, Buffer.alloc(8));
    assert.equal(hook.verdict(ipv6({ extensions: [extension(0), extension(60)] }, to80)), DROP);
    assert.equal(hook.verdict(ipv6({ extensions: [fragment(0, true)] }, to80)), DROP);
    assert.equal(hook.verdict(ipv4({ moreFragments: true }, to80)), DROP);
    assert.equal(hook.verdict(ipv4({ fragmentOffset: 800 }, octets(6, Buffer.alloc(20, 80)))), FORWARD);
    assert.equal(hook.verdict(ipv6({ extensions: [fragment(800, false)] }, octets(6, Buffer.alloc(20, 80)))), FORWARD);
  });

  test('has no port in a packet that a capture cut before it, and its addresses all the same', async () => {
    const hook = await drive('drop tcp to port not 22', 'reject from 192.0.2.1');
    const packet = ipv4({ source: '192.0.2.1' }, tcp());
    assert.equal(hook.pass(packet).verdict, DROP);
    assert.equal(hook.pass(packet, 0, 18).verdict, ICMP_ON_DROP);
  });

  test('tells the flags of TCP: syn opens a connection', async () => {
    const hook = await drive('drop tcp syn', 'reject tcp flags none/all');
    for (const [flags, verdict] of [
      [SYN, DROP],
      [SYN | 64 | 128, DROP],
      [SYN | ACK, FORWARD],
      [ACK, FORWARD],
      [0, ICMP_ON_DROP],
    ] as const) {
      assert.equal(hook.verdict(ipv4({}, tcp({ flags }))), verdict, `${flags}`);
    }
  });

  test('tells types and codes of ICMP, each in its own IP version', async () => {
    const hook = await drive(
      'drop icmp type echo-request',
      'drop icmp type 3 code 4',
      'drop icmpv6 type 128',
      'reject icmp',
      'pass proto 58',
    );
    assert.equal(hook.verdict(ipv4({}, icmpv4({ type: 8, code: 9 }))), DROP);
    assert.equal(hook.verdict(ipv4({}, icmpv4({ type: 3, code: 4 }))), DROP);
    assert.equal(hook.verdict(ipv4({}, icmpv4({ type: 3, code: 3 }))), ICMP_ON_DROP);
    assert.equal(hook.verdict(ipv6({}, icmpv6({ type: 128 }))), DROP);
    assert.equal(hook.verdict(ipv6({}, icmpv6({ type: 8 }))), FORWARD);
    // The number of the other version, with octets that would be the type.
    assert.equal(hook.verdict(ipv4({}, octets(58, Buffer.alloc(8, 128)))), FORWARD);
    assert.equal(hook.verdict(ipv6({}, octets(1, Buffer.alloc(8, 8)))), FORWARD);
    assert.equal(hook.verdict(ipv4({ fragmentOffset: 8 }, octets(1, Buffer.alloc(8, 8)))), ICMP_ON_DROP);
  });

  test('changes no packet, whose octets it looks at only for a type of ICMP', async () => {
    const hook = await drive('drop icmp type 9', 'drop tcp to port 99');
    for (const packet of [ipv4({}, icmpv4()), ipv4({}, tcp()), ipv6({}, udp())]) {
      const { datagram, replacement } = hook.pass(packet);
      assert.deepEqual([datagram, replacement], [packet, []]);
    }
  });

  test('tells packets that leave this host from those that arrive', async () => {
    const hook = await drive('drop out tcp', 'reject in udp');
    assert.equal(hook.verdict(ipv4({}, tcp())), FORWARD);
    assert.equal(hook.verdict(ipv4({}, tcp()), 0, IP_TRANSMIT), DROP);
    assert.equal(hook.verdict(ipv4({}, udp())), ICMP_ON_DROP);
    assert.equal(hook.verdict(ipv4({}, udp()), 0, IP_TRANSMIT), FORWARD);
  });

  test('counts by name, and says at the end what it counted', async () => {
    const hook = await drive(
      'group bad = { 192.0.2.0/25 }',
      'drop from @bad count bad',
      'drop udp count bad',
      'pass icmp',
      'default pass count rest',
    );
    const packet = ipv4({ source: '192.0.2.1' }, tcp());
    hook.verdict(packet);
    hook.verdict(packet);
    hook.verdict(ipv4({ source: '192.0.2.129' }, udp()));
    hook.verdict(ipv6({}, tcp()));
    hook.verdict(ipv4({ source: '192.0.2.129' }, icmpv4()));
    hook.teardown();
    assert.deepEqual(hook.log, [
      'info: rules: 3 rules, 3 for IPv4 and 1 for IPv6, vectors of 1 KiB.',
      `info: Counted: bad 3 packets ${2 * packet.length + 28} octets, rest 1 packets 60 octets.`,
    ]);
  });

  test('says what many counters counted in lines that the log takes', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `${'n'.repeat(60)}${index}`);
    const hook = await drive(...names.map((name, index) => `drop udp to port ${index} count ${name}`));
    for (const index of names.keys()) hook.verdict(ipv4({}, udp({ destinationPort: index })));
    hook.teardown();
    const lines = hook.log.slice(1);
    assert.ok(lines.length > 1);
    for (const line of lines) assert.match(line, /^info: Counted: (?:n+\d+ 1 packets 28 octets(?:, |\.$)){5,}/);
    for (const line of lines) assert.ok(line.length < 3_100, `${line.length}`);
    assert.equal(lines.join(' ').match(/ 1 packets/g)?.length, names.length);
  });

  test('reads its rules from a file that it needs a grant for', async () => {
    writeFileSync(path.join(folder, 'rules.txt'), 'drop tcp # a comment\r\n\r\ndefault reject\r\n');
    const hook = await driveHook(packetFilter, { file: 'rules.txt' }, folder);
    assert.equal(hook.verdict(ipv4({}, tcp())), DROP);
    assert.equal(hook.verdict(ipv4({}, udp())), ICMP_ON_DROP);
    const { needs } = packetFilter;
    assert.ok(typeof needs === 'function');
    assert.deepEqual(needs({ file: 'rules.txt' }), { files: ['rules.txt'] });
    assert.deepEqual(needs({ rules: '' }), { files: [] });
  });

  test('refuses a file that is wrong, with file, line and column', async () => {
    writeFileSync(path.join(folder, 'bad.txt'), 'drop tcp\n\n  drop tcq to port 22\n');
    const message = 'bad.txt:3:8: "tcq" cannot stand here; did you mean tcp?';
    assert.equal(await refusal(packetFilter, { file: 'bad.txt' }, folder), message);
    const inOptions = { rules: ['drop tcp', 'drop tcp port 22'] };
    assert.equal(
      await refusal(packetFilter, inOptions),
      'rules:2:10: "port" cannot stand here; expected it behind from or to, as in: to port 22',
    );
  });

  test('refuses the name of an interface that is not there', async () => {
    assert.equal(
      await refusal(packetFilter, { rules: ['pass on lan0'] }),
      'rules:1:9: the interface "lan0" is not known; expected none',
    );
  });

  test('asks for the states of flows, and for the names of interfaces, of a lane', async (t) => {
    const rules = [
      'drop state invalid',
      'pass state established, related',
      'drop udp on b to port 7',
      'pass state new on a',
      'default drop',
    ];
    const interfaces = new Map([
      ['a', INDEX_A],
      ['b', INDEX_B],
    ]);
    const runtime = { ...quietRuntime('packet-filter'), interfaces };
    const handlers = await packetFilter.setup?.(await checked(packetFilter, { rules }), runtime);
    assert.ok(handlers);
    const back = bridgeWay({
      name: 'b > a',
      inPort: 1,
      outPort: 0,
      otherPort: 1,
      rejectPort: 1,
      recvInterfaceIndex: INDEX_B,
      sendInterfaceIndex: INDEX_A,
      otherIndex: INDEX_B,
    });
    const rig = layRig(t, {
      ways: [bridgeWay(), back],
      hooks: () => [
        { ...loadedHook({ name: 'packet-filter', flows: true, onPacket: () => FORWARD }), handlers } as LoadedHook,
      ],
    });
    const question = udp({ sourcePort: 1000, destinationPort: 53 });
    const answer = udp({ sourcePort: 53, destinationPort: 1000 });
    const [own, other] = ['192.0.2.1', '198.51.100.2'];
    const from = (port: number, datagram: Buffer) => ({ port, bytes: ethernet({}, datagram) });
    await rig.pass(
      from(1, ipv4({ source: other, destination: own }, answer)),
      from(0, ipv4({ source: own, destination: other }, question)),
      from(1, ipv4({ source: other, destination: own }, answer)),
      from(1, ipv4({ source: other, destination: own }, udp({ destinationPort: 7 }))),
      from(0, ipv4({ source: own, destination: other }, tcp({ flags: 0 }))),
    );
    assert.deepEqual([rig.row(0).forwarded, rig.row(0).dropped], [1, 1]);
    assert.deepEqual([rig.row(1).forwarded, rig.row(1).dropped], [1, 2]);

    // As for nftables a connection is established by the first answer, which is a SYN-ACK.
    const there = (flags: number, sequence: number, acknowledgement = 0) =>
      from(
        0,
        ipv4(
          { source: own, destination: other },
          tcp({ sourcePort: 1000, destinationPort: 80, flags, sequence, acknowledgement }),
        ),
      );
    const here = (flags: number, sequence: number, acknowledgement = 0) =>
      from(
        1,
        ipv4(
          { source: other, destination: own },
          tcp({ sourcePort: 80, destinationPort: 1000, flags, sequence, acknowledgement }),
        ),
      );
    await rig.pass(here(SYN, 500), there(SYN, 100), there(SYN, 100), here(SYN | ACK, 500, 101), there(ACK, 101, 501));
    assert.deepEqual([rig.row(0).forwarded, rig.row(0).dropped], [4, 1]);
    assert.deepEqual([rig.row(1).forwarded, rig.row(1).dropped], [2, 3]);
  });

  test('has no table of flows where no rule asks for a state', async () => {
    const handlers = await packetFilter.setup?.({ rules: 'drop in tcp' }, quietRuntime('packet-filter'));
    assert.equal(handlers?.flows, false);
  });

  for (const [options, message] of [
    [undefined, 'file: is missing; expected a string that is not empty'],
    [{ file: 7 }, 'file: 7 is not valid; expected a string that is not empty'],
    [{ file: 'a', rules: [] }, 'rules: cannot be there beside file; expected one of them'],
    [{ rules: 'drop' }, 'rules: "drop" is not valid; expected a list of lines'],
    [{ rules: ['drop', 7] }, 'rules: ["drop",7] is not valid; expected a list of lines'],
    [{ rules: ['drop\ndrop'] }, 'rules: ["drop\\ndrop"] is not valid; expected a list of lines'],
    [{ rule: [] }, 'rule: unknown option; expected file, rules'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(packetFilter, options, folder), message);
    });
  }

  test('refuses a file that it cannot read, and says why', async () => {
    assert.match(await refusal(packetFilter, { file: 'none.txt' }, folder), /^file: cannot read "none\.txt": ENOENT/);
    assert.equal(await refusal(packetFilter, { file: '.' }, folder), 'file: cannot read ".": not a regular file');
  });
});
