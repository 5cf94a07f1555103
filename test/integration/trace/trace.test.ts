/**
 * `firehook trace` on a bridge, live: packets that match are told of, hook by hook; who does not match goes untold; and when the client leaves, so does
 * the trace.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, pingsAgain, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const SERVER = '10.77.0.2';
const FIREHOOK = fileURLToPath(new URL('../../../bin/firehook', import.meta.url));
const skip = rootOnly('ping');

const HOOK = `
  import { FORWARD, defineHook } from 'firehook';
  export default defineHook({
    name: 'big',
    setup(_options, { reason }) {
      const big = reason('more than 500 octets');
      return { onPacket: ({ length }) => (length > 500 ? big.drop : FORWARD) };
    },
  });`;

async function layOut(t: TestContext, config: object): Promise<{ daemon: Daemon; client: Namespace; fw: Namespace }> {
  const { ns } = await bridgeLab(t);
  const hooks = [stockHook('pass-all'), { module: './big.ts' }];
  const options = { attach: [{ bridge: ['lan0', 'wan0'] }], hooks, ...config };
  const daemon = await startDaemon(ns.fw, options, { files: { 'big.ts': HOOK } });
  await pingsAgain(ns.client, SERVER);
  return { daemon, client: ns.client, fw: ns.fw };
}

interface Line {
  readonly src_ip: string;
  readonly in_iface: string;
  readonly trace: {
    readonly to: string;
    readonly verdict: string;
    readonly by: string | null;
    readonly reason: string | null;
    readonly hooks: readonly { readonly hook: string; readonly verdict: string; readonly ns: number }[];
  };
}

/** Two packets of a trace of echo requests, while somebody sends some of so many octets. */
async function tracedLines(daemon: Daemon, client: Namespace, octets: number, ...filter: string[]): Promise<Line[]> {
  const traced = daemon.cli('trace', 'icmp', 'and', 'src', '10.77.0.1', 'and', ...filter, '-n', '2', '--json');
  let isOver = false;
  const { code, stdout, stderr } = await Promise.race([
    traced.finally(() => {
      isOver = true;
    }),
    (async () => {
      while (!isOver) await client.run('ping', ['-c', '3', '-i', '0.1', '-W', '1', '-s', String(octets), SERVER]);
      return traced;
    })(),
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^firehook: 2 packets$/m);
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line);
}

/** A trace of whoever speaks HTTP himself. */
function openTrace(daemon: Daemon, body: object): Promise<{ status: number; close(): void; text(): string }> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: daemon.socket, method: 'POST', path: '/trace' }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => {
        text += part.toString();
      });
      response.on('error', () => undefined);
      resolve({ status: response.statusCode ?? 0, close: () => response.destroy(), text: () => text });
    });
    asking.on('error', reject);
    asking.end(JSON.stringify({ expression: '', most: null, hook: null, ...body }));
  });
}

for (const [driver, lanes] of [
  ['afpacket', 2],
  ['pcap', 1],
] as const)
  test(`${driver}, ${lanes} lanes: a trace tells what became of packets that match, and of no others`, {
    skip,
  }, async (t) => {
    const { daemon, client } = await layOut(t, { driver, lanes });
    const lines = [
      ...(await tracedLines(daemon, client, 56, 'less', '500')),
      ...(await tracedLines(daemon, client, 600, 'greater', '500')),
    ];
    assert.deepEqual(
      lines.map(({ src_ip, in_iface, trace }) => [src_ip, in_iface, trace.to, trace.verdict, trace.by, trace.reason]),
      [
        ['10.77.0.1', 'lan0', 'wan0', 'forwarded', null, null],
        ['10.77.0.1', 'lan0', 'wan0', 'forwarded', null, null],
        ['10.77.0.1', 'lan0', 'wan0', 'dropped', 'big', 'more than 500 octets'],
        ['10.77.0.1', 'lan0', 'wan0', 'dropped', 'big', 'more than 500 octets'],
      ],
    );
    assert.deepEqual(
      lines[2]?.trace.hooks.map(({ hook, verdict }) => [hook, verdict]),
      [
        ['pass-all', 'FORWARD'],
        ['big', 'DROP'],
      ],
    );
    assert.ok(lines.every(({ trace }) => trace.hooks.every(({ ns }) => ns > 0)));
    const { code: hookCode, stdout: hooks } = await daemon.cli('hooks');
    assert.equal(hookCode, 0);
    assert.match(hooks, /^big +\d+ +more than 500 octets$/m);
    await assertAddsUp(daemon);
  });

test('a client that leaves ends its trace, and another one may begin; what is no trace is refused', {
  skip,
}, async (t) => {
  const { daemon, client } = await layOut(t, {});
  const first = await openTrace(daemon, { expression: 'icmp' });
  assert.equal(first.status, 200);
  const second = await openTrace(daemon, {});
  assert.equal(second.status, 409);
  const refused = await daemon.cli('trace');
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /another trace runs/);
  await waitFor(
    async () => {
      await client.output('ping', ['-c', '1', SERVER]);
      return first.text().split('\n').length > 2;
    },
    { what: 'two lines', timeoutMs: PATIENCE_MS },
  );
  first.close();
  await waitFor(
    async () => {
      const next = await openTrace(daemon, { expression: 'udp port 9' });
      next.close();
      return next.status === 200;
    },
    { what: 'the end of the first', timeoutMs: PATIENCE_MS },
  );
  for (const [body, reason] of [
    [{ expression: 'tcp port' }, 400],
    [{ hook: 'nobody' }, 400],
    [{ most: 0 }, 400],
    [{ more: 1 }, 400],
  ] as const)
    assert.equal((await openTrace(daemon, body)).status, reason, JSON.stringify(body));
  await assertAddsUp(daemon);
});

test('a trace goes on over a reload, with the hooks of the new configuration; and Ctrl-C says how many packets there were', {
  skip,
}, async (t) => {
  const { daemon, client, fw } = await layOut(t, {});
  const traced = fw.spawn(FIREHOOK, ['trace', 'icmp', '--json', '--socket', daemon.socket]);
  const hooksOf = (): string[] => traced.stdout.split('\n').filter((line) => line.includes('"hooks"'));
  const until = (hook: string): Promise<unknown> =>
    waitFor(
      async () => {
        await client.output('ping', ['-c', '1', SERVER]);
        return hooksOf().some((line) => line.includes(`"hook":"${hook}"`));
      },
      { what: `a packet with ${hook}`, timeoutMs: PATIENCE_MS },
    );
  await until('pass-all');
  await daemon.writeConfig({ attach: [{ bridge: ['lan0', 'wan0'] }], hooks: [{ module: './big.ts', name: 'other' }] });
  const { code, stderr } = await daemon.cli('reload');
  assert.equal(code, 0, stderr);
  await until('other');
  traced.kill('SIGINT');
  assert.equal((await traced.exited).code, 0);
  assert.match(traced.stderr, /^firehook: \d+ packets$/m);
  await assertAddsUp(daemon);
});
