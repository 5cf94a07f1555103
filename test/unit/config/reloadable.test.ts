/**
 * What of a configuration takes a restart: every key has its place, and what is not known takes one.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseConfig } from '../../../src/config/load-config.ts';
import { needsRestart } from '../../../src/config/reloadable.ts';
import type { Config } from '../../../src/config/schema.ts';

const BASE = 'attach:\n  - host: eth0\n';
const parse = (text: string): Config => parseConfig(`${BASE}${text}`, '/etc/firehook', 'firehook.yaml').config;

/** A change, and the keys that it takes a restart for. */
const CHANGES: readonly (readonly [text: string, ...keys: string[]])[] = [
  ['hooks: [{ module: ./a.ts, options: { ports: [1] } }]'],
  ['tables: { bad: { file: ./bad.txt } }'],
  ['flows: { most: 9 }'],
  ['icmp: { code: 1 }'],
  ['pool: { limitMiB: 1 }'],
  ['faults: { hookThrows: forward }'],
  ['policy: { nonIp: drop, unreadable: forward }'],
  ['lane: { memoryMiB: 512 }'],
  ['log: { level: debug }'],
  ['reload: { onChange: true }'],
  ['driver: pcap', 'driver'],
  ['lanes: 2', 'lanes'],
  ['ring: { mib: 4 }', 'ring.mib'],
  ['policy: { onDown: forward, nonIp: drop }', 'policy.onDown'],
  ['lane: { user: nobody, memoryMiB: 512 }', 'lane.user'],
  ['control: { socket: /run/other.sock }', 'control.socket'],
  ['metrics: { listen: 127.0.0.1:9477 }', 'metrics.listen'],
  ['events: { stdout: true }', 'events.stdout'],
];

for (const [text, ...keys] of CHANGES) {
  test(`${text}: ${keys.join(', ') || 'no restart'}`, () => {
    assert.deepEqual(needsRestart(parse(''), parse(text)), keys);
    assert.deepEqual(needsRestart(parse(text), parse('')), keys);
    assert.deepEqual(needsRestart(parse(text), parse(text)), []);
  });
}

test('an attach more takes one', () => {
  const other = parseConfig(`${BASE}  - host: eth1\n`, '/etc/firehook', 'firehook.yaml').config;
  assert.deepEqual(needsRestart(parse(''), other), ['attach']);
});

test('docs/reload.md names what a reload changes', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/reload.md', import.meta.url)), 'utf8');
  for (const [text, ...keys] of CHANGES) {
    const [section = ''] = text.split(':');
    if (keys.length === 0) assert.match(page, new RegExp(`\`${section}[\`.]`), section);
  }
});

test('what only one of two versions knows is no difference between them; the value of what both know is', () => {
  const before = parse('');
  const { policy, ...rest } = before;
  const { onStop: _, ...others } = policy;
  const older = { ...rest, policy: others } as unknown as Config;
  assert.deepEqual(needsRestart(older, before), ['policy.onStop']);
  assert.deepEqual(needsRestart(older, before, true), []);
  assert.deepEqual(needsRestart(before, older, true), []);
  assert.deepEqual(needsRestart(older, parse('policy: { onDown: forward }'), true), ['policy.onDown']);
});
