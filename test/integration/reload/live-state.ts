/**
 * What goes from one generation to the next under traffic, and what is left where something goes wrong.
 *
 * Rule: one sender, one flow: each count of it is the number of datagrams that were sent, however often the lanes were others.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HooksReport, StatusReport } from '../../../src/control/reports.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStatus } from '../../support/live.ts';
import { bridgeLab, rootOnly, waitFor } from '../../support/netns.ts';

const SCRIPT = fileURLToPath(new URL('../../support/stamped.py', import.meta.url));
const HOOK = fileURLToPath(new URL('../../fixtures/hooks/reload/remember.ts', import.meta.url));
const TURNS = fileURLToPath(new URL('../../fixtures/hooks/reload/take-turns.ts', import.meta.url));
const LATER = fileURLToPath(new URL('../../fixtures/hooks/reload/release-later.ts', import.meta.url));
const SERVER = '10.77.0.2';
const RATE = 500;
const skip = rootOnly();

type Driver = 'pcap' | 'afpacket';

function configOf(driver: Driver, generation: number, fault?: string, more: object = {}): Record<string, unknown> {
  return {
    attach: [{ bridge: ['lan0', 'wan0'] }],
    driver,
    hooks: [{ module: HOOK, options: { generation, ...(fault === undefined ? {} : { fault }) } }],
    ...more,
  };
}

/** The numbers of the hook. */
async function numbersOf(daemon: Daemon): Promise<Record<string, number>> {
  const { stdout } = await daemon.cli('hooks', '--json');
  const [hook] = (JSON.parse(stdout) as HooksReport).hooks;
  return Object.fromEntries((hook?.metrics ?? []).map(({ name, value }) => [name, value]));
}

async function reload(daemon: Daemon): Promise<{ code: number | null; text: string }> {
  const { code, stdout, stderr } = await daemon.cli('reload');
  return { code, text: stdout + stderr };
}

const generationOf = (status: StatusReport): number => status.generation;

/** Tests with a driver. */
export function testState(driver: Driver): void {
  test(`${driver}: flows, tables and what hooks hand on go over; a fault of a hook costs its own state and nothing else`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startDaemon(ns.fw, configOf(driver, 1), { timeoutMs: PATIENCE_MS });
    const receiver = ns.server.spawn('python3', [SCRIPT, 'receive', SERVER, '7000']);
    await waitFor(() => receiver.stdout.startsWith('ready'), { what: 'the receiver' });
    const sender = ns.client.spawn('python3', [SCRIPT, 'send', SERVER, '7000', String(RATE)]);
    await waitFor(async () => ((await numbersOf(daemon))['seen'] ?? 0) > 100, { what: 'traffic' });
    for (const generation of [2, 3]) {
      await daemon.writeConfig(configOf(driver, generation));
      const { code, text } = await reload(daemon);
      assert.equal(code, 0, text);
      assert.doesNotMatch(text, /Note:/);
    }
    // The hook that leaves has no fault of its own yet: what it hands on is refused by the next one.
    await daemon.writeConfig(configOf(driver, 4, 'adopt'));
    const refusing = await reload(daemon);
    assert.equal(refusing.code, 0, refusing.text);
    assert.match(refusing.text, /remember starts anew: its adopt threw/);
    await daemon.writeConfig(configOf(driver, 5, 'function'));
    assert.equal((await reload(daemon)).code, 0);
    await daemon.writeConfig(configOf(driver, 6, 'onLeave'));
    assert.match((await reload(daemon)).text, /remember hands nothing on: its onLeave threw/);
    await daemon.writeConfig(configOf(driver, 7));
    assert.match((await reload(daemon)).text, /remember hands nothing on: its onLeave threw/);
    sender.kill('SIGTERM');
    await sender.exited;
    receiver.kill('SIGTERM');
    await receiver.exited;
    const sent = Number(sender.stdout);
    const { received, twice } = JSON.parse(receiver.stdout.split('\n')[1] ?? '') as { received: number; twice: number };
    assert.deepEqual([received, twice], [sent, 0]);
    await waitFor(async () => (await numbersOf(daemon))['of_flow'] === sent, { what: 'the numbers of the last lane' });
    const numbers = await numbersOf(daemon);
    assert.deepEqual([numbers['of_flow'], numbers['of_table']], [sent, sent]);
    // Twice with what was handed on, once with what the hook did not want; nothing came from those that threw.
    assert.equal(numbers['adoptions'], 4);
    assert.ok((numbers['seen'] ?? 0) < sent);
    const { hooks } = JSON.parse((await daemon.cli('hooks', '--json')).stdout) as HooksReport;
    assert.equal(hooks[0]?.faults, 3);
    await assertAddsUp(daemon);
  });

  test(`${driver}: a hook that does not return from adopt is named, and the lane before goes on`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const daemon = await startDaemon(ns.fw, configOf(driver, 1), { timeoutMs: PATIENCE_MS });
    await ns.client.output('ping', ['-c', '2', '-i', '0.2', '-W', '5', SERVER]);
    await daemon.writeConfig(configOf(driver, 2, 'hang'));
    const { code, text } = await reload(daemon);
    assert.equal(code, 1, text);
    assert.match(text, /FIREHOOK_RELOAD_FAILED.*did not adopt.*hook remember was in adopt/);
    await waitFor(async () => (await readStatus(daemon)).state === 'running', {
      what: 'the hooks to have the traffic',
    });
    const status = await readStatus(daemon);
    assert.equal(generationOf(status), 1);
    assert.equal(status.lane.restarts, 0);
    assert.match(status.lastReload?.error ?? '', /did not adopt/);
    const { ticks = 0 } = await numbersOf(daemon);
    await waitFor(async () => ((await numbersOf(daemon))['ticks'] ?? 0) > ticks, { what: 'its timers to go on' });
    await ns.client.output('ping', ['-c', '3', '-i', '0.2', '-W', '5', SERVER]);
    // The next one is no worse for it.
    await daemon.writeConfig(configOf(driver, 3));
    const again = await reload(daemon);
    assert.equal(again.code, 0, again.text);
    await ns.client.output('ping', ['-c', '3', '-i', '0.2', '-W', '5', SERVER]);
    await assertAddsUp(daemon);
  });

  test(`${driver}: what a hook does each few seconds it does as well where reloads come more often; what it does not do is told`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const hooks = [{ module: TURNS, options: { everyMs: 4_000 } }];
    const config = { attach: [{ bridge: ['lan0', 'wan0'] }], driver, hooks };
    const daemon = await startDaemon(ns.fw, config, { timeoutMs: PATIENCE_MS });
    const turns = async (): Promise<number> => (await numbersOf(daemon))['turns'] ?? 0;
    const answers: string[] = [];
    await waitFor(
      async () => {
        answers.push((await reload(daemon)).text);
        return (await turns()) >= 2;
      },
      { what: 'two turns', timeoutMs: PATIENCE_MS },
    );
    for (const text of answers) {
      assert.match(text, /is in force(?:.|\n)*Note: take-turns has lost 1 one-shot timer; its onLeave and adopt/);
      assert.doesNotMatch(text, /repeating/);
    }
    assert.match(daemon.log, /take-turns has lost 1 one-shot timer/);
    await daemon.writeConfig({ ...config, hooks: [{ module: TURNS, options: { everyMs: 5_000 } }] });
    assert.match((await reload(daemon)).text, /take-turns has lost 1 repeating timer: it starts none of the same/);
    await assertAddsUp(daemon);
  });

  test(`${driver}: a packet that waits for a timer of its hook is released by it, in the lane that it waits in`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const config = { attach: [{ bridge: ['lan0', 'wan0'] }], driver, hooks: [{ module: LATER }] };
    const daemon = await startDaemon(ns.fw, config, { timeoutMs: PATIENCE_MS });
    const ping = ns.client.spawn('ping', ['-c', '1', '-W', '30', SERVER]);
    await waitFor(async () => (await numbersOf(daemon))['held'] === 1, { what: 'the packet to wait' });
    const { code, text } = await reload(daemon);
    assert.equal(code, 0, text);
    assert.doesNotMatch(text, /timer/);
    await ping.exited;
    assert.match(ping.stdout, / 1 received/);
    await assertAddsUp(daemon);
  });

  test(`${driver}: SIGHUP reloads; a change of a file does where it is asked for; a restart is said before anything happens`, {
    skip,
  }, async (t) => {
    const { ns } = await bridgeLab(t);
    const hook = (value: number): string =>
      `import { defineHook, FORWARD } from 'firehook';\nimport { value } from './value.ts';\nexport default defineHook({ name: 'h' + value, onPacket: () => FORWARD });\n// ${value}\n`;
    const config = (more: object = {}): Record<string, unknown> => ({
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver,
      hooks: [{ module: './hook.ts' }],
      reload: { onChange: true },
      ...more,
    });
    const files = { 'hook.ts': hook(1), 'value.ts': 'export const value = 1;\n' };
    const daemon = await startDaemon(ns.fw, config(), { timeoutMs: PATIENCE_MS, files });
    const waitForHooks = (names: string[]): Promise<boolean> =>
      waitFor(async () => (await readStatus(daemon)).hooks.join() === names.join(), {
        what: `hooks ${names.join()}`,
        timeoutMs: PATIENCE_MS,
      });
    await waitForHooks(['h1']);
    await writeFile(path.join(daemon.folder, 'value.ts'), 'export const value = 2;\n');
    await waitForHooks(['h2']);
    await writeFile(path.join(daemon.folder, 'value.ts'), 'export const value = (;\n');
    await waitFor(async () => (await readStatus(daemon)).lastReload?.error !== null, { what: 'the refusal' });
    assert.deepEqual((await readStatus(daemon)).hooks, ['h2']);
    await daemon.writeConfig(config({ reload: { onChange: false } }));
    await writeFile(path.join(daemon.folder, 'value.ts'), 'export const value = 3;\n');
    await waitForHooks(['h3']);
    await daemon.writeConfig(config({ policy: { onDown: 'forward' }, reload: { onChange: false } }));
    const { code, text } = await reload(daemon);
    assert.equal(code, 2, text);
    assert.match(text, /policy\.onDown takes a restart/);
    await daemon.writeConfig(config({ hooks: [], reload: { onChange: false } }));
    process.kill(daemon.pid, 'SIGHUP');
    await waitForHooks([]);
    await ns.client.output('ping', ['-c', '2', '-i', '0.2', '-W', '5', SERVER]);
    await assertAddsUp(daemon);
  });
}
