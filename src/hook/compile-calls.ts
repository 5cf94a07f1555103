/**
 * Makes one function that calls any hook of a chain, with a call site of its own for each.
 *
 * ```
 *   switch (index) { case 0: return hook0.onPacket(packet, context); case 1: return hook1.onPacket(packet, context); ... }
 *
 *   with onFlow as well, for a packet of no flow that was judged before:
 *     case 2: if (isFresh) { const verdict = hook2.onFlow(packet, context); if (verdict !== FORWARD) return verdict; } return hook2.onPacket(...);
 * ```
 * A loop has one call site for all hooks: from the fifth on V8 looks every call up anew and puts none in line. Rule: the
 * generated text holds numbers only; no name, path or option of a hook becomes part of it.
 *
 * @module
 */

import { FORWARD } from '../firewall/constants.ts';
import type { Handlers, Verdict } from './contract.ts';
import type { Context, Packet } from './packet/packet-contract.ts';

/**
 * Calls hook number `index`. What the hook throws comes through; what it returns may be no verdict.
 *
 * @param isFresh - the packet starts a flow, or belongs to none
 */
export type CallHook = (index: number, packet: Packet, context: Context, isFresh: boolean) => Verdict;

/** What reads the streams of a hook: its verdict comes before those of the other handlers. */
export interface TakesSegments {
  take(): Verdict;
}

/**
 * The function for these hooks. Generated once a chain.
 *
 * @param handlers - null where the hook is of another kind, which must not be called through this function
 * @param streams - by the place of the hook; null where it reads none
 */
export function compileCalls(
  handlers: readonly (Handlers | null)[],
  streams: readonly (TakesSegments | null)[] = [],
): CallHook {
  const isReading = (index: number): boolean => (streams[index] ?? null) !== null;
  const hooks = handlers.flatMap((_, index) => [
    `hook${index} = handlers[${index}]`,
    ...(isReading(index) ? [`stream${index} = streams[${index}]`] : []),
  ]);
  const cases = handlers.map((one, index) => `case ${index}: ${callOf(one, index, isReading(index))}`);
  const declarations = hooks.length === 0 ? '' : `const ${hooks.join(', ')};`;
  const body = `${declarations} return (index, packet, context, isFresh) => { switch (index) { ${cases.join(' ')} } };`;
  const compile = new Function('handlers', 'streams', body) as (
    hooks: readonly (Handlers | null)[],
    readers: readonly (TakesSegments | null)[],
  ) => CallHook;
  return compile(handlers, streams);
}

function callOf(handlers: Handlers | null, index: number, isReading: boolean): string {
  const take = `stream${index}.take()`;
  if (isReading && handlers?.onPacket === undefined && handlers?.onFlow === undefined) return `return ${take};`;
  const first = isReading ? `const of${index} = ${take}; if (of${index} !== ${FORWARD}) return of${index};` : '';
  return `${first === '' ? '' : `{ ${first} `}${callOfPacket(handlers, index)}${first === '' ? '' : ' }'}`;
}

function callOfPacket(handlers: Handlers | null, index: number): string {
  const onPacket = `return hook${index}.onPacket(packet, context);`;
  if (handlers?.onFlow === undefined) return onPacket;
  const onFlow = `hook${index}.onFlow(packet, context)`;
  if (handlers.onPacket === undefined) return `return isFresh ? ${onFlow} : ${FORWARD};`;
  return `if (isFresh) { const verdict${index} = ${onFlow}; if (verdict${index} !== ${FORWARD}) return verdict${index}; } ${onPacket}`;
}
