/**
 * The packet and the context as hooks see them.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { Pool } from '../../../src/firewall/pool.ts';
import { ContextState, ContextView } from '../../../src/hook/packet/context-view.ts';
import { PacketState } from '../../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../../src/hook/packet/packet-view.ts';
import { parseAddress } from '../../../src/wire/address.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { extension, fragment, icmpv4, icmpv6, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';

const DATA = Buffer.from('payload');

/** A view, with the state that it shows. */
interface Loaded {
  readonly view: PacketView;
  readonly state: PacketState;
}

/** Begins a datagram as a lane does: in a buffer longer than it. */
function load(state: PacketState, datagram: Buffer, captured = datagram.length): IPRcvBuf {
  const bytes = Buffer.concat([datagram.subarray(0, captured), Buffer.alloc(64, 0xee)]);
  const layout = new IpLayout();
  assert.ok(parseIpLayout(bytes, 0, captured, datagram.length, layout));
  const chain = new IPRcvBuf();
  state.begin(chain, bytes, layout);
  return chain;
}

function begun(datagram: Buffer, captured?: number): Loaded {
  const state = new PacketState(new Pool(1024 * 1024));
  load(state, datagram, captured);
  return { view: new PacketView(state), state };
}

function viewOf(datagram: Buffer, captured?: number): PacketView {
  return begun(datagram, captured).view;
}

describe('PacketView', () => {
  test('shows the fields of a TCP segment over IPv4', () => {
    const options = Buffer.from('020405b4', 'hex');
    const view = viewOf(ipv4({}, tcp({ sourcePort: 1025, destinationPort: 443, flags: 18, options }, DATA)));
    assert.equal(view.version, 4);
    assert.equal(view.protocol, 6);
    assert.equal(view.length, 51);
    assert.equal(view.transportOffset, 20);
    assert.equal(view.isFragment, false);
    assert.equal(view.fragmentOffset, 0);
    assert.equal(view.sourcePort, 1025);
    assert.equal(view.destinationPort, 443);
    assert.equal(view.tcpFlags, 18);
    assert.equal(view.payloadOffset, 44);
    assert.equal(view.payload.text(), 'payload');
  });

  test('shows the fields of UDP behind IPv6 extension headers', () => {
    const view = viewOf(ipv6({ extensions: [extension(0, 16)] }, udp({ destinationPort: 53 }, DATA)));
    assert.equal(view.version, 6);
    assert.equal(view.protocol, 17);
    assert.equal(view.transportOffset, 56);
    assert.equal(view.destinationPort, 53);
    assert.equal(view.tcpFlags, -1);
    assert.equal(view.payload.text(), 'payload');
  });

  test('finds the payload of ICMP, and of what it does not know after the IP header', () => {
    assert.equal(viewOf(ipv4({}, icmpv4({}, DATA))).payload.text(), 'payload');
    assert.equal(viewOf(ipv6({}, icmpv6({}, DATA))).payload.text(), 'payload');
    assert.equal(viewOf(ipv4({}, octets(47, DATA))).payload.text(), 'payload');
    assert.equal(viewOf(ipv4({}, octets(58, DATA))).payload.text(), 'payload', 'ICMPv6 is none in IPv4');
    assert.equal(viewOf(ipv6({}, octets(1, DATA))).payload.text(), 'payload', 'ICMP is none in IPv6');
    assert.equal(viewOf(ipv4({}, icmpv4())).sourcePort, -1);
  });

  test('shows no ports and flags in a later fragment, and its data as payload', () => {
    const view = viewOf(ipv6({ extensions: [fragment(64, true)] }, octets(6, Buffer.alloc(32, 0x50))));
    assert.deepEqual([view.isFragment, view.fragmentOffset], [true, 64]);
    assert.deepEqual([view.sourcePort, view.destinationPort, view.tcpFlags], [-1, -1, -1]);
    assert.equal(view.payload.length, 32);
  });

  test('shows nothing that the capture cut off', () => {
    const datagram = ipv4({}, tcp({ sourcePort: 1025, flags: 2, options: Buffer.alloc(8, 1) }, DATA));
    for (let captured = 20; captured <= datagram.length; captured++) {
      const view = viewOf(datagram, captured);
      assert.equal(view.sourcePort, captured >= 24 ? 1025 : -1, `${captured} octets`);
      assert.equal(view.tcpFlags, captured >= 34 ? 2 : -1, `${captured} octets`);
      assert.equal(view.payloadOffset, Math.min(captured, 48), `${captured} octets`);
      assert.equal(view.payload.length, Math.max(0, captured - 48), `${captured} octets`);
    }
  });

  test('shows a change made in the octets at once', () => {
    const view = viewOf(ipv4({}, udp({}, DATA)));
    view.bytes.writeUInt16BE(5353, 22);
    view.bytes[15] = 77;
    assert.equal(view.destinationPort, 5353);
    assert.equal(view.source.toString(), '192.0.2.77');
  });

  test('keeps the payload inside of the datagram when a hook breaks the data offset', () => {
    const view = viewOf(ipv4({}, tcp({}, DATA)));
    view.bytes[32] = 0xf0;
    assert.equal(view.payloadOffset, view.length);
    assert.equal(view.payload.length, 0);
  });

  test('is the same object with the same addresses for every packet', () => {
    const state = new PacketState(new Pool(1024 * 1024));
    const view = new PacketView(state);
    const { source, destination } = view;
    const first = load(state, ipv6({ source: '2001:db8::a' }, udp()));
    assert.equal(view.chain, first);
    assert.deepEqual([source.length, source.toString()], [16, '2001:db8::a']);
    const second = load(state, ipv4({ destination: '203.0.113.9' }, udp()));
    assert.equal(view.chain, second);
    assert.equal(view.bytes, second.ipr_buffer);
    assert.equal(view.source, source);
    assert.equal(view.destination, destination);
    assert.deepEqual([destination.length, destination.toString()], [4, '203.0.113.9']);
  });
});

describe('an address', () => {
  test('shows octets and words, unsigned and with a sign', () => {
    const view = viewOf(ipv4({ source: '203.0.113.9' }, udp()));
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => view.source.at(index)),
      [203, 0, 113, 9],
    );
    assert.equal(view.source.word(0), 0xcb007109);
    const ipv6View = viewOf(ipv6({ destination: '2001:db8::ffff:ffff' }, udp()));
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => ipv6View.destination.word(index)),
      [0x20010db8, 0, 0, 0xffffffff],
    );
    assert.equal(view.source.signedWord(0), 0xcb007109 - 2 ** 32);
    assert.deepEqual(
      [0, 1, 2, 3].map((index) => ipv6View.destination.signedWord(index)),
      [0x20010db8, 0, 0, -1],
    );
  });

  test('equals the same octets only', () => {
    const { source } = viewOf(ipv4({ source: '192.0.2.1' }, udp()));
    assert.equal(source.equals(Uint8Array.from([192, 0, 2, 1])), true);
    assert.equal(source.equals(Uint8Array.from([192, 0, 2, 2])), false);
    assert.equal(source.equals(Uint8Array.from([192, 0, 2])), false);
    assert.equal(source.equals(new Uint8Array(16)), false);
  });

  test('is in the prefixes that have its leading bits, of every length, and of its own family', () => {
    for (const text of ['192.0.2.77', '255.255.255.255', '0.0.0.0', '2001:db8::8000:1', '::', 'ffff::ffff']) {
      const own = parseAddress(text) ?? assert.fail(text);
      const bits = 8 * own.length;
      const { source } = viewOf(own.length === 4 ? ipv4({ source: text }, udp()) : ipv6({ source: text }, udp()));
      for (let prefixLength = 0; prefixLength <= bits; prefixLength++) {
        // What does not count may be anything.
        for (const rest of [0, 0xff]) {
          const bytes = own.map((octet, index) => {
            const mask = 0xff >>> Math.max(0, Math.min(8, prefixLength - 8 * index));
            return (octet & ~mask) | (rest & mask);
          });
          assert.equal(source.isIn({ bytes, prefixLength }), true, `${text}/${prefixLength}`);
          for (let bit = 0; bit < prefixLength; bit++) {
            const other = Uint8Array.from(bytes);
            other[bit >>> 3] = (other[bit >>> 3] as number) ^ (0x80 >>> (bit & 7));
            assert.equal(source.isIn({ bytes: other, prefixLength }), false, `${text}/${prefixLength}, bit ${bit}`);
          }
        }
      }
      assert.equal(source.isIn({ bytes: new Uint8Array(20 - own.length), prefixLength: 0 }), false, 'other family');
      for (const prefixLength of [-1, bits + 1, Number.NaN]) {
        assert.equal(source.isIn({ bytes: own, prefixLength }), false, `${prefixLength}`);
      }
    }
  });

  test('copies octets that outlive the packet', () => {
    const { view, state } = begun(ipv4({ source: '192.0.2.1' }, udp()));
    const copy = view.source.toBytes();
    load(state, ipv4({ source: '192.0.2.99' }, udp()));
    assert.deepEqual(copy, Uint8Array.from([192, 0, 2, 1]));
  });
});

describe('replace', () => {
  test('sets the replacement until the next packet', () => {
    const { view, state } = begun(ipv4({}, udp()));
    assert.equal(state.replacement, null);
    const chain = new IPRcvBuf();
    view.replace(chain);
    assert.equal(state.replacement, chain);
    assert.deepEqual(state.abandoned, []);
    load(state, ipv4({}, udp()));
    assert.equal(state.replacement, null);
  });

  test('keeps the last of several, and hands the others to the runtime, each once', () => {
    const { view, state } = begun(ipv4({}, udp()));
    const [first, second, third] = [new IPRcvBuf(), new IPRcvBuf(), new IPRcvBuf()];
    for (const chain of [first, second, second, third, first]) view.replace(chain);
    assert.equal(state.replacement, first);
    assert.deepEqual(state.abandoned, [second, third]);
  });

  test('loses no abandoned chain when the next packet comes before they were freed', () => {
    const { view, state } = begun(ipv4({}, udp()));
    const first = new IPRcvBuf();
    view.replace(first);
    view.replace(new IPRcvBuf());
    load(state, ipv4({}, udp()));
    assert.deepEqual(state.abandoned, [first]);
    state.clearReplacement();
    assert.deepEqual(state.abandoned, []);
  });

  test('is forgotten when the runtime has taken it', () => {
    const { view, state } = begun(ipv4({}, udp()));
    view.replace(new IPRcvBuf());
    state.clearReplacement();
    assert.equal(state.replacement, null);
  });
});

test('ContextView shows its time in milliseconds and, exact, in nanoseconds', () => {
  const state = new ContextState();
  const context = new ContextView(state);
  state.seconds = 1_700_000_000;
  state.nanoseconds = 123_456_789;
  assert.equal(context.timestamp, 1_700_000_000_123.4568);
  assert.equal(context.timestampNs, 1_700_000_000_123_456_789n);
});
