/**
 * Promise: what a router would forward meets the hooks of the port it comes in by, and those of the port it leaves by.
 *
 * Rule: as in `host.ts`, with the sockets replaced by what comes out of the router's other port.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Daemon } from '../../support/daemon.ts';
import type { GeneratedFrame, Target } from '../../support/frame-generator.ts';
import { isExempt } from '../../support/frame-generator.ts';
import { rootOnly, routerLab } from '../../support/netns.ts';
import { assertNone, linkLocalOf, silence, startWalk, walk, walkFrames } from './walk.ts';

const skip = rootOnly();

/** Neighbour and router discovery as it is exempt where it arrives; behind several tags hooks see it, and it is discovery too. */
function isDiscovery({ ip }: GeneratedFrame): boolean {
  return ip.control >= 133 && ip.control <= 137 && ip.hopLimit === 255;
}

/** Registers the tests for a driver: a file each, so that none takes long. */
export function walkRouter(driver: 'afpacket' | 'pcap'): void {
  test(`nothing is forwarded around the hooks of a router with ${driver}`, { skip }, async (t) => {
    const { ns } = await routerLab(t);
    await silence(ns.inside);
    await silence(ns.outside);
    // Those that are silent are known for good: a packet that waits for an answer would be lost.
    for (const [name, mac, ...addresses] of [
      ['lan0', '02:00:00:00:01:01', '10.79.1.2', 'fd79:1::2'],
      ['wan0', '02:00:00:00:02:02', '10.79.2.2', 'fd79:2::2'],
    ] as const) {
      for (const address of addresses) {
        const neighbour = `neighbour replace ${address} lladdr ${mac} dev ${name} nud permanent`;
        await ns.router.output('ip', neighbour.split(' '));
      }
    }
    const target: Target = {
      mac: '02:00:00:00:01:02',
      senderMac: '02:00:00:00:01:01',
      own4: '10.79.2.2',
      own6: 'fd79:2::2',
      ownLinkLocal: await linkLocalOf(ns.router, 'lan0'),
      sender4: '10.79.1.2',
      sender6: 'fd79:1::2',
      senderLinkLocal: await linkLocalOf(ns.inside, 'eth0'),
      subnetBroadcast: '10.79.2.255',
    };
    const frames = walkFrames(target);
    const course = { sender: ns.inside, receiver: ns.outside, kind: 'wire' } as const;
    // ARP is not forwarded: behind the frames another marker goes to the router itself.
    const markRouter = async () => {
      await walk({ sender: ns.inside, receiver: ns.router, kind: 'sockets', at: 'lan0' }, []);
    };
    const run = (daemon?: Daemon) => walk(course, frames, daemon, markRouter);
    const free = await run();

    await t.test('without firehook more than hundred of the frames are forwarded, discovery among them', () => {
      // How many there are depends on the seed: 200 were seen.
      assert.ok(free.size > 100, `${free.size} were forwarded`);
      assert.ok(frames.some((frame) => isDiscovery(frame) && isExempt(frame) && free.has(frame.number)));
    });

    await t.test('where they come in, a hook that drops all lets nothing be forwarded', async () => {
      const daemon = await startWalk(ns.router, 'drop.js', { host: 'lan0' }, driver);
      const arrived = await run(daemon);
      await daemon.stop();
      assertNone(
        'walked around the hook',
        frames.filter(({ number }) => arrived.has(number)),
      );
    });

    await t.test('where they leave, a hook that drops all lets nothing be forwarded', async () => {
      const daemon = await startWalk(ns.router, 'drop.js', { host: 'wan0' }, driver);
      const arrived = await run(daemon);
      await daemon.stop();
      assertNone(
        'walked around the hook',
        frames.filter(({ number }) => arrived.has(number)),
      );
    });

    for (const port of ['lan0', 'wan0']) {
      await t.test(`with a hook on ${port} that passes all, what was forwarded before is forwarded`, async () => {
        const daemon = await startWalk(ns.router, 'pass.js', { host: port }, driver);
        const arrived = await run(daemon);
        await daemon.stop();
        assertNone(
          'were not forwarded, or not as often',
          frames.filter((frame) => {
            const { number, link } = frame;
            const isReadable = port === 'wan0' || link.reading !== 'malformed';
            // No router forwards what is exempt because no router has forwarded it.
            const isOfTheLink = port === 'lan0' && isDiscovery(frame);
            return isReadable && !isOfTheLink && `${arrived.get(number)}` !== `${free.get(number)}`;
          }),
        );
      });
    }
  });
}
