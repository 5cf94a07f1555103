/**
 * What other programs do to the ends of a detour: network managers take every device for theirs.
 *
 * Rule: nothing here is undone; firehook has to see it and mend it.
 *
 * @see ip-link(8), tc(8)
 * @module
 */

import { STRAY } from '../leftovers.ts';
import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';
import type { Disturbance } from './contract.ts';

const OTHER_MAC = '02:00:00:00:0e:0e';
const OTHER_MTU = '1000';

/** Disturbances of a detour. */
export const DETOUR: readonly Disturbance[] = [
  onEnd(
    'end of a detour down',
    (end) => ['link', 'set', end, 'down'],
    (text) => /<[^>]*\bUP\b/.test(text),
  ),
  onEnd(
    'end of a detour with another MAC',
    (end) => ['link', 'set', end, 'address', OTHER_MAC],
    (text, end, stage) => stage.options.attach === 'bridge' || !isNear(end) || !text.includes(OTHER_MAC),
  ),
  onEnd(
    'end of a detour with a small MTU',
    (end) => ['link', 'set', end, 'mtu', OTHER_MTU],
    (text) => !text.includes(`mtu ${OTHER_MTU} `),
  ),
  onEnd(
    'detour deleted',
    (end) => ['link', 'delete', end],
    (text) => text !== '',
  ),
  onEnd(
    'end of a detour renamed',
    (end) => ['link', 'set', end, 'name', STRAY],
    (text) => text !== '',
  ),
  {
    name: 'redirect of a detour deleted',
    group: 'detour',
    clock: 'start',
    isPossible: async (stage) => (await redirects(stage)).length > 0,
    async apply(stage, random) {
      const ends = await redirects(stage);
      if (ends.length === 0) return;
      const { end, queue } = random.pick(ends);
      await stage.command('tc', ['qdisc', 'delete', 'dev', end, queue]);
    },
    // From the near end and from the far one.
    isMended: async (stage) => (await redirects(stage)).length % 2 === 0,
  },
];

/** Does something to one end of a detour. Mended is when no end shows the change any more. */
function onEnd(
  name: string,
  change: (end: string) => string[],
  isRight: (text: string, end: string, stage: Stage) => boolean,
): Disturbance {
  let count = 0;
  return {
    name,
    group: 'detour',
    clock: 'start',
    isPossible: async (stage) => (await stage.detourEnds()).length > 0,
    async apply(stage: Stage, random: Random) {
      const ends = await stage.detourEnds();
      count = ends.length;
      if (count > 0) await stage.command('ip', change(random.pick(ends)));
    },
    async isMended(stage) {
      const ends = await stage.detourEnds();
      if (ends.length < count) return false;
      const looks = ends.map(async (end) =>
        isRight((await stage.command('ip', ['link', 'show', end])).stdout, end, stage),
      );
      return (await Promise.all(looks)).every(Boolean);
    },
  };
}

/** The end that stolen frames go in at. At a host its address matters: the stack takes what comes back there by it. */
function isNear(end: string): boolean {
  return end.endsWith('i0');
}

/** Ends that send on what comes back, to the port. */
async function redirects(stage: Stage): Promise<{ end: string; queue: string }[]> {
  const { stdout } = await stage.command('tc', ['qdisc', 'show']);
  return Array.from(stdout.matchAll(/qdisc (ingress|clsact) \S+ dev (fh\d+[io][01])/g), ([, queue = '', end = '']) => ({
    end,
    queue,
  }));
}
