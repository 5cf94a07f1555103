/**
 * What each configuration that firehook ships does to ordinary traffic: nothing that anybody would notice.
 *
 * ```
 *   config/*.yaml ─> the lab whose interfaces it names ─> the same work without firehook, and with it ─> all of it done, no packet
 *   dropped by a hook
 * ```
 * Rule: the files run as they are, but for where their modules and the control socket lie. Ordinary is what none of them is there to
 * stop: downloads and uploads, pings, short questions by UDP. Counted are octets, answers and packets; how long it takes is printed and
 * not judged, but a host that is throttled to a few Mbit/s does not get done.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, assertPingCount, PATIENCE_MS } from '../../support/live.ts';
import type { Namespace } from '../../support/netns.ts';
import { bridgeLab, hostLab, rootOnly, waitFor } from '../../support/netns.ts';

const FOLDER = fileURLToPath(new URL('../../../config/', import.meta.url));
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith('.yaml'));
/** More than a second's worth for any limit that would be felt, whatever the offloads put together. */
const OCTETS = 48 * 2 ** 20;
const QUESTIONS = 200;
const UDP_PORT = 5300;

/** The part of a configuration that is looked at. */
interface ShippedConfig {
  readonly attach: readonly Readonly<Record<string, unknown>>[];
  readonly hooks?: readonly { readonly module: string }[];
}

/** Two ends of ordinary traffic, and where firehook runs. */
interface Stage {
  readonly client: Namespace;
  readonly server: Namespace;
  readonly firewall: Namespace;
  /** Of the server, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Lets traffic pass without firehook; returns what takes that back. */
  open(): Promise<() => Promise<unknown>>;
}

/** What was got done. */
interface Work {
  readonly transfers: readonly { readonly name: string; readonly octets: number; readonly mbit: number }[];
  readonly answers: number;
}

for (const file of FILES) {
  test(`config/${file} leaves ordinary traffic alone`, { skip: rootOnly('ping', 'iperf3') }, async (t) => {
    const config = parse(readFileSync(path.join(FOLDER, file), 'utf8')) as ShippedConfig;
    const isBridge = config.attach.some((attach) => 'bridge' in attach);
    const stage = await (isBridge ? bridgeStage(t) : hostStage(t));
    const close = await stage.open();
    const without = await work(stage);
    await close();
    const daemon = await startDaemon(stage.firewall, {
      ...config,
      hooks: (config.hooks ?? []).map((hook) => ({ ...hook, module: path.resolve(FOLDER, hook.module) })),
    });
    const withIt = await work(stage);
    const { ways, total, kernelDropped } = await assertAddsUp(daemon);
    t.diagnostic(
      `${file}: Mbit/s without and with it: ${compare(without, withIt)}; ${kernelDropped} dropped by the kernel`,
    );
    assert.ok(total.received > 0, 'the hooks have seen it');
    for (const { name, ledger } of ways) {
      assert.equal(ledger.droppedByHook, 0, `${name}: dropped by a hook`);
      assert.equal(ledger.rejected, 0, `${name}: rejected`);
      assert.equal(ledger.hookFaults, 0, `${name}: hook faults`);
      assert.equal(ledger.droppedMalformed, 0, `${name}: malformed`);
    }
  });
}

async function bridgeStage(owner: Parameters<typeof bridgeLab>[0]): Promise<Stage> {
  const { ns } = await bridgeLab(owner);
  return {
    client: ns.client,
    server: ns.server,
    firewall: ns.fw,
    addresses: ['10.77.0.2', 'fd77::2'],
    async open() {
      const commands = [
        'link add br0 type bridge',
        'link set lan0 master br0',
        'link set wan0 master br0',
        'link set br0 up',
      ];
      await ns.fw.output('ip', ['-batch', '-'], { input: commands.join('\n') });
      return () => ns.fw.output('ip', ['link', 'del', 'br0']);
    },
  };
}

async function hostStage(owner: Parameters<typeof hostLab>[0]): Promise<Stage> {
  const { ns } = await hostLab(owner);
  return {
    client: ns.peer,
    server: ns.host,
    firewall: ns.host,
    addresses: ['10.78.0.1', 'fd78::1'],
    open: () => Promise.resolve(() => Promise.resolve()),
  };
}

/** All of it, or the test fails. */
async function work({ client, server, addresses }: Stage): Promise<Work> {
  await waitForAnswers(client, addresses);
  await assertPingCount(client, 10, ...addresses);
  const transfers: Work['transfers'][number][] = [];
  for (const address of addresses) {
    for (const name of ['upload', 'download'] as const) {
      const listener = server.spawn('iperf3', ['-s', '-1', '--forceflush']);
      await waitFor(() => listener.stdout.includes('listening'), { what: 'iperf3' });
      const args = ['-c', address, '-n', `${OCTETS}`, '-J', ...(name === 'download' ? ['-R'] : [])];
      const report = JSON.parse(await client.output('iperf3', args, { timeoutMs: PATIENCE_MS })) as IperfReport;
      await listener.exited;
      const { bytes = 0, bits_per_second: rate = 0 } = report.end.sum_received ?? {};
      // What is on its way when the sender has sent enough is not counted by the receiver.
      assert.ok(bytes > OCTETS / 2, `${name} ${address}: ${bytes} octets; ${report.error ?? ''}`);
      transfers.push({ name: `${name} ${address}`, octets: bytes, mbit: Math.round(rate / 1e6) });
    }
  }
  const listener = server.spawn('python3', ['-c', ANSWER, `${UDP_PORT}`]);
  await waitFor(() => listener.stdout.includes('ready'), { what: 'who answers by UDP' });
  const asked = [`${UDP_PORT}`, `${QUESTIONS}`, ...addresses];
  const answers = Number(await client.output('python3', ['-c', ASK, ...asked], { timeoutMs: PATIENCE_MS }));
  await listener.stop();
  assert.equal(answers, QUESTIONS * addresses.length, 'every question is answered');
  return { transfers, answers };
}

async function waitForAnswers(client: Namespace, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    await waitFor(async () => (await client.run('ping', ['-n', '-c', '1', '-W', '1', address])).code === 0, {
      what: `an answer of ${address}`,
      timeoutMs: PATIENCE_MS,
    });
  }
}

function compare(without: Work, withIt: Work): string {
  return without.transfers
    .map(({ name, mbit }, index) => `${name} ${mbit} ${withIt.transfers[index]?.mbit}`)
    .join(', ');
}

/** The part of `iperf3 -J` that is looked at. */
interface IperfReport {
  readonly error?: string;
  readonly end: { readonly sum_received?: { readonly bytes: number; readonly bits_per_second: number } };
}

/** Answers each datagram with itself. */
const ANSWER = `
import socket, sys
here = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
here.bind(("::", int(sys.argv[1])))
print("ready", flush=True)
while True:
    octets, peer = here.recvfrom(2048)
    here.sendto(octets, peer)
`;

/** Asks as a resolver does: a port of its own for each question, and again where no answer comes. Prints the number of answers. */
const ASK = `
import socket, sys
port, questions, answers = int(sys.argv[1]), int(sys.argv[2]), 0
for address in sys.argv[3:]:
    for number in range(questions):
        ask = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        ask.settimeout(2)
        question = b"question %d" % number
        for attempt in range(5):
            ask.sendto(question, (address, port))
            try:
                if ask.recv(2048) == question:
                    answers += 1
                    break
            except TimeoutError:
                pass
        ask.close()
print(answers)
`;
