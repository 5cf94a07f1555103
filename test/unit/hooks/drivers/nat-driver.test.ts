/**
 * Promises of the driver `nat-driver`, over the host for drivers outside of a lane: what leaves, what comes back, what stays.
 *
 * Rule: every expected datagram is built anew, with the checksums of the packet builder, and compared octet by octet.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { DriverEntry } from '../../../../hooks/drivers/nat-driver.ts';
import * as ddk from '../../../../src/ddk/index.ts';
import { systemPool } from '../../../../src/firewall/ddk.ts';
import { verifyChecksum } from '../../../../src/wire/ipv4.ts';
import { icmpv4, ipv4, octets, type Transport, tcp, udp } from '../../../support/packet-builder.ts';

const { DROP, FORWARD } = ddk;
assert.ok(ddk.FhStandAlone);
const host = ddk.FhStandAlone;
host.printsLog = false;

const INSIDE = '10.1.2.3';
const PEER = '198.51.100.7';
const OUTSIDE = '203.0.113.9';
const FIRST_PORT = 61_000;
const SECOND = 10_000_000n;
const DATA = Buffer.from('what the host inside wants to know');

function cutAt(datagram: Buffer, ...cuts: number[]): Buffer[] {
  const edges = [0, ...cuts, datagram.length];
  return edges.slice(1).map((end, index) => datagram.subarray(edges[index], end));
}

/** Sends it, and checks what it became; the expected datagram as built anew. */
function assertBecomes(parts: readonly Buffer[], expected: Buffer): void {
  const { verdict, octets: now } = host.send(parts);
  assert.equal(verdict, FORWARD);
  assert.equal(now.toString('hex'), expected.toString('hex'));
  assert.ok(verifyChecksum(now, 0));
}

const out = (transport: Transport) => ipv4({ source: INSIDE, destination: PEER }, transport);
const outside = (transport: Transport) => ipv4({ source: OUTSIDE, destination: PEER }, transport);
const back = (transport: Transport) => ipv4({ source: PEER, destination: OUTSIDE }, transport);
const inside = (transport: Transport) => ipv4({ source: PEER, destination: INSIDE }, transport);

describe('nat-driver', () => {
  beforeEach(() => {
    host.parameters = { Outside: OUTSIDE, PrintEvery: 0 };
    assert.equal(host.load(DriverEntry), ddk.STATUS_SUCCESS);
  });
  afterEach(() => {
    assert.deepEqual(host.unload(), []);
    assert.equal(host.outstanding, 0);
    assert.equal(systemPool.totals().bytesInUse, 0);
    assert.deepEqual(host.faults, []);
  });

  for (const [name, transport] of [
    ['UDP', udp],
    ['TCP', tcp],
  ] as const) {
    test(`translates ${name} out and back, with right checksums, however the chain is cut`, () => {
      const request = out(transport({ sourcePort: 4000, destinationPort: 53 }, DATA));
      const translated = outside(transport({ sourcePort: FIRST_PORT, destinationPort: 53 }, DATA));
      for (let cut = 0; cut <= request.length; cut++) assertBecomes(cutAt(request, cut), translated);
      assertBecomes(cutAt(request, ...Array.from({ length: request.length - 1 }, (_, at) => at + 1)), translated);
      const reply = back(transport({ sourcePort: 53, destinationPort: FIRST_PORT }, DATA));
      assertBecomes(cutAt(reply, 20), inside(transport({ sourcePort: 53, destinationPort: 4000 }, DATA)));
    });
  }

  test('translates the identifier of ICMP echo', () => {
    const echo = (type: number, id: number) => icmpv4({ type, code: 0, rest: (id << 16) >>> 0 }, DATA);
    assertBecomes([out(echo(8, 77))], outside(echo(8, FIRST_PORT)));
    assertBecomes([back(echo(0, FIRST_PORT))], inside(echo(0, 77)));
  });

  test('gives each inside port an outside port of its own, and each protocol its own ports', () => {
    const ports = [4000, 4001, 4000].map((sourcePort) => host.send([out(udp({ sourcePort }))]).octets.readUInt16BE(20));
    assert.deepEqual(ports, [FIRST_PORT, FIRST_PORT + 1, FIRST_PORT]);
    const other = ipv4({ source: '10.9.9.9', destination: PEER }, udp({ sourcePort: 4000 }));
    assert.equal(host.send([other]).octets.readUInt16BE(20), FIRST_PORT + 2);
    assert.equal(host.send([out(tcp({ sourcePort: 4000 }))]).octets.readUInt16BE(20), FIRST_PORT + 3);
  });

  test('lets nobody in but the peer of the session', () => {
    host.send([out(udp({ sourcePort: 4000, destinationPort: 53 }))]);
    const stranger = ipv4(
      { source: '192.0.2.66', destination: OUTSIDE },
      udp({ sourcePort: 53, destinationPort: FIRST_PORT }),
    );
    assertBecomes([stranger], stranger);
    const otherPort = back(udp({ sourcePort: 54, destinationPort: FIRST_PORT }));
    assertBecomes([otherPort], otherPort);
    const otherProtocol = back(tcp({ sourcePort: 53, destinationPort: FIRST_PORT }));
    assertBecomes([otherProtocol], otherProtocol);
  });

  test('leaves alone what stays inside, what is for others, and other protocols', () => {
    const local = ipv4({ source: INSIDE, destination: '10.1.2.4' }, udp());
    const transit = ipv4({ source: PEER, destination: '192.0.2.1' }, udp());
    const gre = out(octets(47, DATA));
    for (const packet of [local, transit, gre]) assertBecomes([packet], packet);
  });

  test('keeps a wrong checksum wrong, and UDP without one without', () => {
    const wrong = host.send([out(udp({ sourcePort: 4000, checksum: 0x1234 }, DATA))]).octets;
    const right = outside(udp({ sourcePort: FIRST_PORT }, DATA));
    assert.notEqual(wrong.readUInt16BE(26), right.readUInt16BE(26));
    assert.equal(host.send([out(udp({ sourcePort: 4000, checksum: 0 }, DATA))]).octets.readUInt16BE(26), 0);
  });

  test('does not touch a transport checksum that is not final, and hands the flag on', () => {
    const packet = out(udp({ sourcePort: 4000, checksum: 0xabcd }, DATA));
    const { octets: now } = host.send([packet], { flags: ddk.IPR_FLAG_CHECKSUM_OFFLOAD });
    assert.equal(now.readUInt16BE(26), 0xabcd);
    assert.equal(now.readUInt16BE(20), FIRST_PORT);
  });

  test('translates fragments: outbound by address, inbound by the first one', () => {
    const id = { identification: 77 };
    const later = ipv4({ source: INSIDE, destination: PEER, fragmentOffset: 8, ...id }, octets(17, DATA));
    assertBecomes([later], ipv4({ source: OUTSIDE, destination: PEER, fragmentOffset: 8, ...id }, octets(17, DATA)));
    const first = ipv4({ source: INSIDE, destination: PEER, moreFragments: true, ...id }, udp({ sourcePort: 4000 }));
    assert.equal(host.send([first]).verdict, FORWARD);
    const reply = { source: PEER, destination: OUTSIDE, identification: 99 };
    const replyLater = ipv4({ ...reply, fragmentOffset: 8 }, octets(17, DATA));
    assert.equal(host.send([replyLater]).verdict, DROP);
    const ports = { sourcePort: 53, destinationPort: FIRST_PORT };
    assert.equal(host.send([ipv4({ ...reply, moreFragments: true }, udp(ports))]).verdict, FORWARD);
    assertBecomes([replyLater], ipv4({ ...reply, destination: INSIDE, fragmentOffset: 8 }, octets(17, DATA)));
  });

  test('forgets a session when it was silent too long, and not before', () => {
    const request = out(udp({ sourcePort: 4000, destinationPort: 53 }));
    const reply = back(udp({ sourcePort: 53, destinationPort: FIRST_PORT }));
    const translated = inside(udp({ sourcePort: 53, destinationPort: 4000 }));
    host.send([request]);
    host.advance(299n * SECOND);
    assertBecomes([reply], translated);
    host.advance(299n * SECOND);
    assertBecomes([reply], translated);
    host.advance(302n * SECOND);
    assertBecomes([reply], reply);
  });

  test('drops what it has no port for, and finds one again after the sessions went', () => {
    for (let port = 0; port < 4096; port++) host.send([out(udp({ sourcePort: 1000 + port }))]);
    assert.equal(host.send([out(udp({ sourcePort: 999 }))]).verdict, DROP);
    host.advance(302n * SECOND);
    assert.equal(host.send([out(udp({ sourcePort: 999 }))]).verdict, FORWARD);
  });

  test('drops what is malformed or too short for its ports', () => {
    const packet = out(udp());
    for (const length of [0, 1, 19, 20, 27])
      assert.equal(host.send([packet.subarray(0, length)]).verdict, DROP, `${length}`);
    const wrong = Buffer.from(packet);
    wrong.writeUInt8(0x4f, 0);
    assert.equal(host.send([wrong]).verdict, DROP);
  });

  test('drops and leaks nothing when the pool is exhausted, at either allocation', () => {
    const limit = systemPool.limitBytes;
    const lent = Object.assign(new ddk.IPRcvBuf(), { ipr_buffer: out(udp()), ipr_size: 28 });
    const context: ddk.FIREWALL_CONTEXT_T = {
      Direction: ddk.IP_RECEIVE,
      NTE: null,
      LinkCtxt: null,
      LContext1: null,
      LContext2: 0,
    };
    const cell = <T>(value: T) => ({ value });
    const left = cell<ddk.IPRcvBuf | null>(null);
    try {
      for (const small of [0, 64]) {
        systemPool.limitBytes = small;
        const verdict = host.callbacks[0]?.callback(cell(lent), 1, cell(2), cell(ddk.DEST_REMOTE), context, 40, left);
        assert.equal(verdict, DROP);
        assert.equal(left.value, null);
        assert.equal(systemPool.totals().bytesInUse, 0);
      }
    } finally {
      systemPool.limitBytes = limit;
    }
  });

  test('sees in its second callback what the first one made of the packet', () => {
    host.unload();
    host.parameters = { Outside: OUTSIDE, PrintEvery: 2 };
    host.load(DriverEntry);
    const from = host.lines.length;
    for (let packet = 0; packet < 3; packet++) host.send([out(udp({ sourcePort: 4000 + packet }, DATA))]);
    const octetsNow = 28 + DATA.length;
    assert.deepEqual(host.lines.slice(from), [
      `info: NatDriver: 1 packets, 1 sessions, ${octetsNow} octets now`,
      `info: NatDriver: 3 packets, 3 sessions, ${octetsNow} octets now`,
    ]);
    assert.deepEqual(
      host.callbacks.map(({ priority }) => priority),
      [10, 1],
    );
  });

  test('is not loaded without an outside address', () => {
    host.unload();
    for (const parameters of [null, { Outside: 'x' }, { Outside: '::1' }, { Outside: OUTSIDE, Inside: 7 }]) {
      host.parameters = parameters;
      assert.equal(host.load(DriverEntry), ddk.STATUS_INVALID_PARAMETER);
      assert.equal(host.callbacks.length, 0);
    }
    host.parameters = { Outside: OUTSIDE };
    assert.equal(host.load(DriverEntry), ddk.STATUS_SUCCESS);
  });
});
