/**
 * Promise: no frame that carries IP, in whatever form, passes a `bridge` attach without a hook's word, and what carries no
 * IP passes by `policy.nonIp` alone. Tried by search: thousands of generated frames, of a new seed every time.
 *
 * Rule: what a plain redirect carries across is the measure. With a hook that drops all, only frames that are not IP come
 * out of the other port, and all of them; with a hook that passes all, every frame that can be read comes out, once.
 *
 * @module
 */

import { test } from 'node:test';
import { watchArrivals } from '../../support/arrivals.ts';
import type { Target } from '../../support/frame-generator.ts';
import { ALLOWED_PORT, IP_LINKS, NON_IP_LINKS } from '../../support/frame-generator.ts';
import { bridgeLab, rootOnly } from '../../support/netns.ts';
import { assertFloor, assertNone, silence, startWalk, walk, walkFrames } from './walk.ts';

const skip = rootOnly();

const TARGET: Target = {
  mac: '02:00:00:00:02:02',
  senderMac: '02:00:00:00:01:01',
  own4: '10.77.0.2',
  own6: 'fd77::2',
  ownLinkLocal: 'fe80::ff:fe00:202',
  sender4: '10.77.0.1',
  sender6: 'fd77::1',
  senderLinkLocal: 'fe80::ff:fe00:101',
  subnetBroadcast: '10.77.0.255',
};

/** Registers the tests for a driver: a file each, so that none takes long. */
export function walkBridge(driver: 'afpacket' | 'pcap'): void {
  test(`nothing walks around the hooks of a bridge with ${driver}`, { skip }, async (t) => {
    const { ns } = await bridgeLab(t);
    await silence(ns.client);
    await silence(ns.server);
    const frames = walkFrames(TARGET);
    const course = { sender: ns.client, receiver: ns.server, kind: 'wire' } as const;
    const bridge = { bridge: ['lan0', 'wan0'] };

    await t.test('without firehook every frame comes out of the other port', async () => {
      const redirect = 'u32 match u32 0 0 action mirred egress redirect dev wan0';
      await ns.fw.output('tc', ['qdisc', 'add', 'dev', 'lan0', 'ingress']);
      await ns.fw.output('tc', ['filter', 'add', 'dev', 'lan0', 'ingress', 'protocol', 'all', ...redirect.split(' ')]);
      const free = await walk(course, frames);
      await ns.fw.output('tc', ['qdisc', 'del', 'dev', 'lan0', 'ingress']);
      const names = [...IP_LINKS, ...NON_IP_LINKS].map(({ name }) => name);
      assertFloor(free, frames, ({ link }) => link.name, names, 1);
      assertNone(
        'did not come out',
        frames.filter(({ number }) => !free.has(number)),
      );
    });

    await t.test('with a hook that drops all, what is not IP comes out and nothing else', async () => {
      const daemon = await startWalk(ns.fw, 'drop.js', bridge, driver);
      const arrived = await walk(course, frames, daemon);
      await daemon.stop();
      assertNone(
        'walked around the hook',
        frames.filter(({ number, link }) => arrived.has(number) && link.reading !== 'nonIp'),
      );
      assertNone(
        'are not IP and did not come out',
        frames.filter(({ number, link }) => !arrived.has(number) && link.reading === 'nonIp'),
      );
    });

    await t.test('a hook that lets one port pass lets nothing else pass', async () => {
      const daemon = await startWalk(ns.fw, 'select.js', bridge, driver);
      const arrived = await walk(course, frames, daemon);
      await daemon.stop();
      assertNone(
        'passed as something that they are not',
        frames.filter(({ number, link, ip, port }) => {
          const isWanted = link.reading === 'nonIp' || (ip.transport === 'udp' && port === ALLOWED_PORT);
          return arrived.has(number) && !isWanted;
        }),
      );
    });

    await t.test('with a hook that passes all, every frame that can be read comes out once', async () => {
      const daemon = await startWalk(ns.fw, 'pass.js', bridge, driver);
      const between = await watchArrivals(ns.fw, 'sockets', 'lan0');
      const arrived = await walk(course, frames, daemon);
      const delivered = await between.stop();
      await daemon.stop();
      assertNone(
        'did not come out, or not once',
        frames.filter(({ number, link, frames: pieces }) => {
          const isReadable = link.reading === 'ip' || link.reading === 'nonIp';
          return isReadable && arrived.get(number)?.length !== pieces.length;
        }),
      );
      assertNone(
        'are malformed and came out',
        frames.filter(({ number, link }) => arrived.has(number) && link.reading === 'malformed'),
      );
      // ARP sockets take what passes by; IP goes to the other side and to nobody in between.
      assertNone(
        'reached the stack between the ports',
        frames.filter(({ number }) => delivered.get(number)?.some((receiver) => receiver !== 'arp') === true),
      );
    });
  });
}
