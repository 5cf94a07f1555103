/**
 * Makes one function that calls any hook of a chain, with a call site of its own for each.
 *
 * ```
 *   switch (index) { case 0: return hook0.onPacket(packet, context); case 1: return hook1.onPacket(packet, context); ... }
 *
 *   with onFlow as well, for a packet of no flow that was judged before:
 *     case 2: if (isFresh) { const verdict = hook2.onFlow(packet, context); if (verdict !== FORWARD) return verdict; } return hook2.onPacket(...);
 *   with reasons: case 3: { const answer = hook3.onPacket(packet, context); return answer === FORWARD ? answer : take(3, answer); }
 * ```
 * A loop has one call site for all hooks: from the fifth on V8 looks every call up anew and puts none in line. Rule: the
 * generated text holds numbers only; no name, path or option of a hook becomes part of it.
 *
 * @module
 */

import { FORWARD } from '../firewall/constants.ts';
import type { Handlers, Verdict } from './contract.ts';
import type { TakeReason } from './hook-reasons.ts';
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

/** What is done with the reasons that hooks give. */
export interface TakesReasons {
  /** By the place of the hook: whether it has declared any. */
  readonly ofHook: readonly boolean[];
  readonly take: TakeReason;
}

const NO_REASONS: TakesReasons = { ofHook: [], take: (_hook, answer) => answer };

/**
 * The function for these hooks. Generated once a chain.
 *
 * @param handlers - null where the hook is of another kind, which must not be called through this function
 * @param streams - by the place of the hook; null where it reads none
 * @param reasons - @defaultValue no hook gives any
 */
export function compileCalls(
  handlers: readonly (Handlers | null)[],
  streams: readonly (TakesSegments | null)[] = [],
  reasons: TakesReasons = NO_REASONS,
): CallHook {
  const isReading = (index: number): boolean => (streams[index] ?? null) !== null;
  const hooks = handlers.flatMap((_, index) => [
    `hook${index} = handlers[${index}]`,
    ...(isReading(index) ? [`stream${index} = streams[${index}]`] : []),
  ]);
  const cases = handlers.map((one, index) => {
    const own = callOfPacket(one, index, reasons.ofHook[index] === true);
    return `case ${index}: ${callOf(one, index, isReading(index), own)}`;
  });
  const declarations = hooks.length === 0 ? '' : `const ${hooks.join(', ')};`;
  const body = `${declarations} return (index, packet, context, isFresh) => { switch (index) { ${cases.join(' ')} } };`;
  const compile = new Function('handlers', 'streams', 'take', body) as (
    hooks: readonly (Handlers | null)[],
    readers: readonly (TakesSegments | null)[],
    take: TakeReason,
  ) => CallHook;
  return compile(handlers, streams, reasons.take);
}

/** @param own - of the other handlers */
function callOf(handlers: Handlers | null, index: number, isReading: boolean, own: string): string {
  if (!isReading) return own;
  const take = `stream${index}.take()`;
  if (handlers?.onPacket === undefined && handlers?.onFlow === undefined) return `return ${take};`;
  return `{ const of${index} = ${take}; if (of${index} !== ${FORWARD}) return of${index}; ${own} }`;
}

function callOfPacket(handlers: Handlers | null, index: number, hasReasons: boolean): string {
  const onPacket = `hook${index}.onPacket(packet, context)`;
  const onFlow = `hook${index}.onFlow(packet, context)`;
  if (handlers?.onFlow === undefined) return answerWith(onPacket, index, hasReasons);
  const first = `if (isFresh) { ${answerUnlessForward(onFlow, index, hasReasons)} }`;
  if (handlers.onPacket === undefined) return `${first} return ${FORWARD};`;
  return `${first} ${answerWith(onPacket, index, hasReasons)}`;
}

/** Ends with what a handler returned. */
function answerWith(call: string, index: number, hasReasons: boolean): string {
  if (!hasReasons) return `return ${call};`;
  return `{ const answer${index} = ${call}; return answer${index} === ${FORWARD} ? answer${index} : take(${index}, answer${index}); }`;
}

/** The same, but goes on behind a FORWARD, for a reason or for none. */
function answerUnlessForward(call: string, index: number, hasReasons: boolean): string {
  const verdict = `verdict${index}`;
  const plain = `plain${index}`;
  const end = hasReasons
    ? `{ const ${plain} = take(${index}, ${verdict}); if (${plain} !== ${FORWARD}) return ${plain}; }`
    : `return ${verdict};`;
  return `const ${verdict} = ${call}; if (${verdict} !== ${FORWARD}) ${end}`;
}
