/**
 * Promises of the stock hook `reject-port`; those of the port rule itself are in `drop-port.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import rejectPort from '../../../hooks/reject-port.ts';
import { FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { ipv4, ipv6, tcp, udp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

describe('reject-port', () => {
  test('asks for an ICMP error about the ports it names and passes the others', async () => {
    const hook = await driveHook(rejectPort, { protocol: 'udp', ports: ['137-138'], direction: 'either' });
    assert.equal(hook.verdict(ipv4({}, udp({ destinationPort: 137 }))), ICMP_ON_DROP);
    assert.equal(hook.verdict(ipv6({}, udp({ sourcePort: 138 }))), ICMP_ON_DROP);
    assert.equal(hook.verdict(ipv4({}, udp({ destinationPort: 139 }))), FORWARD);
    assert.equal(hook.verdict(ipv4({}, tcp({ destinationPort: 137 }))), FORWARD);
  });

  test('refuses an option that it does not know', async () => {
    assert.equal(
      await refusal(rejectPort, { protocol: 'udp', ports: [1], code: 3 }),
      'code: unknown option; expected protocol, ports, direction',
    );
  });
});
