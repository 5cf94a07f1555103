/**
 * Makes one function that says whether a packet belongs to the filter of a hook, with a call site of its own for each.
 *
 * ```
 *   switch (index) { case 0: return filter0(bytes, ...); case 2: return filter2(bytes, ...); }
 * ```
 * For the same reason as in compile-calls.ts, and by the same rule: the generated text holds numbers only.
 *
 * @module
 */

import { PARAMETERS } from '../filter/code-values.ts';
import { compileFilter, type FilterOptions, type Predicate } from '../filter/to-js.ts';

/** What the packets of hooks are to a filter: a datagram, and the link header that it came behind. */
export const HOOK_PACKETS: FilterOptions = { link: 'ethernet' };

/** Whether a packet belongs to the filter of hook number `index`; see {@link Predicate}. Never throws. */
export type MatchFilter = (index: number, ...packet: Parameters<Predicate>) => boolean;

/**
 * The function for these filters. Generated once a chain.
 *
 * @param filters - null where the hook has none; it must not be asked for then
 * @throws {@link FilterError} where a text is no filter
 */
export function compileFilters(filters: readonly (string | null)[]): MatchFilter {
  const predicates = filters.map((text) => (text === null ? null : compileFilter(text, HOOK_PACKETS)));
  const declarations = predicates.map((_, index) => `const filter${index} = predicates[${index}];`).join(' ');
  const cases = predicates.map((_, index) => `case ${index}: return filter${index}(${PARAMETERS});`).join(' ');
  const body = `${declarations} return (index, ${PARAMETERS}) => { switch (index) { ${cases} } return true; };`;
  const compile = new Function('predicates', body) as (predicates: readonly (Predicate | null)[]) => MatchFilter;
  return compile(predicates);
}
