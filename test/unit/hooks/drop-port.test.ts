/**
 * Promises of the stock hook `drop-port`, and of the port rule it shares with others.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import dropPort from '../../../hooks/drop-port.ts';
import { DROP, FORWARD } from '../../../src/firewall/constants.ts';
import { fragment, ipv4, ipv6, octets, tcp, udp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

const telnet = { sourcePort: 40_000, destinationPort: 23 };
const EXPECTED = 'expected ports from 0 to 65535 and ranges such as "6000-6063"';

describe('drop-port', () => {
  test('drops the protocol and port it names, in IPv4 and IPv6, and leaves the octets alone', async () => {
    const hook = await driveHook(dropPort, { protocol: 'tcp', ports: [23] });
    for (const datagram of [ipv4({}, tcp(telnet)), ipv6({}, tcp(telnet))]) {
      assert.deepEqual(hook.pass(datagram), { verdict: DROP, datagram, replacement: [] });
    }
    assert.equal(hook.verdict(ipv4({}, udp(telnet))), FORWARD);
    assert.equal(hook.verdict(ipv4({}, tcp({ ...telnet, destinationPort: 22 }))), FORWARD);
    assert.equal(hook.verdict(ipv4({}, octets(253, Buffer.alloc(20)))), FORWARD);
  });

  test('looks at the destination unless it is told otherwise', async () => {
    const reply = ipv4({}, udp({ sourcePort: 53, destinationPort: 40_000 }));
    const query = ipv4({}, udp({ sourcePort: 40_000, destinationPort: 53 }));
    for (const [direction, onReply, onQuery] of [
      [undefined, FORWARD, DROP],
      ['destination', FORWARD, DROP],
      ['source', DROP, FORWARD],
      ['either', DROP, DROP],
    ] as const) {
      const hook = await driveHook(dropPort, { protocol: 'udp', ports: [53], direction });
      assert.equal(hook.verdict(reply), onReply);
      assert.equal(hook.verdict(query), onQuery);
    }
  });

  test('drops the first fragment and passes the later ones', async () => {
    const hook = await driveHook(dropPort, { protocol: 'udp', ports: '0-65535', direction: 'either' });
    const payload = Buffer.alloc(16, 0);
    assert.equal(hook.verdict(ipv4({ moreFragments: true }, udp({ length: 32 }, payload))), DROP);
    assert.equal(hook.verdict(ipv4({ fragmentOffset: 24 }, octets(17, payload))), FORWARD);
    assert.equal(hook.verdict(ipv6({ extensions: [fragment(24, false)] }, octets(17, payload))), FORWARD);
  });

  test('drops exactly the ports of the list, whatever the ports and ranges in it', async () => {
    const port = fc.integer({ min: 0, max: 65_535 });
    const range = fc.tuple(port, port).map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);
    const items = fc.array(fc.oneof(port, range), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(items, fc.array(port, { maxLength: 8 }), async (chosen, others) => {
        const ports = chosen.map((item) => (typeof item === 'number' ? item : `${item[0]}-${item[1]}`));
        const hook = await driveHook(dropPort, { protocol: 'tcp', ports });
        const edges = chosen.flatMap((item) => (typeof item === 'number' ? [item, item + 1] : [item[0] - 1, ...item]));
        for (const destinationPort of [...others, ...edges]) {
          if (destinationPort < 0 || destinationPort > 65_535) continue;
          const isChosen = chosen.some((item) =>
            typeof item === 'number'
              ? item === destinationPort
              : item[0] <= destinationPort && destinationPort <= item[1],
          );
          const datagram = ipv4({}, tcp({ destinationPort, sourcePort: 1 }));
          assert.equal(hook.verdict(datagram), isChosen ? DROP : FORWARD, `port ${destinationPort}`);
        }
      }),
    );
  });

  for (const [options, message] of [
    [undefined, 'protocol: is missing; expected tcp or udp'],
    [{ protocol: 'icmp', ports: [1] }, 'protocol: "icmp" is not valid; expected tcp or udp'],
    [{ protocol: 'tcp' }, `ports: is missing; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: [] }, `ports: [] is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: [23, 65_536] }, `ports: 65536 is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: [-1] }, `ports: -1 is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: [1.5] }, `ports: 1.5 is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: ['20-10'] }, `ports: "20-10" is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: ['ssh'] }, `ports: "ssh" is not valid; ${EXPECTED}`],
    [{ protocol: 'tcp', ports: [null] }, `ports: null is not valid; ${EXPECTED}`],
    [
      { protocol: 'tcp', ports: [1], direction: 'in' },
      'direction: "in" is not valid; expected destination or source or either',
    ],
    [{ protocol: 'tcp', port: [1] }, 'port: unknown option; expected protocol, ports, direction'],
    [[23], 'options: [23] is not valid; expected a mapping'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      assert.equal(await refusal(dropPort, options), message);
    });
  }
});
