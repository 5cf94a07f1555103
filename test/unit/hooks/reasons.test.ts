/**
 * The reasons of stock hooks: which port, which address, which rule.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import blockList from '../../../hooks/block-list.ts';
import dropPort from '../../../hooks/drop-port.ts';
import packetFilter from '../../../hooks/packet-filter.ts';
import rejectPort from '../../../hooks/reject-port.ts';
import { type HookUnderTest, ipv4, type Lab, openLab, tcp, udp } from '../../../src/testing/index.ts';

async function labOf(t: TestContext, hook: HookUnderTest, options: unknown, tables = {}): Promise<Lab> {
  const lab = await openLab(hook, { options, tables });
  t.after(() => lab.close());
  return lab;
}

const toPort = (destinationPort: number, sourcePort = 40_000): Uint8Array =>
  ipv4({}, tcp({ destinationPort, sourcePort }));
const why = async (lab: Lab, packet: Uint8Array): Promise<string | null> => (await lab.send(packet)).because;

test('drop-port says which of its ports it was, of the first entry that has it', async (t) => {
  const lab = await labOf(t, dropPort, { protocol: 'tcp', ports: [23, '20-30', '6000-6063', 23], direction: 'either' });
  assert.equal(await why(lab, toPort(23)), 'tcp port 23');
  assert.equal(await why(lab, toPort(30)), 'tcp port 20-30');
  assert.equal(await why(lab, toPort(80, 6001)), 'tcp port 6000-6063');
  assert.equal(await why(lab, toPort(23, 6001)), 'tcp port 23');
  assert.equal(await why(lab, toPort(80)), null);
  assert.deepEqual(lab.reasons('drop-port'), { 'tcp port 23': 2, 'tcp port 20-30': 1, 'tcp port 6000-6063': 1 });
});

test('reject-port has 64 reasons however many ports it has', async (t) => {
  const ports = Array.from({ length: 80 }, (_, index) => 2 * index + 1);
  const lab = await labOf(t, rejectPort, { protocol: 'tcp', ports });
  assert.equal(Object.keys(lab.reasons('reject-port')).length, 64);
  const told = await Promise.all([1, 125, 127, 159].map((port) => why(lab, toPort(port))));
  assert.deepEqual(told, ['tcp port 1', 'tcp port 125', 'another tcp port', 'another tcp port']);
  await lab.close();
  const exactly = await labOf(t, dropPort, { protocol: 'tcp', ports: ports.slice(0, 64) });
  assert.equal(await why(exactly, toPort(127)), 'tcp port 127');
});

test('block-list says which address is listed', async (t) => {
  const lab = await labOf(t, blockList, { table: 'bad', reject: true }, { bad: ['192.0.2.0/24 1'] });
  const between = (source: string, destination: string): Uint8Array => ipv4({ source, destination }, udp({}, 'x'));
  assert.equal(await why(lab, between('192.0.2.1', '198.51.100.1')), 'its source is listed');
  assert.equal(await why(lab, between('198.51.100.1', '192.0.2.1')), 'its destination is listed');
  assert.equal(await why(lab, between('192.0.2.2', '192.0.2.1')), 'its source is listed');
  assert.equal(await why(lab, between('198.51.100.1', '198.51.100.2')), null);
  assert.equal(lab.ledger().rejected, 3);
});

test('packet-filter says by which line it stops a packet', async (t) => {
  const rules = [
    'group bad = { 192.0.2.1',
    '  192.0.2.2 }   # both',
    'accept tcp to port 80',
    'drop tcp   from @bad\tto port 23 # why: größer',
    'reject udp to { 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5, 192.0.2.6 } port 1-9',
    'default drop count rest',
  ];
  const lab = await labOf(t, packetFilter, { rules });
  const from = (port: number): Uint8Array => ipv4({ source: '192.0.2.1' }, tcp({ destinationPort: port }));
  assert.equal(await why(lab, from(23)), 'line 4: drop tcp from @bad to port 23');
  assert.equal(await why(lab, from(80)), null);
  assert.equal(await why(lab, from(24)), 'default');
  const rejected = await lab.send(ipv4({ destination: '192.0.2.6' }, udp({ destinationPort: 7 }, 'x')));
  assert.equal(rejected.verdict, 'rejected');
  assert.equal(rejected.because, 'line 5: reject udp to { 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2');
});

test('packet-filter has reasons for the first rules that stop packets, and one for those behind', async (t) => {
  const drops = Array.from({ length: 100 }, (_, index) => `drop tcp to port ${index + 1}`);
  for (const [otherwise, own] of [
    ['pass', 63],
    ['drop', 62],
  ] as const) {
    const lab = await labOf(t, packetFilter, { rules: [...drops, `default ${otherwise}`] });
    assert.equal(Object.keys(lab.reasons('packet-filter')).length, 64);
    assert.equal(await why(lab, toPort(own)), `line ${own}: drop tcp to port ${own}`);
    for (const port of [own + 1, 100])
      assert.equal(await why(lab, toPort(port)), 'a rule behind those that have reasons');
    await lab.close();
  }
});
