/**
 * Promises of the driver `rules-driver`, over the host for drivers outside of a lane.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  DriverEntry,
  IOCTL_RULES_ADD,
  IOCTL_RULES_CLEAR,
  IOCTL_RULES_QUERY,
  IOCTL_RULES_START,
  IOCTL_RULES_STOP,
  RULE,
  RULE_RECEIVE,
  RULE_TRANSMIT,
  SIZEOF_RULE,
} from '../../../../hooks/drivers/rules-driver.ts';
import * as ddk from '../../../../src/ddk/index.ts';
import { systemPool } from '../../../../src/firewall/ddk.ts';
import { parseAddress } from '../../../../src/wire/address.ts';
import { icmpv4, ipv4, octets, tcp, udp } from '../../../support/packet-builder.ts';

const { DROP, FORWARD, ICMP_ON_DROP, IP_RECEIVE, IP_TRANSMIT } = ddk;
assert.ok(ddk.FhStandAlone);
const host = ddk.FhStandAlone;
host.printsLog = false;
const NAME = '\\\\.\\RulesDriver';

interface RuleText {
  readonly source?: string;
  readonly sourceMask?: string;
  readonly destination?: string;
  readonly destinationMask?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly protocol?: number;
  readonly direction?: number;
  readonly verdict?: number;
}

function rule(text: RuleText): Buffer {
  const octets = Buffer.alloc(SIZEOF_RULE);
  const address = (value = '0.0.0.0') => Buffer.from(parseAddress(value) ?? []);
  address(text.source).copy(octets, RULE.Source);
  address(text.sourceMask).copy(octets, RULE.SourceMask);
  address(text.destination).copy(octets, RULE.Destination);
  address(text.destinationMask).copy(octets, RULE.DestinationMask);
  octets.writeUInt16BE(text.sourcePort ?? 0, RULE.SourcePort);
  octets.writeUInt16BE(text.destinationPort ?? 0, RULE.DestinationPort);
  octets.writeUInt8(text.protocol ?? 0, RULE.Protocol);
  octets.writeUInt8(text.direction ?? 0, RULE.Direction);
  octets.writeUInt8(text.verdict ?? DROP, RULE.Verdict);
  return octets;
}

function control(code: number, input?: Buffer, outputLength = 0) {
  return host.ioControl(NAME, code, input, outputLength);
}

function add(text: RuleText): void {
  assert.equal(control(IOCTL_RULES_ADD, rule(text)).status, ddk.STATUS_SUCCESS);
}

function verdict(datagram: Buffer, cuts: readonly number[] = [], direction: 0 | 1 = IP_RECEIVE): number {
  const edges = [0, ...cuts, datagram.length];
  const parts = edges.slice(1).map((end, index) => datagram.subarray(edges[index], end));
  return host.send(parts, { direction }).verdict;
}

describe('rules-driver', () => {
  beforeEach(() => {
    host.parameters = null;
    assert.equal(host.load(DriverEntry), ddk.STATUS_SUCCESS);
  });
  afterEach(() => {
    assert.deepEqual(host.unload(), []);
    assert.equal(host.outstanding, 0);
    assert.equal(systemPool.totals().bytesInUse, 0);
  });

  test('filters from START on and no longer after STOP', () => {
    add({});
    const packet = ipv4({}, udp());
    assert.equal(verdict(packet), FORWARD);
    assert.equal(control(IOCTL_RULES_START).status, ddk.STATUS_SUCCESS);
    assert.equal(verdict(packet), DROP);
    assert.equal(control(IOCTL_RULES_STOP).status, ddk.STATUS_SUCCESS);
    assert.equal(verdict(packet), FORWARD);
  });

  test('refuses a second START and a STOP without one, and says so in its log', () => {
    assert.equal(control(IOCTL_RULES_STOP).status, ddk.STATUS_INVALID_PARAMETER);
    control(IOCTL_RULES_START);
    assert.equal(control(IOCTL_RULES_START).status, ddk.STATUS_INVALID_PARAMETER);
    assert.match(host.lines.at(-1) ?? '', /^info: RulesDriver: adding the hook failed: 0xc000000d$/);
  });

  test('starts by itself with the option Start', () => {
    host.unload();
    host.parameters = { start: true };
    assert.equal(host.load(DriverEntry), ddk.STATUS_SUCCESS);
    assert.equal(host.callbacks.length, 1);
    add({ verdict: ICMP_ON_DROP });
    assert.equal(verdict(ipv4({}, udp())), ICMP_ON_DROP);
  });

  test('matches address under mask, port, protocol and direction', () => {
    control(IOCTL_RULES_START);
    add({ source: '192.0.2.0', sourceMask: '255.255.255.0', protocol: 17, destinationPort: 53 });
    const from = (source: string, port: number) => ipv4({ source }, udp({ destinationPort: port }));
    assert.equal(verdict(from('192.0.2.200', 53)), DROP);
    assert.equal(verdict(from('192.0.3.200', 53)), FORWARD);
    assert.equal(verdict(from('192.0.2.200', 54)), FORWARD);
    assert.equal(verdict(ipv4({ source: '192.0.2.200' }, tcp({ destinationPort: 53 }))), FORWARD);
    control(IOCTL_RULES_CLEAR);
    add({ destination: '198.51.100.7', destinationMask: '255.255.255.255', direction: RULE_TRANSMIT });
    const to = ipv4({ destination: '198.51.100.7' }, icmpv4());
    assert.equal(verdict(to, [], IP_TRANSMIT), DROP);
    assert.equal(verdict(to, [], IP_RECEIVE), FORWARD);
    add({ direction: RULE_RECEIVE });
    assert.equal(verdict(to, [], IP_RECEIVE), DROP);
  });

  test('takes the verdict of the first rule that matches', () => {
    control(IOCTL_RULES_START);
    add({ protocol: 6, sourcePort: 1234, verdict: FORWARD });
    add({ protocol: 6, verdict: DROP });
    assert.equal(verdict(ipv4({}, tcp({ sourcePort: 1234 }))), FORWARD);
    assert.equal(verdict(ipv4({}, tcp({ sourcePort: 1235 }))), DROP);
    assert.equal(verdict(ipv4({}, udp({ sourcePort: 1235 }))), FORWARD);
  });

  test('gives one verdict for a packet, however its chain is cut', () => {
    control(IOCTL_RULES_START);
    add({ protocol: 6, destinationPort: 80 });
    const packet = ipv4({ options: Buffer.from('01010101', 'hex') }, tcp({ destinationPort: 80 }));
    for (let cut = 0; cut <= packet.length; cut++) assert.equal(verdict(packet, [cut]), DROP, `${cut}`);
    assert.equal(
      verdict(
        packet,
        Array.from({ length: packet.length - 1 }, (_, at) => at + 1),
      ),
      DROP,
    );
    assert.equal(verdict(packet, [20, 20, 24, 24]), DROP);
  });

  test('looks for no port in a later fragment', () => {
    control(IOCTL_RULES_START);
    add({ protocol: 17, destinationPort: 53 });
    const payload = Buffer.from('c0000035000800001111', 'hex');
    assert.equal(verdict(ipv4({ fragmentOffset: 8 }, octets(17, payload))), FORWARD);
    assert.equal(verdict(ipv4({ moreFragments: true }, udp({ destinationPort: 53 }))), DROP);
    add({ protocol: 17 });
    assert.equal(verdict(ipv4({ fragmentOffset: 8 }, octets(17, payload))), DROP);
  });

  test('drops what has no whole header', () => {
    control(IOCTL_RULES_START);
    assert.equal(verdict(ipv4({}, udp()).subarray(0, 19)), DROP);
    const wrong = ipv4({}, udp());
    wrong.writeUInt8(0x44, 0);
    assert.equal(verdict(wrong), DROP);
  });

  test('counts hits, and shows as many rules as there is room for', () => {
    control(IOCTL_RULES_START);
    add({ protocol: 6 });
    add({ protocol: 17 });
    for (let packet = 0; packet < 3; packet++) verdict(ipv4({}, udp()));
    const all = control(IOCTL_RULES_QUERY, undefined, 1000);
    assert.equal(all.status, ddk.STATUS_SUCCESS);
    assert.equal(all.output.length, 2 * SIZEOF_RULE);
    assert.equal(all.output.readUInt32LE(RULE.Hits), 0);
    assert.equal(all.output.readUInt32LE(SIZEOF_RULE + RULE.Hits), 3);
    const some = control(IOCTL_RULES_QUERY, undefined, SIZEOF_RULE + 3);
    assert.equal(some.status, ddk.STATUS_BUFFER_OVERFLOW);
    assert.equal(some.output.length, SIZEOF_RULE);
    assert.equal(control(IOCTL_RULES_QUERY).status, ddk.STATUS_BUFFER_OVERFLOW);
  });

  test('refuses a rule of another length, an unknown verdict, an unknown code, and more rules than it has room for', () => {
    assert.equal(control(IOCTL_RULES_ADD, Buffer.alloc(SIZEOF_RULE - 1)).status, ddk.STATUS_INVALID_PARAMETER);
    assert.equal(control(IOCTL_RULES_ADD).status, ddk.STATUS_INVALID_PARAMETER);
    assert.equal(control(IOCTL_RULES_ADD, rule({ verdict: 3 })).status, ddk.STATUS_INVALID_PARAMETER);
    assert.equal(control(IOCTL_RULES_QUERY + 4).status, ddk.STATUS_INVALID_DEVICE_REQUEST);
    for (let count = 0; count < 1024; count++) add({});
    assert.equal(control(IOCTL_RULES_ADD, rule({})).status, ddk.STATUS_INSUFFICIENT_RESOURCES);
    assert.equal(control(IOCTL_RULES_CLEAR).status, ddk.STATUS_SUCCESS);
    assert.equal(host.outstanding, 0);
  });

  test('answers STATUS_INSUFFICIENT_RESOURCES when the pool is exhausted, and leaks nothing', () => {
    const limit = systemPool.limitBytes;
    systemPool.limitBytes = 0;
    try {
      assert.equal(control(IOCTL_RULES_ADD, rule({})).status, ddk.STATUS_INSUFFICIENT_RESOURCES);
    } finally {
      systemPool.limitBytes = limit;
    }
    assert.equal(host.outstanding, 0);
  });
});
