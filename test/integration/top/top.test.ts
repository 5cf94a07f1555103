/**
 * `firehook top` on a bridge, at a terminal: it moves, hears keys, follows the size, outlives the daemon, and gives the terminal back whatever ends it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';
import { ENTER, LEAVE } from '../../../src/cli/top/frame.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertPingCount, PATIENCE_MS, pingsAgain } from '../../support/live.ts';
import { bridgeLab, type Namespace, type RunningProcess, rootOnly, waitFor } from '../../support/netns.ts';

const PTY = fileURLToPath(new URL('at-terminal.py', import.meta.url));
const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const SERVER = '10.77.0.2';
const skip = rootOnly('ping', 'python3');
const CORNER = '\x1b[H';

const HOOK = `
  import { FORWARD, defineHook } from 'firehook';
  export default defineHook({
    name: 'big',
    setup(_options, { reason }) {
      const big = reason('more than 500 octets');
      return { onPacket: ({ length }) => (length > 500 ? big.drop : FORWARD) };
    },
  });`;

/** `firehook top` at a terminal of 24 rows and 100 columns. */
class AtTerminal {
  readonly process: RunningProcess;

  constructor(
    ns: Namespace,
    daemon: Daemon,
    args: readonly string[] = [],
    env: Record<string, string | undefined> = {},
  ) {
    const all = ['-d', '0.2', ...args, '--socket', daemon.socket];
    this.process = ns.spawn('python3', [PTY, FIREHOOK, 'top', ...all], {
      keepsInput: true,
      env: { TERM: 'xterm', NO_COLOR: '', FORCE_COLOR: undefined, ...env },
    });
  }

  order(order: object): void {
    this.process.child.stdin.write(`${JSON.stringify(order)}\n`);
  }

  /** The last whole frame as lines, without styles; none before the first. */
  get frame(): string[] {
    const [, ...frames] = this.process.stdout.split(CORNER);
    const whole = frames.filter((frame) => frame.includes('\x1b[J'));
    const [text = ''] = (whole.at(-1) ?? '').split('\x1b[J');
    return stripVTControlCharacters(text).split(/\r*\n/);
  }

  async shows(what: RegExp): Promise<void> {
    try {
      await waitFor(() => what.test(this.frame.join('\n')), { what: String(what), timeoutMs: PATIENCE_MS });
    } catch (error) {
      throw new Error(`${this.frame.join('\n')}\n${this.process.stderr}`, { cause: error });
    }
  }

  /** Asserts how it ended, and that the terminal is as it was. */
  async ended(code: number): Promise<void> {
    await waitFor(() => !this.process.isRunning, {
      what: `the end of top\n${this.frame.join('\n')}`,
      timeoutMs: PATIENCE_MS,
    });
    await this.process.exited;
    assert.deepEqual(JSON.parse(this.process.stderr.trim()), { code, restored: true });
    assert.ok(this.process.stdout.startsWith(ENTER));
    assert.ok(this.process.stdout.includes(LEAVE), 'the screen is given back');
    assert.equal(this.process.stdout.split(ENTER).length, this.process.stdout.split(LEAVE).length);
    assert.ok(
      this.process.stdout.lastIndexOf(LEAVE) > this.process.stdout.lastIndexOf(CORNER),
      'nothing is drawn afterwards',
    );
  }
}

async function layOut(t: TestContext): Promise<{ daemon: Daemon; client: Namespace; fw: Namespace }> {
  const { ns } = await bridgeLab(t);
  const options = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module: './big.ts' }] };
  const daemon = await startDaemon(ns.fw, options, { files: { 'big.ts': HOOK } });
  await pingsAgain(ns.client, SERVER);
  return { daemon, client: ns.client, fw: ns.fw };
}

test('top shows ways, hooks and drops moving, hears keys, and follows the size of the terminal', {
  skip,
}, async (t) => {
  const { daemon, client, fw } = await layOut(t);
  const top = new AtTerminal(fw, daemon);
  await top.shows(/^firehook top - running for 0:\d\d:\d\d, lease held, generation 1, lanes 1/);
  await top.shows(/in 0\.\d s, every 0\.2 s/);
  const pinging = client.spawn('ping', ['-i', '0.02', '-s', '600', SERVER]);
  await top.shows(/^lan0 > wan0 +[1-9][\d,.]* +0\.[1-9]\d? +0 +[1-9]/m);
  await top.shows(/^big +0 +[1-9][\d,.]* +[1-9]/m);
  await top.shows(/^dropped: by big +[1-9][\d,.]* +\d+/m);
  await top.shows(/^big: more than 500 octets +[1-9]/m);
  await pinging.stop();
  await top.shows(/^lan0 > wan0 +0 +0\.00/m);
  top.order({ keys: '>' });
  await top.shows(/>SEEN\/s/);
  top.order({ keys: 'h' });
  await top.shows(/^firehook top - keys$/m);
  top.order({ keys: ' ' });
  await top.shows(/>SEEN\/s/);
  top.order({ size: [6, 40] });
  await top.shows(/^\.\.\. \d+ more lines: down$/m);
  assert.ok(top.frame.length <= 6 && top.frame.every((line) => line.length <= 40));
  top.order({ size: [50, 200] });
  await top.shows(/^big: more than 500 octets/m);
  top.order({ keys: 's0.5\r' });
  await top.shows(/every 0\.5 s/);
  top.order({ keys: 'q' });
  await top.ended(0);
});

test('top gives the terminal back at Ctrl-C, SIGTERM, SIGHUP, -n, and while it is stopped by Ctrl-Z', {
  skip,
}, async (t) => {
  const { daemon, fw } = await layOut(t);
  for (const [order, code] of [
    [{ keys: '\x03' }, 0],
    [{ signal: 'SIGTERM' }, 143],
    [{ signal: 'SIGHUP' }, 129],
    [{ signal: 'SIGINT' }, 130],
  ] as const) {
    const top = new AtTerminal(fw, daemon);
    await top.shows(/lease held/);
    top.order(order);
    await top.ended(code);
  }
  await new AtTerminal(fw, daemon, ['-n', '2']).ended(0);
  const stopped = new AtTerminal(fw, daemon);
  await stopped.shows(/lease held/);
  stopped.order({ keys: '\x1a' });
  await waitFor(() => stopped.process.stdout.endsWith(LEAVE), {
    what: 'the screen given back',
    timeoutMs: PATIENCE_MS,
  });
  stopped.order({ signal: 'SIGCONT' });
  await waitFor(() => stopped.process.stdout.split(ENTER).length === 3, { what: 'the screen', timeoutMs: PATIENCE_MS });
  await stopped.shows(/lease held/);
  stopped.order({ keys: 'q' });
  await stopped.ended(0);
});

test('top says that the daemon is gone, tries again, and shows the next one', { skip }, async (t) => {
  const { daemon, fw } = await layOut(t);
  const top = new AtTerminal(fw, daemon);
  await top.shows(/lease held/);
  await daemon.stop();
  await top.shows(/^firehook top - the daemon does not answer; tried again every 0\.2 s\n.*no daemon answers/);
  fw.spawn(fileURLToPath(new URL('../../../bin/firehookd', import.meta.url)), ['-c', daemon.configFile]);
  await top.shows(/^firehook top - running for 0:00:\d\d, lease held/);
  top.order({ keys: 'q' });
  await top.ended(0);
});

test('top has colours at a terminal, and none with NO_COLOR', { skip }, async (t) => {
  const { daemon, fw } = await layOut(t);
  for (const [value, has] of [
    ['', true],
    ['1', false],
  ] as const) {
    const top = new AtTerminal(fw, daemon, ['-n', '1'], { NO_COLOR: value });
    await top.ended(0);
    assert.equal(top.process.stdout.replaceAll(LEAVE, '').includes('\x1b[1m'), has);
  }
});

test('top -b prints plain screens, and without a terminal or a daemon the refusal says what to do', {
  skip,
}, async (t) => {
  const { daemon, client, fw } = await layOut(t);
  await assertPingCount(client, 10, SERVER);
  const { code, stdout, stderr } = await daemon.cli('top', '-b', '-n', '2', '-d', '0.2');
  assert.equal(code, 0, stderr);
  assert.equal(stdout.match(/^firehook top - /gm)?.length, 2);
  assert.match(stdout, /since the start/);
  assert.match(stdout, /in 0\.\d s, every 0\.2 s/);
  assert.doesNotMatch(stdout.replaceAll('\n', ''), /\p{Cc}/u);
  const without = await daemon.cli('top');
  assert.equal(without.code, 2);
  assert.match(without.stderr, /FIREHOOK_USAGE.*(no terminal|TERM).*use firehook top -b/);
  for (const wrong of [
    ['-d', '0'],
    ['-n', 'x'],
  ])
    assert.equal((await daemon.cli('top', '-b', ...wrong)).code, 2);
  const head = await fw.run('sh', ['-c', `'${FIREHOOK}' top -b -d 0.1 --socket '${daemon.socket}' | head -3`]);
  assert.equal(head.stdout.split('\n').length, 4);
  assert.equal(head.stderr, '');
  await daemon.stop();
  const gone = await daemon.cli('top', '-b', '-n', '1');
  assert.equal(gone.code, 3);
});
