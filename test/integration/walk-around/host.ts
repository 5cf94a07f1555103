/**
 * Promise: what the machine would deliver as IP from a port of a `host` attach meets the hooks first, or is on the short
 * list of exemptions (docs/security.md). Tried by search: thousands of generated frames, of a new seed every time.
 *
 * Rule: what arrives without firehook is the measure. With a hook that drops all, of that only the exempt frames arrive,
 * and all of them; with a hook that passes all, all of it arrives, each as often as before.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Target } from '../../support/frame-generator.ts';
import { ALLOWED_PORT, IP_FORMS, IP_LINKS, isExempt } from '../../support/frame-generator.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { assertFloor, assertNone, linkLocalOf, silence, startWalk, walk, walkFrames } from './walk.ts';

const skip = rootOnly();

/** Registers the tests for a driver: a file each, so that none takes long. */
export function walkHost(driver: 'afpacket' | 'pcap'): void {
  test(`nothing walks around the hooks of a host with ${driver}`, { skip }, async (t) => {
    const { ns } = await hostLab(t);
    await silence(ns.peer);
    const target: Target = {
      mac: '02:00:00:00:01:02',
      senderMac: '02:00:00:00:01:01',
      own4: '10.78.0.1',
      own6: 'fd78::1',
      ownLinkLocal: await linkLocalOf(ns.host, 'eth0'),
      sender4: '10.78.0.2',
      sender6: 'fd78::2',
      senderLinkLocal: await linkLocalOf(ns.peer, 'eth0'),
      subnetBroadcast: '10.78.0.255',
    };
    const frames = walkFrames(target);
    const course = { sender: ns.peer, receiver: ns.host, kind: 'sockets' } as const;
    const free = await walk(course, frames);

    await t.test('without firehook frames of every form that the kernel knows arrive', () => {
      const taken = IP_LINKS.filter(({ isTaken, isOtherVlan }) => isTaken && !isOtherVlan).map(({ name }) => name);
      assertFloor(free, frames, ({ link }) => link.name, taken, 10);
      const forms = IP_FORMS.map(({ version, name }) => `${version} ${name}`);
      assertFloor(free, frames, ({ ip }) => `${ip.version} ${ip.name}`, forms, 3);
      assertNone(
        'arrived that are said to be for nobody here',
        frames.filter(
          ({ number, link, destination }) =>
            free.has(number) &&
            link.reading !== 'nonIp' &&
            (!link.isTaken || link.isOtherVlan || destination === 'another host'),
        ),
      );
      assert.ok(free.size > 500, `${free.size} arrived`);
    });

    await t.test('with a hook that drops all, the exempt frames arrive and nothing else', async () => {
      const daemon = await startWalk(ns.host, 'drop.js', { host: 'eth0' }, driver);
      const arrived = await walk(course, frames, daemon);
      await daemon.stop();
      assertNone(
        'walked around the hook',
        frames.filter((frame) => arrived.has(frame.number) && !isExempt(frame)),
      );
      assertNone(
        'are exempt and did not arrive',
        frames.filter((frame) => free.has(frame.number) && !arrived.has(frame.number) && isExempt(frame)),
      );
    });

    await t.test('a hook that lets one port pass lets nothing else pass', async () => {
      const daemon = await startWalk(ns.host, 'select.js', { host: 'eth0' }, driver);
      const arrived = await walk(course, frames, daemon);
      await daemon.stop();
      assertNone(
        'passed as something that they are not',
        frames.filter((frame) => {
          const isWanted = frame.ip.transport === 'udp' && frame.port === ALLOWED_PORT;
          return arrived.has(frame.number) && !isExempt(frame) && !isWanted;
        }),
      );
    });

    await t.test('with a hook that passes all, everything arrives that arrived before, as often', async () => {
      const daemon = await startWalk(ns.host, 'pass.js', { host: 'eth0' }, driver);
      const expected = frames.filter(({ number, link }) => free.has(number) && link.reading !== 'malformed');
      const arrived = await walk(course, frames, daemon, async (watch) => {
        await watch.marked();
        const areThere = () => {
          const seen = watch.arrivals();
          return expected.every(({ number }) => seen.has(number));
        };
        // What does not come is told below, with the frames.
        await waitFor(areThere, { what: 'the frames' }).catch(() => undefined);
      });
      await daemon.stop();
      assertNone(
        'did not arrive',
        expected.filter(({ number }) => !arrived.has(number)),
      );
      assertNone(
        'arrived more often or less often',
        expected.filter(({ number }) => `${arrived.get(number)}` !== `${free.get(number)}`),
      );
    });
  });
}
