/**
 * What a hook declares of itself: the packets it wants to see, checked when it is loaded, and what a whole chain wants.
 *
 * Rule: an interest is a promise of the hook, and the runtime may rely on it: outside of it the hook would answer FORWARD
 * and change nothing. One hook without an interest wants everything, and so does the chain that it is in.
 *
 * @module
 */

import { inspect } from 'node:util';
import { closestKey } from '../config/closest-key.ts';
import { interestOf } from '../filter/interest.ts';
import { parseFilter } from '../filter/parse.ts';
import { type Interest, PORT_PROTOCOLS } from '../wire/interest.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { filterOf, type LoadedHook } from './load-hook.ts';

const KEYS = ['versions', 'protocols', 'ports'];
const MAX_PROTOCOL = 255;
const MAX_PORT = 65_535;

/**
 * Finds out what is wrong with the `interest` of a definition.
 *
 * @returns the reason it is refused for, beginning with the key; '' when it is right
 */
export function interestProblem(value: unknown): string {
  if (!Array.isArray(value)) return oneProblem('interest', value);
  if (value.length === 0) return 'interest: is empty; leave it out, or name at least one';
  for (const [index, one] of value.entries()) {
    const problem = oneProblem(`interest[${index}]`, one);
    if (problem !== '') return problem;
  }
  return '';
}

/**
 * The interests of all hooks of a chain together.
 *
 * @returns null when one of them wants everything, and for a chain without hooks
 */
export function chainInterests(hooks: readonly LoadedHook[]): readonly Interest[] | null {
  const all: Interest[] = [];
  for (const hook of hooks) {
    if (hook.kind !== 'defined') return null;
    const { interest } = hook.definition;
    const filter = filterOf(hook);
    const wanted = interestOfStreams(hook) ?? (filter === undefined ? interest : interestOf(parseFilter(filter)));
    if (wanted === undefined || wanted === null) return null;
    all.push(...[wanted].flat());
  }
  return all.length === 0 ? null : all;
}

/** A hook with streams and nothing else has nothing to say of other packets. */
function interestOfStreams(hook: LoadedHook & { readonly kind: 'defined' }): Interest | null {
  const { stream, handlers } = hook;
  const isAlone = handlers !== null && (handlers.onPacket ?? handlers.onFlow) === undefined;
  return stream === undefined || !isAlone ? null : { protocols: [PROTOCOL_TCP], ports: stream.ports };
}

function oneProblem(at: string, value: unknown): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return `${at}: ${shown(value)} is not valid; expected { versions, protocols, ports } or a list of such`;
  for (const key of Object.keys(value)) {
    if (KEYS.includes(key)) continue;
    const near = closestKey(key, KEYS);
    return `${at}.${key}: ${near === undefined ? `unknown key; expected ${KEYS.join(', ')}` : `did you mean ${near}?`}`;
  }
  const { versions, protocols, ports } = value as Record<string, unknown>;
  return (
    numbersProblem(`${at}.versions`, versions, '4 and 6', (number) => number === 4 || number === 6) ||
    numbersProblem(`${at}.protocols`, protocols, 'numbers from 0 to 255', (number) => isUpTo(number, MAX_PROTOCOL)) ||
    numbersProblem(`${at}.ports`, ports, 'numbers from 0 to 65535', (number) => isUpTo(number, MAX_PORT)) ||
    portsProblem(at, protocols as readonly number[] | undefined, ports)
  );
}

function numbersProblem(at: string, value: unknown, expected: string, isRight: (number: unknown) => boolean): string {
  if (value === undefined) return '';
  if (!Array.isArray(value)) return `${at}: ${shown(value)} is not valid; expected a list of ${expected}`;
  if (value.length === 0) return `${at}: is empty; leave it out, or name at least one`;
  const wrong = (value as readonly unknown[]).findIndex((number) => !isRight(number));
  return wrong === -1 ? '' : `${at}[${wrong}]: ${shown(value[wrong])} is not valid; expected ${expected}`;
}

/** Ports mean something only for protocols that have them. */
function portsProblem(at: string, protocols: readonly number[] | undefined, ports: unknown): string {
  if (ports === undefined) return '';
  const having = PORT_PROTOCOLS.join(', ');
  if (protocols === undefined) return `${at}.ports: needs protocols that have ports: ${having}`;
  const without = protocols.find((protocol) => !PORT_PROTOCOLS.includes(protocol));
  return without === undefined ? '' : `${at}.ports: protocol ${without} has none; those that have are ${having}`;
}

function isUpTo(value: unknown, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value, { depth: 0, breakLength: Infinity });
}
