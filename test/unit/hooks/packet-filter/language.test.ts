/**
 * The language of rule files: what texts say, where those that are wrong are wrong, and that there is no third kind of text.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RuleFilter } from '../../../../hooks/_packet-filter/compile.ts';
import { MAX_ITEMS } from '../../../../hooks/_packet-filter/lists.ts';
import { MAX_RULES, parseRules } from '../../../../hooks/_packet-filter/parse.ts';
import type { Rule } from '../../../../hooks/_packet-filter/rule.ts';
import { MAX_TEXT, RuleError } from '../../../../hooks/_packet-filter/words.ts';
import { formatAddress } from '../../../../src/wire/address.ts';
import { Random } from '../../../chaos/random.ts';
import { randomRule, ruleText } from '../../../support/rule-sets.ts';
import { compile } from './rule-rig.ts';

function messageOf(text: string): string {
  try {
    parseRules(text, 'r');
  } catch (error) {
    assert.ok(error instanceof RuleError, `${JSON.stringify(text)}: ${String(error)}`);
    return error.message;
  }
  return assert.fail(`${JSON.stringify(text)} was taken`);
}

function ruleOf(text: string): Rule {
  const { rules } = parseRules(text, 'r');
  assert.equal(rules.length, 1, text);
  return rules[0] as Rule;
}

/** A rule in few words: what it says, with the numbers that it is kept as. */
function described(rule: Rule): string {
  const list = (of: { isNot: boolean; items: readonly object[] } | null): string =>
    of === null ? '*' : `${of.isNot ? '!' : ''}${of.items.map((item) => itemText(item)).join()}`;
  const parts = [
    rule.verdict,
    rule.families,
    rule.protocols?.map(({ number }) => number).join() ?? '*',
    `${list(rule.source)}:${list(rule.sourcePorts)}`,
    `${list(rule.destination)}:${list(rule.destinationPorts)}`,
  ];
  if (rule.icmp !== null)
    parts.push(`icmp ${rule.icmp.types.map(itemText).join()}/${rule.icmp.codes.map(itemText).join()}`);
  if (rule.flags !== null) parts.push(`flags ${rule.flags.set}/${rule.flags.mask}`);
  if (rule.fragments !== 7) parts.push(`fragments ${rule.fragments}`);
  if (rule.directions !== 3) parts.push(`directions ${rule.directions}`);
  if (rule.arrival !== null) parts.push(`on ${rule.arrival.map(({ name }) => name).join()}`);
  if (rule.departure !== null) parts.push(`to ${rule.departure.map(({ name }) => name).join()}`);
  if (rule.states !== null) parts.push(`states ${rule.states.mask}`);
  if (rule.counter >= 0) parts.push(`counter ${rule.counter}`);
  return parts.join(' ');
}

function itemText(item: object): string {
  if ('bytes' in item) {
    const { bytes, prefixLength } = item as { bytes: Uint8Array; prefixLength: number };
    return `${formatAddress(bytes)}/${prefixLength}`;
  }
  const { first, last } = item as { first: number; last: number };
  return first === last ? `${first}` : `${first}-${last}`;
}

describe('a rule says', () => {
  for (const [text, meaning] of [
    ['drop', '1 3 * *:* *:*'],
    ['pass', '0 3 * *:* *:*'],
    ['reject', '2 3 * *:* *:*'],
    ['accept # because', '3 3 * *:* *:*'],
    ['drop tcp from 192.0.2.0/24 to any port 22,8000-8080 count ssh', '1 1 6 192.0.2.0/24:* *:22,8000-8080 counter 0'],
    ['drop tcp from any port 1024-65535', '1 3 6 *:1024-65535 *:*'],
    ['drop tcp from port 7 to port 9', '1 3 6 *:7 *:9'],
    ['drop tcp to port not { 22 80, 443 }', '1 3 6 *:* *:!22,80,443'],
    ['drop udp to not 2001:db8::/32 port 53', '1 2 17 *:* !2001:db8::/32:53'],
    ['drop from { 192.0.2.1, 2001:db8::1 }', '1 3 * 192.0.2.1/32,2001:db8::1/128:* *:*'],
    ['drop from {192.0.2.1\n  198.51.100.0/24 # two\n\n}', '1 1 * 192.0.2.1/32,198.51.100.0/24:* *:*'],
    ['drop from 192.0.2.1, 192.0.2.2', '1 1 * 192.0.2.1/32,192.0.2.2/32:* *:*'],
    ['drop ip', '1 1 * *:* *:*'],
    ['drop ip6 tcp', '1 2 6 *:* *:*'],
    ['drop icmp', '1 1 1 *:* *:*'],
    ['drop icmpv6', '1 2 58 *:* *:*'],
    ['drop tcp, udp', '1 3 6,17 *:* *:*'],
    ['drop proto 47', '1 3 47 *:* *:*'],
    ['drop proto { gre, 50, icmp }', '1 3 47,50,1 *:* *:*'],
    ['drop icmp type echo-request', '1 1 1 *:* *:* icmp 8/0-255'],
    ['drop icmp type { 3, 11-12 } code 4, 13', '1 1 1 *:* *:* icmp 3,11-12/4,13'],
    ['drop icmpv6 type nd-router-advert code 0', '1 2 58 *:* *:* icmp 134/0'],
    ['drop tcp syn', '1 3 6 *:* *:* flags 2/23'],
    ['drop tcp flags syn/syn,ack', '1 3 6 *:* *:* flags 2/18'],
    ['drop tcp flags syn , fin / all', '1 3 6 *:* *:* flags 3/255'],
    ['drop tcp flags none/all', '1 3 6 *:* *:* flags 0/255'],
    ['drop fragment', '1 3 * *:* *:* fragments 6'],
    ['drop udp fragment later', '1 3 17 *:* *:* fragments 4'],
    ['drop fragment first', '1 3 * *:* *:* fragments 2'],
    ['pass not fragment', '0 3 * *:* *:* fragments 1'],
    ['drop in on lan0', '1 3 * *:* *:* directions 2 on lan0'],
    ['drop out to-interface { wan0, eth0.5 }', '1 3 * *:* *:* directions 1 to wan0,eth0.5'],
    ['accept state established,related', '3 3 * *:* *:* states 12'],
    ['accept state { new invalid }', '3 3 * *:* *:* states 18'],
    ['drop count a-b_9 tcp', '1 3 6 *:* *:* counter 0'],
    ['\ufeff\r\n\tdrop\ttcp\r\n', '1 3 6 *:* *:*'],
    ['group a = { 192.0.2.1 }\ngroup b = { @a, 10.0.0.0/8 }\ndrop from @b', '1 1 * 192.0.2.1/32,10.0.0.0/8:* *:*'],
    ['group a = { 2001:db8::/32 }\ndrop from not @a', '1 2 * !2001:db8::/32:* *:*'],
    ['group a = { 192.0.2.1 }\ndrop to @a, 192.0.2.2', '1 1 * *:* 192.0.2.1/32,192.0.2.2/32:*'],
    ['group web = {\n  80\n  443, 8000-8080\n}\ndrop tcp to port @web', '1 3 6 *:* *:80,443,8000-8080'],
  ] as const) {
    test(JSON.stringify(text), () => assert.equal(described(ruleOf(text)), meaning));
  }

  test('nothing, where the file has no rule; the default is pass', () => {
    assert.deepEqual(parseRules('# empty\n\n', 'r'), {
      name: 'r',
      rules: [],
      otherwise: 0,
      otherwiseCounter: -1,
      counters: [],
    });
  });

  test('what default says, wherever it stands, and one counter for one name', () => {
    const file = parseRules('drop tcp count a\ndefault reject count b\npass udp count b\ndrop ip count a', 'r');
    assert.equal(file.otherwise, 2);
    assert.deepEqual(file.counters, ['a', 'b']);
    assert.equal(file.otherwiseCounter, 1);
    assert.deepEqual(
      file.rules.map(({ counter }) => counter),
      [0, 1, 0],
    );
  });

  test('the place that it stands at', () => {
    const { rules } = parseRules('# first\n\n  drop tcp\n', 'r');
    assert.deepEqual([rules[0]?.line, rules[0]?.column], [3, 3]);
  });
});

const ADDRESS = 'an address, a prefix such as 192.0.2.0/24, or @GROUP';
const PORT = 'a port from 0 to 65535, a range such as 8000-8080, or @GROUP';
const PROTOCOLS =
  'icmp, igmp, ipip, tcp, udp, dccp, ipv6-in-ip, gre, esp, icmpv6, ospf, pim, vrrp, l2tp, sctp, udplite';
const CONDITIONS =
  'a protocol such as tcp, in, out, on, to-interface, ip, ip6, proto, from, to, type, syn, flags, fragment, not, state, count or the end of the line';
const FLAGS =
  'flags such as syn/syn,ack: those that are set, a slash, those that are looked at (fin, syn, rst, psh, ack, urg, ece, cwr, none, all)';
const NAME = 'a letter, then letters, digits, "_" and "-", 64 at most';
const END = 'the end of the rules cannot stand here; expected';

describe('a text is refused with the place and with what was expected', () => {
  for (const [text, message] of [
    ['block tcp', '1:1: "block" cannot stand here; did you mean drop?'],
    ['dorp tcp', '1:1: "dorp" cannot stand here; did you mean drop?'],
    ['tcp', '1:1: "tcp" cannot stand here; expected accept, pass, drop, reject, group, default'],
    ['{', '1:1: "{" cannot stand here; expected accept, pass, drop, reject, group, default'],
    ['drop prot tcp', '1:6: "prot" cannot stand here; did you mean proto?'],
    ['drop src 192.0.2.1', `1:6: "src" cannot stand here; expected ${CONDITIONS}`],
    ['drop "tcp"', '1:6: "\\"tcp\\"" cannot stand here; did you mean tcp?'],
    ['drop =', `1:6: "=" cannot stand here; expected ${CONDITIONS}`],
    ['drop \u0001\u00e9\u4e16', `1:6: "\\u0001??" cannot stand here; expected ${CONDITIONS}`],
    [`drop ${'x'.repeat(200)}`, `1:6: "${'x'.repeat(40)}..." cannot stand here; expected ${CONDITIONS}`],
    ['drop from', `1:10: ${END} any, ${ADDRESS}`],
    ['drop from\npass', `1:10: the end of the line cannot stand here; expected any, ${ADDRESS}`],
    ['drop from ony', `1:11: "ony" cannot stand here; expected any, ${ADDRESS}`],
    ['drop from not any', `1:15: "any" cannot stand here; expected ${ADDRESS}`],
    ['drop from 192.0.2', `1:11: "192.0.2" cannot stand here; expected ${ADDRESS}`],
    ['drop from example.org', `1:11: "example.org" cannot stand here; expected ${ADDRESS}`],
    ['drop from 192.0.2.1/24', '1:11: "192.0.2.1/24" has bits set after the prefix length'],
    ['drop from 192.0.2.0/33', '1:11: "192.0.2.0/33" has no prefix length from 0 to 32'],
    ['drop from 192.0.2.0/024', '1:11: "192.0.2.0/024" has no prefix length from 0 to 32'],
    ['drop from 2001:db8::/129', '1:11: "2001:db8::/129" has no prefix length from 0 to 128'],
    ['drop from 192.0.2.0/24/24', '1:11: "192.0.2.0/24/24" has no prefix length from 0 to 32'],
    ['drop from {}', `1:12: "}" cannot stand here; expected ${ADDRESS}`],
    ['drop from { 192.0.2.1', `1:22: ${END} ${ADDRESS}`],
    ['drop from { 192.0.2.1\ndrop', `2:1: "drop" cannot stand here; expected ${ADDRESS}`],
    ['drop from 192.0.2.1,', `1:21: ${END} ${ADDRESS}`],
    ['drop from @a', '1:11: there is no group "@a"; a group stands above the rules that use it'],
    ['group a = { 22 }\ndrop from @a', '2:11: the group "@a" has ports, not addresses'],
    ['group a = { ::1 }\ndrop tcp to port @a', '2:18: the group "@a" has addresses, not ports'],
    ['drop port 22', '1:6: "port" cannot stand here; expected it behind from or to, as in: to port 22'],
    ['drop to any port 22', '1:13: "port" needs a protocol that has ports: tcp, udp, sctp, dccp, udplite'],
    ['drop icmp to port 22', '1:14: "port" needs a protocol that has ports: tcp, udp, sctp, dccp, udplite'],
    ['drop tcp to port ssh', `1:18: "ssh" cannot stand here; expected ${PORT}`],
    ['drop tcp to port 65536', `1:18: "65536" cannot stand here; expected ${PORT}`],
    ['drop tcp to port 9-8', `1:18: "9-8" cannot stand here; expected ${PORT}`],
    ['drop tcp to port 007', `1:18: "007" cannot stand here; expected ${PORT}`],
    ['drop tcp to port { 1,, 2 }', `1:22: "," cannot stand here; expected ${PORT}`],
    ['drop 47', '1:6: "47" cannot stand here; expected "proto 47", if it is a protocol'],
    ['drop proto 256', `1:12: "256" cannot stand here; expected a number from 0 to 255, ${PROTOCOLS}`],
    ['drop tcp, tcq', '1:11: "tcq" cannot stand here; did you mean tcp?'],
    ['drop tcp, x', `1:11: "x" cannot stand here; expected ${PROTOCOLS}`],
    ['drop tcp udp', '1:10: "udp" cannot stand here; "tcp" stands in the rule already'],
    ['drop in tcp out', '1:13: "out" cannot stand here; "in" stands in the rule already'],
    ['drop tcp syn flags syn/all', '1:14: "flags" cannot stand here; "syn" stands in the rule already'],
    [
      'drop ip6 from 192.0.2.1',
      '1:10: "from" is about IPv4 here, and the rest of the rule about IPv6: no packet is both',
    ],
    [
      'drop from ::1 to 192.0.2.1',
      '1:15: "to" is about IPv4 here, and the rest of the rule about IPv6: no packet is both',
    ],
    ['drop icmp to ::1', '1:11: "to" is about IPv6 here, and the rest of the rule about IPv4: no packet is both'],
    ['drop type 8', '1:6: "type" cannot stand here; expected icmp or icmpv6 before it, and no other protocol'],
    [
      'drop icmp,icmpv6 type 8',
      '1:18: "type" cannot stand here; expected icmp or icmpv6 before it, and no other protocol',
    ],
    ['drop icmp type echo-requst', '1:16: "echo-requst" cannot stand here; did you mean echo-request?'],
    ['drop icmp code 3', '1:11: "code" cannot stand here; expected it behind type, as in: icmp type 3 code 4'],
    ['drop icmp type 8 code x', '1:23: "x" cannot stand here; expected a number from 0 to 255, or a range of them'],
    ['drop tcp flags syn', `1:16: "syn" cannot stand here; expected ${FLAGS}`],
    ['drop tcp flags syn/foo', `1:16: "syn/foo" cannot stand here; expected ${FLAGS}`],
    ['drop tcp flags syn/ack', '1:10: flags before the slash have to stand behind it, too'],
    ['drop udp syn', '1:10: "syn" needs the protocol tcp, and no other'],
    ['drop syn', '1:6: "syn" needs the protocol tcp, and no other'],
    ['drop tcp to port 22 fragment later', '1:13: "port" cannot stand here; a later fragment has no such thing'],
    ['drop icmp type 8 fragment later', '1:11: "type" cannot stand here; a later fragment has no such thing'],
    ['drop not tcp', '1:10: "tcp" cannot stand here; expected "fragment" behind "not"'],
    ['drop state foo', '1:12: "foo" cannot stand here; expected new, established, related, invalid'],
    ['drop on', `1:8: ${END} the name of an interface`],
    ['drop on abcdefghijklmnop', '1:9: "abcdefghijklmnop" cannot stand here; expected the name of an interface'],
    ['drop count 9x', `1:12: "9x" cannot stand here; expected the name of a counter: ${NAME}`],
    ['drop count', `1:11: ${END} the name of a counter: ${NAME}`],
    ['group 9 = { 22 }', `1:7: "9" cannot stand here; expected the name of the group: ${NAME}`],
    ['group a { 22 }', '1:9: "{" cannot stand here; expected ='],
    ['group a = 22', '1:11: "22" cannot stand here; expected {'],
    ['group a = { 192.0.2.1 22 }', '1:23: "22" cannot stand here; a group has addresses or ports, not both'],
    [
      'group a = { x }',
      '1:13: "x" cannot stand here; expected an address, a prefix such as 192.0.2.0/24, a port, a range of ports such as 8000-8080, or @GROUP',
    ],
    ['group a = { 22 } drop', '1:18: "drop" cannot stand here; expected the end of the line'],
    ['group a = { 22 }\ngroup a = { 23 }', '2:7: there is a group "a" already'],
    ['default', `1:8: ${END} accept, pass, drop, reject`],
    ['default drop tcp', '1:14: "tcp" cannot stand here; expected the end of the line'],
    ['default drop\ndefault pass', '2:1: there is a line "default" already'],
  ] as const) {
    test(JSON.stringify(text.slice(0, 60)), () => assert.equal(messageOf(text), `r:${message}`));
  }

  test('too many characters, rules, or addresses in lists', () => {
    assert.equal(messageOf('#'.repeat(MAX_TEXT + 1)), `r:1:1: the rules have more than ${MAX_TEXT} characters`);
    const last = MAX_RULES + 1;
    assert.equal(messageOf('drop\n'.repeat(last)), `r:${last}:1: there are more than ${MAX_RULES} rules`);
    // Each group has all of the ones before it, ten times: a few lines that ask for more than there is.
    const lines = ['group a0 = { 192.0.2.1 }'];
    for (let index = 1; index < 9; index++) lines.push(`group a${index} = { ${`@a${index - 1} `.repeat(10)}}`);
    assert.match(messageOf(lines.join('\n')), new RegExp(`^r:7:\\d+: the lists have more than ${MAX_ITEMS} addresses`));
  });
});

describe('a rule that cannot be kept is refused at its place', () => {
  const nowhere = { interfaceIndex: () => null, interfaces: 'lan0, wan0' };

  test('for an interface that is not known', () => {
    const file = parseRules('drop tcp\ndrop on lan0, eth9', 'r');
    const surroundings = { ...nowhere, interfaceIndex: (name: string) => (name === 'lan0' ? 3 : null) };
    assert.throws(
      () => new RuleFilter(file, surroundings),
      /^RuleError: r:2:15: the interface "eth9" is not known; expected lan0, wan0$/,
    );
  });

  test('for more interfaces than there may be', () => {
    const names = Array.from({ length: 65 }, (_, index) => `eth${index}`).join();
    const surroundings = { ...nowhere, interfaceIndex: () => 1 };
    assert.throws(
      () => new RuleFilter(parseRules(`drop on ${names}`, 'r'), surroundings),
      /r:1:\d+: the rules name more than 64 interfaces$/,
    );
  });

  test('for tables that would be larger than there is memory', () => {
    const random = new Random(3);
    const range = (): string => {
      const first = random.below(60_000);
      return `${first}-${first + random.below(5_000)}`;
    };
    const lines = Array.from({ length: 2_000 }, () => `drop udp from port ${range()} to port ${range()}`);
    const file = parseRules(lines.join('\n'), 'r');
    assert.throws(
      () => new RuleFilter(file, nowhere, 2 ** 16),
      /^Error: r: the rules overlap so much .* than 0\.25 MiB; /,
    );
    assert.ok(new RuleFilter(file, nowhere).octets > 2 ** 18);
  });
});

describe('whatever the text is, it is a rule file or has a place where it is not', () => {
  const SEED = 9;
  const TEXTS = 20_000;
  const SOUP =
    'drop pass accept reject group default tcp udp icmp icmpv6 proto from to any not port type code flags syn syn/all / , { } = @a @b fragment first later state new on lan0 to-interface in out ip ip6 count a 22 8000-8080 192.0.2.1 10.0.0.0/8 2001:db8::/32 :: 65536 -1 # \n \r\n \t \u0000 \ud800'.split(
      ' ',
    );

  function soup(random: Random): string {
    return Array.from({ length: random.below(30) }, () => random.pick(SOUP)).join(random.pick([' ', ' ', ' ', '']));
  }

  function file(random: Random): string {
    const rules = Array.from({ length: 1 + random.below(4) }, () =>
      ruleText(randomRule(random, { ways: true, states: true })),
    );
    return `group a = { 192.0.2.0/24 }\ngroup b = { 1-5 }\n${rules.join('\n')}`;
  }

  function mutated(random: Random, text: string): string {
    let result = text;
    for (let count = 1 + random.below(3); count > 0; count--) {
      const at = random.below(result.length + 1);
      const put = random.once(3) ? random.pick(SOUP) : random.once(2) ? String.fromCharCode(random.below(0x250)) : '';
      result = result.slice(0, at) + put + result.slice(at + random.below(4));
    }
    return result;
  }

  test(`${TEXTS} texts: words in any order, files with slips, characters`, () => {
    const random = new Random(SEED);
    let taken = 0;
    for (let count = 0; count < TEXTS; count++) {
      const text =
        count % 4 === 0
          ? soup(random)
          : count % 4 === 1
            ? Array.from({ length: random.below(60) }, () => String.fromCharCode(random.below(0x300))).join('')
            : mutated(random, file(random));
      try {
        parseRules(text, 'r');
        compile(text);
        taken += 1;
      } catch (error) {
        assert.ok(error instanceof RuleError, `${JSON.stringify(text)}: ${String(error)}`);
        assert.match(error.message, /^(?:r|rules\.txt):\d+:\d+: [\x20-\x7e]{1,400}$/, JSON.stringify(text));
        const line = text.split('\n')[error.line - 1];
        assert.ok(line !== undefined && error.column >= 1 && error.column <= line.length + 1, JSON.stringify(text));
      }
    }
    assert.ok(taken > TEXTS / 50 && taken < TEXTS / 2, `${taken} texts were rule files`);
  });

  test('a rule that is written down is read as it was meant, however its lists are written', () => {
    const random = new Random(SEED + 1);
    for (let count = 0; count < 2_000; count++) {
      const rule = randomRule(random, { ways: true, states: true });
      const meaning = described(ruleOf(ruleText(rule)));
      assert.equal(described(ruleOf(ruleText(rule, (items) => items.join(',')))), meaning);
      assert.equal(described(ruleOf(ruleText(rule, (items) => `{\n${items.join('\n')}\n}`))), meaning);
    }
  });
});
