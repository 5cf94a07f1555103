/**
 * Whether the conditions of a rule go together: a rule that no packet can match is a slip, and is refused.
 *
 * Rule: every refusal is at the word that asks for something, and says what for. What is checked here is what a person would say
 * looking at the line; a rule that never matches because of the rules above it is no error.
 *
 * @module
 */

import { PROTOCOL_TCP, PROTOCOLS_WITH_PORTS } from './names.ts';
import type { RuleDraft } from './parse-rule.ts';
import { IPV4, IPV6, LATER_FRAGMENT } from './rule.ts';
import { show, type Word, type Words } from './words.ts';

const BOTH = IPV4 | IPV6;
const VERSION_NAMES = ['', 'IPv4', 'IPv6'];

/**
 * Checks a rule, and narrows its IP versions to those that its conditions are about.
 *
 * @throws {@link RuleError} at the first word that does not fit
 */
export function checkRule(draft: RuleDraft, words: Words): void {
  const { said } = draft;
  const place = (about: string): Word => said.get(about) ?? { line: draft.line, column: draft.column, text: '' };
  checkVersions(draft, words, place);
  const protocols = draft.protocols ?? [];
  const isOnly = (numbers: readonly number[]): boolean =>
    protocols.length > 0 && protocols.every(({ number }) => numbers.includes(number));
  if (said.has('port') && !isOnly(PROTOCOLS_WITH_PORTS))
    throw words.error(place('port'), '"port" needs a protocol that has ports: tcp, udp, sctp, dccp, udplite');
  if (draft.flags !== null && !isOnly([PROTOCOL_TCP]))
    throw words.error(place('flags'), `${show(place('flags'))} needs the protocol tcp, and no other`);
  if (draft.flags !== null && (draft.flags.set & ~draft.flags.mask) !== 0)
    throw words.error(place('flags'), 'flags before the slash have to stand behind it, too');
  if (draft.icmp !== null && protocols.length !== 1)
    throw words.error(place('type'), '"type" needs icmp or icmpv6, and no other protocol');
  if (draft.fragments !== LATER_FRAGMENT) return;
  for (const about of ['port', 'flags', 'type']) {
    if (said.has(about))
      throw words.error(place(about), `${show(place(about))} cannot stand here; a later fragment has no such thing`);
  }
}

/**
 * Each condition may leave one IP version only; what two of them leave has to be more than nothing. A list of addresses leaves those of
 * its addresses, with `not`, too.
 */
function checkVersions(draft: RuleDraft, words: Words, place: (about: string) => Word): void {
  const { protocols, source, destination } = draft;
  const byCondition: readonly (readonly [about: string, families: number])[] = [
    ['version', draft.families],
    ['protocol', protocols === null ? BOTH : protocols.reduce((all, { families }) => all | families, 0)],
    ['from', source?.families ?? BOTH],
    ['to', destination?.families ?? BOTH],
  ];
  let families = BOTH;
  for (const [about, own] of byCondition) {
    if ((families & own) === 0)
      throw words.error(
        place(about),
        `${show(place(about))} is about ${VERSION_NAMES[own]} here, and the rest of the rule about ${VERSION_NAMES[families]}: no packet is both`,
      );
    families &= own;
  }
  draft.families = families;
}
