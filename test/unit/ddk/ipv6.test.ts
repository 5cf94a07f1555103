/**
 * Promises of the IPv6 hook: one at a time, read only, accept or drop, drained before it is gone.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KSPIN_LOCK } from '../../../src/ddk/dispatcher-objects.ts';
import type { IPv6FirewallHookProc } from '../../../src/ddk/ipv6-types.ts';
import {
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
  STATUS_SUCCESS,
} from '../../../src/firewall/constants.ts';
import { formatAddress } from '../../../src/wire/address.ts';
import { icmpv6, ipv6, octets, type Transport, tcp, udp } from '../../support/packet-builder.ts';
import { assertBugCheck, freshDoor, loadedDoor } from './support.ts';

const DATA = Buffer.from('payload');
const [ACCEPT, DROP] = [0, 1] as const;

type Seen = Parameters<IPv6FirewallHookProc>;

/** Sends a datagram through the hook; the arguments it saw, and what became of it. */
function pass(
  made: ReturnType<typeof freshDoor>,
  datagram: Buffer,
  protocol: number,
  offset = 40,
  direction: 0 | 1 = 1,
) {
  assert.ok(made.host.ipv6);
  const before = Buffer.from(datagram);
  const passes = made.host.ipv6(datagram, datagram.length, offset, protocol, 7, direction);
  assert.deepEqual(datagram, before);
  return passes;
}

function recording(action: 0 | 1, parameters: unknown = null) {
  const made = freshDoor(parameters);
  const seen: Seen[] = [];
  const hook: IPv6FirewallHookProc = (...args) => {
    seen.push(args);
    return action;
  };
  assert.equal(made.ddk.IPv6EnableFirewallHook(hook), STATUS_SUCCESS);
  return { made, seen };
}

describe('IPv6EnableFirewallHook', () => {
  test('answers STATUS_INVALID_DEVICE_REQUEST while a hook is enabled, of this driver or another (DOC-IPV6-11)', () => {
    const { ddk, host } = freshDoor();
    assert.equal(
      ddk.IPv6EnableFirewallHook(() => ACCEPT),
      STATUS_SUCCESS,
    );
    assert.equal(
      ddk.IPv6EnableFirewallHook(() => ACCEPT),
      STATUS_INVALID_DEVICE_REQUEST,
    );
    ddk.IPv6DisableFirewallHook(() => undefined);
    assert.equal(
      ddk.IPv6EnableFirewallHook(() => ACCEPT),
      STATUS_SUCCESS,
    );
    ddk.IPv6DisableFirewallHook(() => undefined);
    host.setIpv6Hook(() => true);
    assert.equal(
      ddk.IPv6EnableFirewallHook(() => ACCEPT),
      STATUS_INVALID_DEVICE_REQUEST,
    );
  });

  test('answers STATUS_INVALID_PARAMETER for what is no hook (DOC-IPV6-10)', () => {
    const { ddk } = freshDoor();
    for (const hook of [null, {}, async () => ACCEPT]) {
      assert.equal(ddk.IPv6EnableFirewallHook(hook as never), STATUS_INVALID_PARAMETER);
    }
  });
});

describe('IPv6DisableFirewallHook', () => {
  test('calls its completion routine at once when no call is under way, also when nothing is enabled (DOC-IPV6-15)', () => {
    const { ddk, host } = freshDoor();
    let done = 0;
    ddk.IPv6DisableFirewallHook(() => done++);
    ddk.IPv6EnableFirewallHook(() => ACCEPT);
    ddk.IPv6DisableFirewallHook(() => done++);
    assert.equal(done, 2);
    assert.equal(host.ipv6, null);
  });

  test('from within the hook, calls it after that call has returned (DOC-IPV6-14)', () => {
    const made = freshDoor();
    const order: string[] = [];
    made.ddk.IPv6EnableFirewallHook(() => {
      made.ddk.IPv6DisableFirewallHook(() => order.push('completed'));
      order.push('returns');
      return DROP;
    });
    assert.equal(pass(made, ipv6({}, udp()), 17), false);
    assert.deepEqual(order, ['returns', 'completed']);
  });

  test('leaves the hook of another driver alone', () => {
    const { ddk, host } = freshDoor();
    host.setIpv6Hook(() => true);
    ddk.IPv6DisableFirewallHook(() => undefined);
    assert.notEqual(host.ipv6, null);
  });

  test('needs a completion routine (DOC-IPV6-13)', () => {
    const { ddk } = freshDoor();
    assertBugCheck(
      () => ddk.IPv6DisableFirewallHook(null as never),
      'PAGE_FAULT_IN_NONPAGED_AREA',
      'IPv6DisableFirewallHook',
    );
  });
});

describe('the IPv6 hook', () => {
  test('is told addresses, lengths, header, interface and direction (DOC-IPV6-1, DOC-IPV6-3, DOC-IPV6-4, DOC-IPV6-5, DOC-IPV6-7, HDR-IPV6-4)', () => {
    const { made, seen } = recording(ACCEPT);
    const datagram = ipv6({ source: '2001:db8::1', destination: '2001:db8::2' }, udp({ destinationPort: 53 }, DATA));
    assert.equal(pass(made, datagram, 17), true);
    const [source, destination, payload, type, header, , dataLength, index, direction, isLoopBack] =
      seen[0] ?? assert.fail();
    assert.deepEqual([formatAddress(source), formatAddress(destination)], ['2001:db8::1', '2001:db8::2']);
    assert.deepEqual([payload, type, dataLength, index, direction, isLoopBack], [15, 17, 7, 7, 1, false]);
    assert.deepEqual(Buffer.from(header), datagram.subarray(40, 48));
  });

  test('gets the header of its transport, and DataLength octets behind it (DOC-IPV6-5, DOC-IPV6-6)', () => {
    const cases: readonly (readonly [Transport, number])[] = [
      [tcp({ options: Buffer.from('020405b4', 'hex') }, DATA), 24],
      [udp({}, DATA), 8],
      [icmpv6({}, DATA), 8],
      [octets(132, Buffer.alloc(20)), 12],
      [octets(89, Buffer.alloc(20)), 8],
      [octets(89, Buffer.alloc(3)), 3],
      [octets(6, Buffer.alloc(13)), 13],
    ];
    for (const [transport, headerLength] of cases) {
      const { made, seen } = recording(ACCEPT);
      const datagram = ipv6({}, transport);
      pass(made, datagram, transport.protocol);
      assert.equal(seen[0]?.[4].length, headerLength);
      assert.equal(seen[0]?.[6], datagram.length - 40 - headerLength);
    }
  });

  test('counts extension headers into PayloadLength, and the IPv6 header only with the option, on receive (DOC-IPV6-3, SAMPLE-IPV6-1)', () => {
    const extension = { type: 60, octets: Buffer.from('00010400000000', 'hex') };
    const datagram = ipv6({ extensions: [extension] }, udp({}, DATA));
    const offset = datagram.length - 15;
    for (const [parameters, direction, expected] of [
      [null, 1, datagram.length - 40],
      [{ IPv6PayloadLengthIncludesHeader: true }, 1, datagram.length],
      [{ IPv6PayloadLengthIncludesHeader: true }, 0, datagram.length - 40],
    ] as const) {
      const { made, seen } = recording(ACCEPT, parameters);
      pass(made, datagram, 17, offset, direction);
      assert.equal(seen[0]?.[2], expected);
    }
  });

  test('cannot change a packet: header, addresses and data are copies (DOC-IPV6-2, DOC-IPV6-20)', () => {
    const made = freshDoor();
    made.ddk.IPv6EnableFirewallHook((source, destination, _length, _type, header, context, dataLength) => {
      for (const bytes of [source, destination, header]) bytes.fill(0xff);
      made.ddk.IPv6ObtainPacketData(context, dataLength, 1)?.fill(0xff);
      return ACCEPT;
    });
    assert.equal(pass(made, ipv6({}, udp({}, DATA)), 17), true);
  });

  test('drops with ActionDrop; another result, a throw and a held lock are thrown (HDR-IPV6-3)', () => {
    const { made } = recording(DROP);
    assert.equal(pass(made, ipv6({}, udp()), 17), false);
    const other = freshDoor();
    const results: (() => unknown)[] = [
      () => 2,
      () => undefined,
      () => {
        throw new Error('the driver');
      },
      () => {
        other.ddk.KeAcquireSpinLockAtDpcLevel(new KSPIN_LOCK());
        return ACCEPT;
      },
    ];
    other.ddk.IPv6EnableFirewallHook((() => results[0]?.()) as never);
    for (const message of [/2, which is no IPv6Action/, /undefined, which is no/, /the driver/, /spin lock held/]) {
      assert.throws(() => pass(other, ipv6({}, udp()), 17), message);
      results.shift();
      assert.equal(other.ddk.KeGetCurrentIrql(), 0);
    }
  });

  test('runs at DISPATCH_LEVEL (HDR-IPV6-5)', () => {
    const made = freshDoor();
    made.ddk.IPv6EnableFirewallHook(() => (made.ddk.KeGetCurrentIrql() === 2 ? DROP : ACCEPT));
    assert.equal(pass(made, ipv6({}, udp()), 17), false);
  });

  test('not disabled shows at the end, and is disabled', () => {
    const { ddk, host } = loadedDoor();
    ddk.IPv6EnableFirewallHook(() => ACCEPT);
    assert.deepEqual(host.unload(), ['The IPv6 hook was not disabled with IPv6DisableFirewallHook.']);
    assert.equal(host.ipv6, null);
  });
});

describe('IPv6ObtainPacketData', () => {
  function obtain(length: number, alignment: number): Uint8Array | null {
    const made = freshDoor();
    let data: Uint8Array | null = null;
    made.ddk.IPv6EnableFirewallHook((_s, _d, _p, _t, _h, context) => {
      data = made.ddk.IPv6ObtainPacketData(context, length, alignment);
      return ACCEPT;
    });
    pass(made, ipv6({}, udp({}, DATA)), 17);
    return data;
  }

  test('gives what follows the transport header (DOC-IPV6-16)', () => {
    assert.deepEqual(Buffer.from(obtain(7, 4) ?? []), DATA);
    assert.deepEqual(Buffer.from(obtain(3, 1) ?? []), DATA.subarray(0, 3));
    assert.equal(obtain(0, 8)?.length, 0);
  });

  test('gives null for more than DataLength, and for an Alignment that is no power of two (DOC-IPV6-16, DOC-IPV6-17, DOC-IPV6-18)', () => {
    for (const [length, alignment] of [
      [8, 4],
      [-1, 4],
      [0.5, 4],
      [7, 0],
      [7, 3],
      [7, -4],
      [7, 1.5],
    ] as const) {
      assert.equal(obtain(length, alignment), null, `${length} ${alignment}`);
    }
  });

  test('gives null outside of the hook, and for the context of another call (DOC-IPV6-6, DOC-IPV6-19)', () => {
    const made = freshDoor();
    const contexts: unknown[] = [];
    let second: Uint8Array | null = new Uint8Array(1);
    made.ddk.IPv6EnableFirewallHook((_s, _d, _p, _t, _h, context) => {
      contexts.push(context);
      if (contexts.length === 2) second = made.ddk.IPv6ObtainPacketData(contexts[0], 1, 1);
      return ACCEPT;
    });
    pass(made, ipv6({}, udp({}, DATA)), 17);
    assert.equal(made.ddk.IPv6ObtainPacketData(contexts[0], 1, 1), null);
    assert.equal(made.ddk.IPv6ObtainPacketData(null, 0, 1), null);
    pass(made, ipv6({}, udp({}, DATA)), 17);
    assert.equal(second, null);
  });
});
