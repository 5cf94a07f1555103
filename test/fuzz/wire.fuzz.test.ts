/**
 * Random and mutated frames through everything that reads a packet before and during a hook: nothing throws, nothing is
 * read outside of the frame, and what is called well formed is.
 *
 * A read outside shows as a difference: each frame is judged alone in a buffer of its own size, and again inside of a
 * larger one with other octets around it. The seed is printed; `FUZZ_SEED=n` repeats a run.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPLETED, CUT, MissingCard } from '../../src/drivers/missing-card.ts';
import { systemPool } from '../../src/firewall/ddk.ts';
import { IPRcvBuf } from '../../src/firewall/ip-rcv-buf.ts';
import { PacketState } from '../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../src/hook/packet/packet-view.ts';
import { fillChecksums } from '../../src/wire/datagram.ts';
import { IpLayout, parseIpLayout } from '../../src/wire/ip-layout.ts';
import { classifyFrame, hasLabels, sessionHeader } from '../../src/wire/link.ts';
import { findOption } from '../../src/wire/tcp.ts';
import { frameOf } from '../support/frame-of.ts';
import { llc, mpls, pppoe } from '../support/links.ts';
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
} from '../support/packet-builder.ts';
import { CARRIERS, tunnel } from '../support/tunnels.ts';

const { FUZZ_SEED } = process.env;
const SEED = Number(FUZZ_SEED ?? Date.now() % 0x7fffffff);
const FRAMES = 200_000;
const LINKTYPES = [0, 1, 12, 14, 101, 108, 113, 127, 228, 229, 276];
const GUARD = 64;
const MAX_LENGTH = 256;

/** Numbers that hit the edges of fields more often than chance would. */
const EDGES = [0, 1, 4, 5, 6, 7, 8, 17, 43, 44, 51, 58, 59, 60, 0x45, 0x46, 0x4f, 0x60, 0x81, 0x88, 0xff];

const CORPUS = [
  ipv4({}, tcp({ options: Buffer.from('020405b401010402', 'hex') }, Buffer.from('data'))),
  ipv4({ options: Buffer.alloc(40, 1) }, udp({}, Buffer.from('data'))),
  ipv4({ moreFragments: true }, udp({ length: 3000 }, Buffer.alloc(24))),
  ipv4({ fragmentOffset: 24 }, octets(6, Buffer.alloc(24))),
  ipv4({}, icmpv4({}, Buffer.from('data'))),
  ipv4({ totalLength: 0 }, tcp()),
  ipv6({ extensions: [extension(0), extension(43, 24), extension(51, 12), extension(60)] }, tcp()),
  ipv6({ extensions: [fragment(0, true), extension(60)] }, udp({}, Buffer.alloc(16))),
  ipv6({ extensions: [extension(0), fragment(1232, false)] }, octets(17, Buffer.alloc(16))),
  ipv6({ extensions: Array.from({ length: 16 }, () => extension(60)) }, udp()),
  ipv6({}, icmpv6({}, Buffer.from('data'))),
].flatMap((datagram): Sample[] => [
  { linktype: 101, frame: datagram },
  { linktype: 1, frame: ethernet({ padTo: 60 }, datagram) },
  { linktype: 1, frame: ethernet({ tags: [{ type: 0x88a8, id: 1 }, { id: 2 }] }, datagram) },
  { linktype: 0, frame: Buffer.concat([Buffer.from('02000000', 'hex'), datagram]) },
  { linktype: 113, frame: Buffer.concat([Buffer.from('000000010006020000000001000086dd', 'hex'), datagram]) },
  { linktype: 276, frame: Buffer.concat([Buffer.from('0800000000000002000100060200000000010000', 'hex'), datagram]) },
  { linktype: 1, frame: pppoe({ tags: [{ type: 0x9200, id: 0 }], padTo: 60 }, datagram) },
  { linktype: 1, frame: pppoe({ isShort: true }, datagram) },
  { linktype: 1, frame: mpls(3, datagram, [{ id: 7 }]) },
  { linktype: 1, frame: llc('aaaa030000000800', datagram) },
]);

interface Sample {
  readonly linktype: number;
  readonly frame: Buffer;
}

/** Marsaglia's xorshift: small, and the same everywhere. */
function createRandom(seed: number): (bound: number) => number {
  let state = seed | 1;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

function pick(random: (bound: number) => number): Sample {
  return CORPUS[random(CORPUS.length)] ?? { linktype: 1, frame: Buffer.alloc(0) };
}

const layout = new IpLayout();
const state = new PacketState(systemPool);
const view = new PacketView(state);
const chain = new IPRcvBuf();

/** Everything a lane and a hook can learn of the frame, as numbers. */
function observe(
  frame: Buffer,
  start: number,
  length: number,
  cut: number,
  linktype: number,
  mayBeOpen: boolean,
): number[] {
  const bytes = frame.subarray(start);
  const offset = classifyFrame(bytes, length, length + cut, linktype);
  if (offset < 0) return [offset];
  assert.ok(offset < length);
  const available = length - offset;
  if (!parseIpLayout(bytes, offset, available, available + cut, layout, mayBeOpen)) return [offset, -1];
  checkLayout(available, available + cut);

  const datagram = bytes.subarray(offset);
  state.begin(chain, datagram, layout);
  const { payloadOffset } = view;
  assert.ok(payloadOffset >= layout.transportOffset && payloadOffset <= layout.length);
  // What a UDP length leaves out is no payload.
  assert.ok(view.payload.length >= 0 && payloadOffset + view.payload.length <= layout.length);
  const option =
    view.tcpFlags === -1 ? -1 : findOption(datagram, layout.transportOffset, payloadOffset - layout.transportOffset, 2);
  return [
    offset,
    sessionHeader(bytes, offset, linktype),
    Number(hasLabels(bytes, offset, linktype)),
    ...Object.values(layout).map(Number),
    view.sourcePort,
    view.destinationPort,
    view.tcpFlags,
    payloadOffset,
    option,
    view.source.word(0),
    view.destination.word(0),
    view.source.at(view.source.length - 1),
    view.destination.at(view.destination.length - 1),
    ...observeLayers(),
    ...writeLayers(datagram),
  ];
}

function observeLayers(): number[] {
  const { ip, tcp, udp, icmp, payload, link } = view;
  const quoted = icmp?.quoted ?? null;
  const last = payload.length - 1;
  return [
    link.vlan,
    link.mac('source', 0),
    ...[ip.ttl, ip.dscp, ip.ecn, ip.id, Number(ip.dontFragment)],
    ...(tcp === null
      ? []
      : [tcp.sourcePort, tcp.seq, tcp.ack, tcp.flags, tcp.window, tcp.mss, tcp.headerLength, tcp.option(8)]),
    ...(udp === null ? [] : [udp.sourcePort, udp.destinationPort]),
    ...(icmp === null ? [] : [icmp.type, icmp.code, icmp.id, Number(icmp.isError)]),
    ...(quoted === null
      ? []
      : [quoted.protocol, quoted.sourcePort, quoted.destinationPort, quoted.ip.ttl, quoted.ip.source.word(0)]),
    ...[
      payload.length,
      payload.u8(last),
      payload.u16(last - 1),
      payload.u32(0),
      payload.indexOf(NEEDLE),
      payload.text().length,
    ],
  ];
}

/** Writes through every setter, and says what the datagram is then. Octets behind it are the business of the caller. */
function writeLayers(datagram: Buffer): number[] {
  const { ip, tcp, udp, icmp, payload } = view;
  const quoted = icmp?.quoted ?? null;
  ip.ttl = 3;
  ip.dscp = 45;
  ip.id = 0x1234;
  ip.swap();
  ip.source.setWord(0, 0xfedcba98);
  ip.destination.setWord(0, 0x01020304);
  if (tcp !== null) {
    tcp.sourcePort = 7;
    tcp.seq = 0x89abcdef;
    tcp.mss = 1000;
    tcp.flags = 0xff;
  }
  if (udp !== null) udp.destinationPort = 9;
  if (quoted !== null) {
    quoted.ip.ttl = 1;
    quoted.ip.destination.setWord(0, 0xa5a5a5a5);
    quoted.sourcePort = 11;
  }
  payload.setU8(payload.length - 1, 0x5a);
  payload.setU16(1, 0x1234);
  let sum = 0;
  for (let at = 0; at < layout.length; at++) sum = (Math.imul(sum, 31) + (datagram[at] as number)) | 0;
  return [sum];
}

const NEEDLE = Buffer.of(0x5a, 0x5a);

function checkLayout(available: number, originalLength: number): void {
  assert.ok(layout.version === 4 || layout.version === 6);
  assert.ok(layout.headerLength <= layout.transportOffset && layout.transportOffset <= layout.length);
  assert.ok(layout.length <= available && layout.length <= layout.declaredLength);
  assert.ok(layout.declaredLength <= originalLength);
  assert.equal(layout.truncated, layout.length < layout.declaredLength);
  assert.equal(layout.isFragment, layout.moreFragments || layout.fragmentOffset !== 0);
  if (layout.hasPorts) assert.ok(layout.transportOffset + 4 <= layout.length && layout.fragmentOffset === 0);
}

test('nothing that reads a packet throws, yields NaN or depends on octets outside of the frame', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = createRandom(SEED);
  // One buffer of each exact size, so that a read past the end finds nothing.
  const exact = Array.from({ length: MAX_LENGTH + 1 }, (_, length) => Buffer.from(new ArrayBuffer(length)));
  const guarded = Buffer.alloc(MAX_LENGTH + 2 * GUARD);
  let wellFormed = 0;

  for (let count = 0; count < FRAMES; count++) {
    const { frame: base, linktype: own } = pick(random);
    const isRandom = random(8) === 0;
    const length =
      random(4) === 0 || isRandom ? random(Math.min(MAX_LENGTH, base.length + 8)) : Math.min(MAX_LENGTH, base.length);
    const frame = exact[length] ?? Buffer.alloc(0);
    if (isRandom) for (let at = 0; at < length; at++) frame[at] = random(256);
    else base.copy(frame.fill(0));
    for (let mutations = random(4); mutations > 0 && length > 0; mutations--) {
      frame[random(length)] = random(2) === 0 ? (EDGES[random(EDGES.length)] ?? 0) : random(256);
    }
    const linktype = random(4) === 0 ? (LINKTYPES[random(LINKTYPES.length)] ?? own) : own;
    const cut = random(3) === 0 ? random(2000) : 0;

    const mayBeOpen = random(2) === 0;
    guarded.fill(random(256));
    frame.copy(guarded, GUARD);
    const alone = observe(frame, 0, length, cut, linktype, mayBeOpen);
    const outside = guarded[0];
    const among = observe(guarded, GUARD, length, cut, linktype, mayBeOpen);
    const isKept = guarded.every((octet, at) => octet === outside || (at >= GUARD && at < GUARD + length));
    assert.ok(isKept, 'a setter wrote outside of the frame');
    const isSame = alone.length === among.length && alone.every((value, index) => value === among[index]);
    const isNumeric = alone.every(Number.isInteger);
    if (!isSame || !isNumeric) {
      const hex = frame.toString('hex');
      assert.fail(
        `linktype ${linktype}, cut ${cut}, frame ${hex}: alone ${alone.join()}, among others ${among.join()}`,
      );
    }
    if (alone.length > 2) wellFormed++;
  }
  t.diagnostic(`${wellFormed} of ${FRAMES} well formed`);
  assert.ok(wellFormed > FRAMES / 10, 'the corpus reaches the code behind the checks');
});

test('filling checksums writes nothing outside of the datagram', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = createRandom(SEED);
  for (let count = 0; count < 20_000; count++) {
    const { frame: base } = pick(random);
    const bytes = Buffer.concat([base, Buffer.alloc(GUARD, 0xa5)]);
    for (let mutations = random(4); mutations > 0; mutations--) bytes[random(base.length)] = random(256);
    const before = bytes.toString('hex');
    const isFilled = fillChecksums(bytes, base.length);
    if (!isFilled) assert.equal(bytes.toString('hex'), before);
    assert.equal(bytes.toString('hex', base.length), 'a5'.repeat(GUARD), before);
  }
});

test('what a missing card does to a frame stays within it, whatever the header beside it says', (t) => {
  t.diagnostic(`seed ${SEED}`);
  const random = createRandom(SEED);
  const card = new MissingCard();
  const payload = Buffer.alloc(90, 0x61);
  const inner = [ipv4({}, tcp({}, payload)), ipv6({}, udp({}, payload)), ipv4({}, octets(132, payload))];
  const done = [0, 0, 0];
  for (let count = 0; count < 50_000; count++) {
    const datagram = inner[random(inner.length)] as Buffer;
    const base = tunnel(CARRIERS[random(CARRIERS.length)] ?? 'ip', { outer: random(2) === 0 ? 4 : 6 }, datagram);
    const bytes = Buffer.concat([base, Buffer.alloc(GUARD, 0xa5)]);
    const mutations = Math.max(0, random(6) - 3);
    for (let i = 0; i < mutations; i++) bytes[random(base.length)] = random(256);
    const right = base.length - datagram.length + ((datagram[0] ?? 0) >>> 4 === 4 ? 20 : 40);
    const start = random(4) === 0 ? random(0x10000) : right;
    const field = [6, 8, 16, random(0x10000)][random(4)] ?? 0;
    const segment = random(8) === 0 ? random(0x10000) : random(100);
    const before = Buffer.from(bytes);
    const fields = { length: base.length, flags: random(4), checksumStart: start, segmentSize: segment };
    const what = card.stepIn(frameOf(bytes, fields), field);
    done[what] = (done[what] ?? 0) + 1;
    assert.deepEqual(bytes.subarray(base.length), before.subarray(base.length));
    if (what !== COMPLETED) assert.deepEqual(bytes, before);
    if (what !== CUT) continue;
    const { segments } = card;
    const out = Buffer.alloc(segments.maxLength + GUARD, 0xa5);
    for (let i = 0; i < segments.count; i++) {
      const length = segments.write(i, out);
      assert.ok(length > 0 && length <= segments.maxLength);
      assert.equal(out.toString('hex', segments.maxLength), 'a5'.repeat(GUARD), before.toString('hex'));
    }
  }
  t.diagnostic(`as they were ${done[0]}, completed ${done[COMPLETED]}, cut ${done[CUT]}`);
  for (const number of done) assert.ok(number > 1000, 'the frames reach the code behind the checks');
});
