/**
 * Checks what a hook says of the streams that it reads, and fills in what it does not say.
 *
 * Rule: what is wrong refuses the hook, with the key, the value and what is expected.
 *
 * @module
 */

import { closestKey } from '../../config/closest-key.ts';
import { refuseHook, shown } from '../check-definition.ts';
import type { StreamOptions, StreamPolicy, StreamSettings } from './stream-contract.ts';

const KEYS: readonly (keyof StreamOptions)[] = [
  ...(['ports', 'from', 'most', 'gate', 'onOverlap', 'onFull', 'onUnread', 'onUnseen'] as const),
  ...(['idleMs', 'streams', 'memoryMiB'] as const),
];
const POLICIES: readonly StreamPolicy[] = ['forward', 'drop', 'reset'];
const MOST_PORTS = 1024;
const MAX_PORT = 65_535;
const MOST_OCTETS = 1 << 24;
const MOST_STREAMS = 1 << 20;
const MOST_MIB = 1024;
const DAY_MS = 86_400_000;
const IDLE_MS = 120_000;
const STREAMS = 4096;
const MEMORY_MIB = 8;

/** The module that is refused. */
interface Module {
  readonly path: string;
}

/**
 * The settings that an entry `stream` of a definition comes to.
 *
 * @throws FirehookError FIREHOOK_HOOK_INVALID with the exact reason
 */
export function streamSettings(module: Module, value: unknown): StreamSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    refuseHook(module, `stream: ${shown(value)} is not valid; expected { ports, most, ... }`);
  for (const key of Object.keys(value)) checkKey(module, key);
  const given = value as Record<keyof StreamOptions, unknown>;
  const gate = oneOf(module, 'gate', given.gate, [true, false], false);
  const closed = gate ? 'reset' : 'forward';
  return {
    ports: readPorts(module, given.ports),
    from: oneOf(module, 'from', given.from, ['client', 'server'], 'client'),
    most: within(module, 'most', given.most, 1, MOST_OCTETS),
    gate,
    onOverlap: oneOf(module, 'onOverlap', given.onOverlap, ['reset', 'first'], 'reset'),
    onFull: oneOf(module, 'onFull', given.onFull, POLICIES, closed),
    onUnread: oneOf(module, 'onUnread', given.onUnread, POLICIES, closed),
    onUnseen: oneOf(module, 'onUnseen', given.onUnseen, POLICIES, 'forward'),
    idleMs: within(module, 'idleMs', given.idleMs ?? IDLE_MS, 1, DAY_MS),
    streams: within(module, 'streams', given.streams ?? STREAMS, 1, MOST_STREAMS),
    memoryMiB: within(module, 'memoryMiB', given.memoryMiB ?? MEMORY_MIB, 1, MOST_MIB),
  };
}

function checkKey(module: Module, key: string): void {
  if (KEYS.some((known) => known === key)) return;
  const near = closestKey(key, KEYS);
  const hint = near === undefined ? `unknown key; expected ${KEYS.join(', ')}` : `did you mean ${near}?`;
  refuseHook(module, `stream.${key}: ${hint}`);
}

function readPorts(module: Module, value: unknown): readonly number[] {
  const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) >= 1 && Number(port) <= MAX_PORT;
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MOST_PORTS && value.every(isPort);
  if (!isList) refuseHook(module, `stream.ports: ${shown(value)} is not valid; expected a list of ports, 1 to 65535`);
  return [...(value as readonly number[])];
}

function within(module: Module, key: string, value: unknown, least: number, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  return refuseHook(
    module,
    `stream.${key}: ${shown(value)} is not valid; expected a whole number from ${least} to ${most}`,
  );
}

function oneOf<Choice>(
  module: Module,
  key: string,
  value: unknown,
  choices: readonly Choice[],
  otherwise: Choice,
): Choice {
  if (value === undefined) return otherwise;
  const choice = choices.find((one) => one === value);
  if (choice !== undefined) return choice;
  return refuseHook(module, `stream.${key}: ${shown(value)} is not valid; expected ${choices.join(' or ')}`);
}
