/**
 * A gate in front of the kernel's TCP: what a socket reads, of segments that are made to get past a hook.
 *
 * ```
 *   peer: segments as a script says, by a raw socket ──> host: daemon with a hook that lets one line pass ──> server: reads from a socket
 * ```
 * The scripts are random pieces of two messages: in any order, sent again, over each other with the same octets and with others, with FIN and
 * urgent pointers among them, with octets in the SYN. Rule: the socket is the judge. It may read a part of the forbidden line, never all of it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { randomNumbers } from '../../unit/flow/flow-rig.ts';

const SEGMENTS = fileURLToPath(new URL('segments.py', import.meta.url));
const HOST = '10.78.0.1';
/** The peer's kernel does not know of the connections of the scripts. */
const QUIET = 'table ip quiet { chain out { type filter hook output priority 0; tcp flags rst drop; }; }';
const FIN = 1;
const SYN = 2;
const ACK = 16;
const URG = 32;
const GOOD = 'name: good example\nand what follows';
const EVIL = 'name: evil example\nand what follows';
const END = GOOD.indexOf('\n') + 1;

const HOOK = `
  import { ACCEPT, MORE, RESET, defineHook } from 'firehook';
  const GOOD = ${JSON.stringify(GOOD.slice(0, END))};
  export default defineHook({
    name: 'gate',
    stream: { ports: [7000], most: 4096, gate: true, onUnseen: 'reset' },
    onStream(stream) {
      const end = stream.text().indexOf('\\n') + 1;
      if (end === 0) return MORE;
      return stream.text(0, end) === GOOD ? ACCEPT : RESET;
    },
  });`;

type Step = readonly [at: number, flags: number, data: string] | readonly ['wait', number];
type Random = (below: number) => number;

const hex = (text: string): string => Buffer.from(text, 'latin1').toString('hex');

function opening(text: string, random: Random): Step[] {
  const early = random(4) === 0 ? text.slice(0, random(text.length)) : '';
  return [
    [-1, SYN, hex(early)],
    ['wait', 0],
    [0, ACK, ''],
  ];
}

/** A piece of one of the texts. */
function piece(texts: readonly string[], random: Random): Step {
  const text = texts[random(texts.length)] as string;
  const at = random(text.length);
  const octets = text.slice(at, at + 1 + random(random(2) === 0 ? 4 : text.length));
  const flags = random(12) === 0 ? ACK | FIN : random(12) === 0 ? ACK | URG : ACK;
  return [at, flags, hex(octets)];
}

/** Octets of both messages. */
function attack(port: number, random: Random): object {
  const steps = Array.from({ length: 4 + random(20) }, () => piece([GOOD, EVIL], random));
  return { port, start: random(2 ** 32), steps: [...opening(GOOD, random), ...steps, [0, ACK, hex(EVIL)]] };
}

/** Octets of the good one, in any order. */
function honest(port: number, random: Random): object {
  const steps = Array.from({ length: random(12) }, () => {
    const [at, , octets] = piece([GOOD], random) as readonly [number, number, string];
    return [at, ACK, octets] as const;
  });
  const all = [...steps, [0, ACK, hex(GOOD)] as const, ['wait', GOOD.length] as const];
  return { port, start: 2 ** 32 - 1 - random(GOOD.length), steps: [...opening(GOOD, random), ...all] };
}

for (const driver of ['afpacket', 'pcap'] as const)
  test(`no socket reads what a hook behind a gate has not let pass (${driver})`, {
    skip: rootOnly('python3', 'nft'),
  }, async (t) => {
    const random = randomNumbers(driver.length);
    const { ns } = await hostLab(t);
    await ns.peer.output('nft', [QUIET]);
    const daemon = await startDaemon(
      ns.host,
      {
        attach: [{ host: 'eth0' }],
        driver,
        hooks: [{ module: './gate.ts' }],
        icmp: { ratePerSecond: 100_000 },
      },
      { files: { 'gate.ts': HOOK }, timeoutMs: PATIENCE_MS },
    );
    const server = ns.host.spawn('python3', [SEGMENTS, 'serve']);
    await waitFor(() => server.stdout.includes('ready'), { what: 'the server', timeoutMs: PATIENCE_MS });
    const attacks = Array.from({ length: 200 }, (_, index) => attack(20_000 + index, random));
    const honests = Array.from({ length: 60 }, (_, index) => honest(30_000 + index, random));
    const input = `${[...attacks, ...honests].map((script) => JSON.stringify(script)).join('\n')}\n`;
    const report = await ns.peer.output('python3', [SEGMENTS, 'send', HOST], { input, timeoutMs: PATIENCE_MS });
    const texts = Object.entries(JSON.parse(report) as Record<string, string>).map(
      ([port, octets]) => [Number(port), Buffer.from(octets, 'hex').toString('latin1')] as const,
    );
    let arrived = 0;
    for (const [port, text] of texts) {
      if (port >= 30_000) assert.equal(text, GOOD, `port ${port}`);
      else if (text.includes('\n')) {
        assert.equal(text.slice(0, END), GOOD.slice(0, END), `port ${port}`);
        arrived += 1;
      }
    }
    assert.equal(texts.filter(([port]) => port >= 30_000).length, honests.length);
    const { total } = await assertAddsUp(daemon);
    t.diagnostic(
      `${arrived} of ${attacks.length} attacks ended with the good line, ${total.reset} segments were reset`,
    );
    assert.ok(total.reset > attacks.length / 2, `${total.reset}`);
    assert.equal(total.hookFaults, 0, daemon.log);
    assert.equal(await daemon.stop(), 0);
  });
