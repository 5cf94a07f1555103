/**
 * What a whole chain wants to see, made of the filters of its hooks and of the ports of their streams.
 *
 * Rule: one hook that says neither wants everything, and so does the chain that it is in.
 *
 * @module
 */

import { interestOf } from '../filter/interest.ts';
import { parseFilter } from '../filter/parse.ts';
import type { Interest } from '../wire/interest.ts';
import { PROTOCOL_TCP } from '../wire/ipv4.ts';
import { filterOf, type LoadedHook } from './load-hook.ts';

/**
 * The interests of all hooks of a chain together.
 *
 * @returns null when one of them wants everything, and for a chain without hooks
 */
export function chainInterests(hooks: readonly LoadedHook[]): readonly Interest[] | null {
  const all: Interest[] = [];
  for (const hook of hooks) {
    if (hook.kind !== 'defined') return null;
    const filter = filterOf(hook);
    const wanted = interestOfStreams(hook) ?? (filter === undefined ? null : interestOf(parseFilter(filter)));
    if (wanted === null) return null;
    all.push(wanted);
  }
  return all.length === 0 ? null : all;
}

/** A hook with streams and nothing else has nothing to say of other packets. */
function interestOfStreams(hook: LoadedHook & { readonly kind: 'defined' }): Interest | null {
  const { stream, handlers } = hook;
  const isAlone = handlers !== null && (handlers.onPacket ?? handlers.onFlow) === undefined;
  return stream === undefined || !isAlone ? null : { protocols: [PROTOCOL_TCP], ports: stream.ports };
}
