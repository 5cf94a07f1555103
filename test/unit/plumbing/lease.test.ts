/**
 * The lease through its one long-lived `nft`: renewed, ended, and taken up again when the helper died or the table went.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { portRuleset, removalRuleset, tableName } from '../../../src/plumbing/ruleset.ts';
import { createLab, rootOnly } from '../../support/netns.ts';
import { waitFor } from '../../support/wait-for.ts';

const PROGRAM = fileURLToPath(new URL('keep-lease.ts', import.meta.url));
const SLOW = 60_000;

test('a lease is kept, ended, and survives the death of its helper and of the table', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await createLab(t, {
    namespaces: { fw: {} },
    links: [
      [
        { in: 'fw', name: 'lan0' },
        { in: 'fw', name: 'wan0' },
      ],
    ],
  });
  const ifindex = Number(await ns.fw.output('cat', ['/sys/class/net/lan0/ifindex']));
  const memory = { kind: 'bridge', peer: 0, setPromiscuous: false, unsetLro: false } as const;
  const table = portRuleset({ ifindex, name: 'lan0', memory, onDown: 'drop', peerName: 'wan0', takesAt: 'port' });
  const feed = (input: string) => ns.fw.output('nft', ['-f', '-'], { input });
  await feed(table);

  const keeper = ns.fw.node([PROGRAM, `${ifindex}`]);
  await waitFor(() => keeper.stdout.includes('ready'), { what: 'the program', timeoutMs: SLOW });
  const tell = { renew: 'SIGUSR2', lapse: 'SIGHUP', stop: 'SIGTERM' } as const;
  const say = (word: keyof typeof tell) => keeper.child.kill(tell[word]);
  const isHeld = async () => {
    const { stdout } = await ns.fw.run('nft', ['list', 'set', 'netdev', tableName(ifindex), 'alive']);
    return stdout.includes('elements');
  };
  const held = (what: string) =>
    waitFor(
      () => {
        say('renew');
        return isHeld();
      },
      { what: `the lease to be held ${what}`, timeoutMs: SLOW },
    );
  /** The helper: the only nft that runs for long in this namespace. */
  const helpers = async () => {
    const pids = (await ns.fw.output('ip', ['netns', 'pids', ns.fw.name])).split('\n').filter((pid) => pid !== '');
    const names = await Promise.all(pids.map((pid) => ns.fw.run('cat', [`/proc/${pid}/comm`])));
    return pids.filter((_, index) => names[index]?.stdout.trim() === 'nft');
  };

  await held('at first');
  await waitFor(() => keeper.stdout.includes('fence 1 open'), { what: 'the fence to be open', timeoutMs: SLOW });
  say('lapse');
  await waitFor(async () => !(await isHeld()), { what: 'the lease to end', timeoutMs: SLOW });
  await waitFor(() => keeper.stdout.includes('fence 1 closed'), { what: 'the fence to be closed', timeoutMs: SLOW });
  await held('again');
  await waitFor(() => keeper.stdout.includes('fence 2 open'), { what: 'another epoch', timeoutMs: SLOW });

  const [helper] = await waitFor(
    async () => {
      const found = await helpers();
      return found.length === 1 && found;
    },
    { what: 'one helper', timeoutMs: SLOW },
  );
  const stopped = Number(helper);
  process.kill(stopped, 'SIGSTOP');
  await waitFor(async () => !(await isHeld()), { what: 'the lease to lapse', timeoutMs: SLOW });
  await waitFor(() => keeper.stdout.includes('fence 2 closed'), { what: 'the fence to be closed', timeoutMs: SLOW });
  await held('by a helper that does not hang');
  const epochs = () => [...keeper.stdout.matchAll(/fence (\d+) open/g)].map((match) => Number(match[1]));
  await waitFor(() => (epochs().at(-1) ?? 0) > 2, { what: 'another epoch', timeoutMs: SLOW });
  const [heir] = await waitFor(
    async () => {
      const found = await helpers();
      return found.length === 1 && found[0] !== helper && found;
    },
    { what: 'another helper', timeoutMs: SLOW },
  );
  process.kill(Number(heir), 'SIGKILL');
  await held('by another helper');
  assert.doesNotMatch(keeper.stdout, /error/);

  await feed(removalRuleset(ifindex));
  say('renew');
  await waitFor(() => keeper.stdout.includes('error: '), { what: 'nft to complain', timeoutMs: SLOW });
  const lastOpen = keeper.stdout.lastIndexOf('open');
  assert.ok(
    keeper.stdout.lastIndexOf('closed') > lastOpen,
    'the fence is closed as soon as the table is known to be gone',
  );
  await feed(table);
  await held('in the new table');

  say('stop');
  const { code } = await keeper.exited;
  assert.equal(code, 0, 'nothing is left that keeps the process');
  assert.deepEqual(await helpers(), []);
});
