/**
 * A rule file: text to data.
 *
 * ```
 *   file    = { line }
 *   line    = [ group | default | rule ] [ "#" comment ] end-of-line
 *   group   = "group" name "=" "{" address { address } "}"  |  "group" name "=" "{" port { port } "}"
 *   default = "default" action [ "count" name ]
 *   rule    = action { condition }                               the conditions are in parse-rule.ts, the lists in lists.ts
 *   action  = "accept" | "pass" | "drop" | "reject"
 * ```
 * Rule: the answer is the whole file, or an error with a place: a file that is only half understood is worse than none.
 *
 * @module
 */

import { ACCEPT, DROP, FORWARD, ICMP_ON_DROP, type Verdict } from 'firehook';
import { checkRule } from './check-rule.ts';
import { Lists } from './lists.ts';
import { RuleDraft, RuleReader } from './parse-rule.ts';
import type { Rule, RuleFile } from './rule.ts';
import { show, type Word, Words } from './words.ts';

/** Most rules of a file. */
export const MAX_RULES = 65_536;

const ACTIONS: ReadonlyMap<string, Verdict> = new Map<string, Verdict>([
  ['accept', ACCEPT],
  ['pass', FORWARD],
  ['drop', DROP],
  ['reject', ICMP_ON_DROP],
]);
/** What other packet filters call an action. */
const MEANT: ReadonlyMap<string, string> = new Map([
  ['block', 'drop'],
  ['deny', 'drop'],
  ['allow', 'pass'],
  ['permit', 'pass'],
  ['set', 'group'],
  ['table', 'group'],
  ['policy', 'default'],
]);
const EXPECTED_ACTION = [...ACTIONS.keys()].join(', ');
const LINES = [...ACTIONS.keys(), 'group', 'default'];
const EXPECTED_LINE = LINES.join(', ');

/**
 * Reads a rule file. Cost: O(length of the text), and of the lists that groups are copied into.
 *
 * @param name - the file, as errors name it
 * @throws {@link RuleError} with the place of what is wrong
 */
export function parseRules(text: string, name: string): RuleFile {
  return new Parser(text, name).read();
}

class Parser {
  readonly #words: Words;
  readonly #lists: Lists;
  readonly #reader: RuleReader;
  readonly #name: string;
  readonly #rules: Rule[] = [];
  readonly #counters = new Map<string, number>();
  #otherwise: RuleDraft | null = null;

  constructor(text: string, name: string) {
    this.#name = name;
    this.#words = new Words(text, name);
    this.#lists = new Lists(this.#words);
    this.#reader = new RuleReader(this.#words, this.#lists);
  }

  read(): RuleFile {
    const words = this.#words;
    for (words.skipLines(); !words.isAt(''); words.skipLines()) {
      const first = words.take();
      if (first.text === 'group') this.#lists.readGroup();
      else if (first.text === 'default') this.#readDefault(first);
      else this.#readRule(first);
      if (!words.isAtEnd) throw words.unexpected(words.word, 'the end of the line');
    }
    return {
      name: this.#name,
      rules: this.#rules,
      otherwise: this.#otherwise?.verdict ?? FORWARD,
      otherwiseCounter: this.#counterOf(this.#otherwise?.count ?? null),
      counters: [...this.#counters.keys()],
    };
  }

  #readDefault(word: Word): void {
    if (this.#otherwise !== null) throw this.#words.error(word, 'there is a line "default" already');
    const action = this.#words.take();
    const verdict = ACTIONS.get(action.text);
    if (verdict === undefined) throw this.#words.unknown(action, ACTIONS.keys(), EXPECTED_ACTION);
    this.#otherwise = new RuleDraft(word, verdict);
    if (this.#words.takeIf('count')) this.#otherwise.count = this.#reader.name();
  }

  #readRule(action: Word): void {
    const verdict = ACTIONS.get(action.text);
    if (verdict === undefined) {
      const meant = MEANT.get(action.text);
      if (meant === undefined) throw this.#words.unknown(action, LINES, EXPECTED_LINE);
      throw this.#words.error(action, `${show(action)} cannot stand here; did you mean ${meant}?`);
    }
    if (this.#rules.length === MAX_RULES) throw this.#words.error(action, `there are more than ${MAX_RULES} rules`);
    const draft = new RuleDraft(action, verdict);
    this.#reader.read(draft);
    checkRule(draft, this.#words);
    const { said: _said, count, ...conditions } = draft;
    this.#rules.push({ ...conditions, counter: this.#counterOf(count) });
  }

  #counterOf(name: Word | null): number {
    if (name === null) return -1;
    const known = this.#counters.get(name.text);
    if (known !== undefined) return known;
    this.#counters.set(name.text, this.#counters.size);
    return this.#counters.size - 1;
  }
}
