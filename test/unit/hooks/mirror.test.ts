/**
 * The stock hook `mirror`: which packets it copies, what a copy is, and that the packets themselves go on as they are.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import mirror from '../../../hooks/mirror.ts';
import { DROP, defineHook, FORWARD } from '../../../src/index.ts';
import {
  assertDropped,
  assertForwarded,
  assertNoAllocation,
  type Departure,
  ethernet,
  fields,
  fragments,
  ipv4,
  ipv6,
  type Lab,
  type LabHook,
  type LabOptions,
  type Outcome,
  openLab,
  readFrame,
  sameAs,
  tcp,
  udp,
} from '../../../src/testing/index.ts';

let lab: Lab;
afterEach(() => lab.close());

const entry = (options: object): LabHook => ({ hook: mirror, options: { to: 'ids0', ...options } });
const open = async (options: object = {}, more: LabOptions = {}, others: readonly LabHook[] = []): Promise<void> => {
  lab = await openLab([entry(options), ...others], more);
};

/** The frames that left out of `ids0`. */
function copiesOf({ departures }: Outcome): Buffer[] {
  const copies = departures.filter(({ to }: Departure) => to === 'outlet');
  for (const { isMade, outlet } of copies) assert.deepEqual([isMade, outlet], [true, 'ids0']);
  return copies.map(({ frame }) => frame as Buffer);
}

const DATAGRAM = ipv4({ ttl: 9 }, udp({ destinationPort: 53 }, 'question'));

test('a packet goes on as it is, and a copy of its frame goes out of the other interface', async () => {
  await open();
  const frame = ethernet({ tags: [{ id: 7 }] }, DATAGRAM);
  const outcome = await lab.send(frame, { frame: true });
  assertForwarded(outcome, sameAs(DATAGRAM));
  const [copy, ...others] = copiesOf(outcome);
  assert.deepEqual(copy, frame);
  assert.equal(others.length, 0);
  const { injected, sent, forwarded } = lab.ledger();
  assert.deepEqual([injected, sent, forwarded], [1, 2, 1]);
});

test('IPv6, fragments and what comes the other way are copied, padding is not', async () => {
  await open();
  for (const datagram of [ipv6({}, tcp()), ...fragments(ipv4({}, udp({}, 'x'.repeat(2000))), 1500)]) {
    const [copy] = copiesOf(await lab.send(datagram, { from: 'b' }));
    assert.deepEqual(copy?.subarray(14), Buffer.from(datagram));
  }
});

test('the filter says which, and the rest goes on without a call', async () => {
  await open({ filter: 'udp port 53' });
  assert.equal(copiesOf(await lab.send(DATAGRAM)).length, 1);
  const other = await lab.send(ipv4({}, tcp()));
  assertForwarded(other);
  assert.equal(copiesOf(other).length, 0);
  const { seen, filtered } = lab.counters('mirror');
  assert.deepEqual([seen, filtered], [1, 1]);
});

test('one of so many is copied, the first of them', async () => {
  await open({ sample: 3 });
  const counts: number[] = [];
  for (let packet = 0; packet < 7; packet++) counts.push(copiesOf(await lab.send(DATAGRAM)).length);
  assert.deepEqual(counts, [1, 0, 0, 1, 0, 0, 1]);
});

test('with snap the head of the frame is copied', async () => {
  await open({ snap: 64 });
  const frame = ethernet({}, ipv4({}, udp({}, 'y'.repeat(900))));
  const [copy] = copiesOf(await lab.send(frame, { frame: true }));
  assert.deepEqual(copy, Buffer.from(frame).subarray(0, 64));
});

test('a checksum that the card was to compute is final in the copy, and still open in the packet', async () => {
  await open();
  const datagram = ipv4({}, tcp({ destinationPort: 80 }, 'segment'));
  const outcome = await lab.send(datagram, { partialChecksum: true });
  const [copy] = copiesOf(outcome);
  assert.ok(copy !== undefined);
  assert.equal(readFrame(copy)?.packet?.checksumsRight, true);
  assert.deepEqual(copy.subarray(14), Buffer.from(datagram));
});

test('a super-frame is copied whole; with snap its head is, with a checksum that is final', async () => {
  const datagram = ipv4({}, tcp({ destinationPort: 80 }, 'z'.repeat(20_000)));
  await open();
  const [whole] = copiesOf(await lab.send(datagram, { segmentSize: 1448 }));
  assert.equal(whole?.length, 14 + datagram.length);
  await lab.close();
  await open({ snap: 200 });
  const [head] = copiesOf(await lab.send(datagram, { segmentSize: 1448 }));
  assert.deepEqual(head?.subarray(14), Buffer.from(datagram).subarray(0, 200 - 14));
});

test('a copy is what the hooks before have made of the packet, and nothing that those behind make of it', async () => {
  const lower = (name: string, priority: number, ttl: number): LabHook => ({
    priority,
    hook: defineHook({
      name,
      onPacket({ ip, bytes }) {
        ip.ttl = ttl;
        bytes[8] = ttl;
        return FORWARD;
      },
    }),
  });
  await open({}, {}, [lower('before', 10, 5), lower('behind', -10, 3)]);
  const outcome = await lab.send(DATAGRAM);
  assertForwarded(outcome, fields({ ip: { ttl: 3 } }));
  const [copy] = copiesOf(outcome);
  assert.equal(readFrame(copy as Buffer)?.packet?.ip.ttl, 5);
});

test('a copy of a replaced packet has the new octets, and what a later hook drops was copied', async () => {
  const replaces = defineHook({
    name: 'replaces',
    onPacket: ({ payload }) => (payload.splice(0, payload.length, Buffer.from('longer than it was')) ? FORWARD : DROP),
  });
  const drops = defineHook({ name: 'drops', onPacket: () => DROP });
  await open({}, {}, [
    { hook: replaces, priority: 10 },
    { hook: drops, priority: -10 },
  ]);
  const outcome = await lab.send(DATAGRAM);
  assertDropped(outcome, 'drops');
  const [copy] = copiesOf(outcome);
  const packet = readFrame(copy as Buffer)?.packet;
  assert.deepEqual([packet?.text, packet?.checksumsRight], ['longer than it was', true]);
});

test('a copy that is too long for the interface is refused, counted, and said once', async () => {
  await open({}, { mtu: 1500 });
  const tooLong = ipv4({ dontFragment: false }, udp({}, 'x'.repeat(1600)));
  for (let packet = 0; packet < 3; packet++) assert.equal(copiesOf(await lab.send(tooLong)).length, 0);
  assert.equal(lab.ledger().injectRefused, 3);
  assert.deepEqual(
    lab.log.map(({ message }) => message),
    ['a copy could not go out of ids0; firehook stats counts them'],
  );
});

test('a port of an attach is refused, and so is what was not granted', async () => {
  await open();
  await lab.close();
  await assert.rejects(openLab(entry({ to: 'b' })), /to: "b" is attached; expected another interface/);
  await assert.rejects(openLab(entry({}), { allow: { interfaces: ['ids1'] } }), {
    code: 'FIREHOOK_HOOK_RIGHTS',
    message:
      /wants to send frames out of "ids0"; if it may, write in its entry of hooks: allow: \{ interfaces: \["ids0"\] \}/,
  });
  await open({}, { allow: { interfaces: ['ids0'] } });
  assert.equal(copiesOf(await lab.send(DATAGRAM)).length, 1);
});

test('wrong options are refused with the key', async () => {
  await open();
  await lab.close();
  const wrong: readonly [object, RegExp][] = [
    [{ to: '' }, /options\.to: "" is not valid/],
    [{ sample: 0 }, /options\.sample: 0 is not valid; expected an integer from 1/],
    [{ snap: 63 }, /options\.snap: 63 is not valid; expected an integer from 64/],
    [{ filter: 'tcp dst prot 443' }, /setup: returned filter: column \d+ of "tcp dst prot 443"/],
  ];
  for (const [options, message] of wrong) await assert.rejects(openLab(entry(options)), { message });
  await open();
});

test('a copy leaves nothing on the heap', async () => {
  await open({ filter: 'ip' });
  assertNoAllocation(lab, [DATAGRAM, ipv4({ source: '203.0.113.9' }, tcp({}, 'x'.repeat(1200)))]);
});
