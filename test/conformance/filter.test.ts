/**
 * Filters against libpcap: the same filters on the same packets, judged by libpcap's own compiler and interpreter.
 *
 * ```
 *   frame      DLT_EN10MB, every frame                                    equal, also on cut and bent frames
 *   raw        DLT_RAW, what follows octet 14 of every frame              equal
 *   ethernet   DLT_EN10MB, frames whose layers the filter names           equal
 *              frames with layers that it does not name                   the table of differences
 * ```
 * The judge is libpcap's plain program. Its optimizer drops reads whose result does not count, and with them the refusal of
 * a packet that is too short for them: where the two differ, a read has to lie outside of the packet.
 *
 * Rule: a filter that one side takes and the other refuses is in a list here, with the reason.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { FilterError } from '../../src/filter/filter-error.ts';
import type { LinkKind } from '../../src/filter/layers.ts';
import { SERVICES, type Service } from '../../src/filter/names.ts';
import { parseFilter } from '../../src/filter/parse.ts';
import { compileFilter, filterSource, type Predicate } from '../../src/filter/to-js.ts';
import { Random } from '../chaos/random.ts';
import { ethernet, ipv4, ipv6, tcp, udp } from '../support/packet-builder.ts';
import { grownExpression, wordSoup } from './filter-expressions.ts';
import { type Carrier, filterFrames, type Sample } from './filter-frames.ts';
import { type Answers, type Captured, DLT_EN10MB, DLT_RAW, Judge, takes } from './filter-judge.ts';
import { REFUSED_BY_BOTH } from './filter-refused.ts';
import { ETHERNET_EXPRESSIONS, LAYERED_EXPRESSIONS, PLAIN_EXPRESSIONS } from './filter-written.ts';

const SEED = 20_261_130;
const FRAMES = 100_000;
/** Grown filters are many, so they see fewer frames. */
const FRAMES_FOR_GROWN = 20_000;
const FRAMES_FOR_CARRIERS = 1500;
const GROWN = 300;
const SOUPS = 4000;
const ETHERNET = 14;
const NO_LINK = new Uint8Array(0);

/** libpcap looks at the first number of what stands to the right, even where that is only the index of an octet. */
const HASTY = /^(?:division by zero|modulus by zero|shift by more than 31 bits)$/;
/** libpcap computes in sixteen registers. */
const TOO_FEW_REGISTERS = 'too many registers needed to evaluate expression';

/** What libpcap takes and firehook refuses. */
const ONLY_LIBPCAP: readonly (readonly [filter: string, reason: string])[] = [
  ['geneve', 'looks into a tunnel, whose inner packet is none of what the hook gets'],
  ['geneve 11 and tcp', 'likewise'],
  ['inbound', 'the attach and the context of a hook know the direction'],
  ['outbound', 'likewise'],
  ['ifindex 2', 'the context of a hook knows the interface'],
  ['llc', 'frames without IP never reach a hook'],
  ['llc ui', 'likewise'],
  ['l1', 'likewise'],
  ['isis or csnp', 'likewise'],
  ['decnet host 10.1', 'likewise'],
  ['byte 0 & 1', 'libpcap computes with what happens to be in its register'],
  ['byte 0 | 1', 'likewise'],
  ['port gopher', 'few names of services are known, because /etc/services differs'],
  ['proto \\ggp', 'few names of protocols are known, because /etc/protocols differs'],
];

/** What firehook takes and libpcap refuses. */
const ONLY_FIREHOOK: readonly (readonly [filter: string, libpcap: RegExp | string])[] = [
  ['ip[2:2] / ip[0] > 1', HASTY],
  ['ip[2:2] % (0 + 5) = 1', HASTY],
  ['1 << ip[32] > 1', HASTY],
  [`${'ip[0] + ('.repeat(20)}1${')'.repeat(20)} = 1`, TOO_FEW_REGISTERS],
];

/** Filters on frames with layers that they do not name: libpcap looks at a fixed place, firehook at the datagram. */
const TAGGED = ethernet({ tags: [{ id: 5 }] }, ipv4({ source: '10.1.2.3' }, tcp({ destinationPort: 443 })));
const TWO_TAGS = ethernet({ tags: [{ id: 5 }, { id: 7 }] }, ipv6({}, udp({ destinationPort: 53 })));
const PLAIN = ethernet({}, ipv4({ source: '10.1.2.3' }, tcp({ destinationPort: 443 })));
const DIFFERENCES: readonly (readonly [
  filter: string,
  frame: Buffer,
  linkLength: number,
  libpcap: boolean,
  firehook: boolean,
])[] = [
  ['ip', TAGGED, 18, false, true],
  ['tcp dst port 443', TAGGED, 18, false, true],
  ['host 10.1.2.3', TAGGED, 18, false, true],
  ['not ip', TAGGED, 18, true, false],
  ['ip[12:4] = 0x0a010203', TAGGED, 18, false, true],
  ['udp port 53', TWO_TAGS, 22, false, true],
  ['vlan 5 and udp port 53', TWO_TAGS, 22, false, true],
  // The same in both: the layer is named.
  ['vlan 5 and tcp', TAGGED, 18, true, true],
  ['vlan 7', TAGGED, 18, false, false],
  ['vlan 5 and vlan 7 and udp', TWO_TAGS, 22, true, true],
  ['ether proto 0x8100', TAGGED, 18, true, true],
  ['ether[12:2] = 0x8100', TAGGED, 18, true, true],
  // libpcap looks for TCP four octets further on, although the frame has no tag.
  ['vlan or tcp', PLAIN, 14, false, true],
  ['not vlan and tcp', PLAIN, 14, false, true],
  ['tcp or vlan', PLAIN, 14, true, true],
];

/** What stands before the datagram, and how a filter names it. */
const CARRIED: Readonly<Partial<Record<Carrier, { readonly prefix: string; readonly linkLength: number }>>> = {
  tag: { prefix: 'vlan', linkLength: 18 },
  'two tags': { prefix: 'vlan and vlan', linkLength: 22 },
  mpls: { prefix: 'mpls', linkLength: 18 },
  'two labels': { prefix: 'mpls and mpls', linkLength: 22 },
  pppoe: { prefix: 'pppoes', linkLength: 22 },
  'tag pppoe': { prefix: 'vlan and pppoes', linkLength: 26 },
};

const frames = filterFrames(SEED, FRAMES);
const judge = new Judge();
const written = [...PLAIN_EXPRESSIONS, ...ETHERNET_EXPRESSIONS, ...LAYERED_EXPRESSIONS];

/** What is given to a predicate. */
interface Given {
  readonly packet: Uint8Array;
  readonly link: Uint8Array;
  /** Octets of `packet` that were on the wire. */
  readonly original: number;
}

function whole({ frame, original }: Sample): Given {
  return { packet: frame, link: NO_LINK, original };
}

/** The datagram alone; frames that end in their link header are left out. */
function datagramOf({ frame, original }: Sample, linkLength = ETHERNET): Given {
  return {
    packet: frame.subarray(linkLength),
    link: frame.subarray(0, linkLength),
    original: Math.max(frame.length, original) - linkLength,
  };
}

function grown(count: number, layers: boolean, seed: number): string[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => grownExpression(random, layers));
}

/** The predicate; null where the filter is refused. */
function compiled(filter: string, link: LinkKind): Predicate | null {
  try {
    return compileFilter(filter, { link });
  } catch (error) {
    assert.ok(error instanceof FilterError, filter);
    return null;
  }
}

/** Compares the answers of libpcap with the predicates; the number of evaluations and of packets that were taken. */
function compare(filters: readonly string[], link: LinkKind, answers: readonly Answers[], given: readonly Given[]) {
  const wrong: string[] = [];
  let evaluations = 0;
  let taken = 0;
  for (const [index, filter] of filters.entries()) {
    const { plain } = answers[index] as Answers;
    const predicate = compiled(filter, link);
    if (predicate === null || plain.error !== '') {
      const isSame = (predicate === null) === (plain.error !== '');
      if (!isSame && !HASTY.test(plain.error)) wrong.push(`${filter}: libpcap says ${JSON.stringify(plain.error)}`);
      continue;
    }
    for (const [at, { packet, link: header, original }] of given.entries()) {
      const mine = predicate(packet, packet.length, header, header.length, original);
      evaluations++;
      if (mine) taken++;
      if (mine === takes(plain, at)) continue;
      wrong.push(`${filter}: ${mine} on ${Buffer.from(packet).toString('hex')} of ${original} octets`);
      break;
    }
  }
  assert.deepEqual(wrong, []);
  return { evaluations, taken };
}

function captured({ packet, link, original }: Given): Captured {
  return { bytes: link.length === 0 ? packet : Buffer.concat([link, packet]), original: original + link.length };
}

/** True where a filter that names no layer means the same frame to libpcap and to firehook. */
function isPlain({ frame }: Sample): boolean {
  if (frame.length <= ETHERNET) return false;
  const type = Buffer.from(frame).readUInt16BE(12);
  return ![0x8100, 0x88a8, 0x9100, 0x8847, 0x8864].includes(type) && isVersionOfType(type, frame, ETHERNET);
}

/** The last type before the datagram, or the last label, says what the datagram is. */
function isWellFormed(frame: Uint8Array, linkLength: number, isLabelled: boolean): boolean {
  if (isLabelled) return ((frame[linkLength - 2] as number) & 1) === 1;
  return isVersionOfType(Buffer.from(frame).readUInt16BE(linkLength - 2), frame, linkLength);
}

/** The type and the datagram say the same of the IP version. */
function isVersionOfType(type: number, frame: Uint8Array, offset: number): boolean {
  const version = (frame[offset] as number) >>> 4;
  const ofType = type === 0x0800 || type === 0x0021 ? 4 : type === 0x86dd || type === 0x0057 ? 6 : 0;
  return version === ofType || (ofType === 0 && version !== 4 && version !== 6);
}

describe('a filter and libpcap', () => {
  after(() => judge.remove());

  test('take the same frames of Ethernet', (t) => {
    const given = frames.map(whole);
    const { evaluations, taken } = compare(
      written,
      'frame',
      judge.ask(DLT_EN10MB, written, given.map(captured)),
      given,
    );
    t.diagnostic(`${written.length} filters, ${FRAMES} frames, ${evaluations} evaluations, ${taken} taken`);
    assert.ok(written.length >= 300 && taken > evaluations / 100);
  });

  test('take the same datagrams without a link header', (t) => {
    const given = frames.map((sample) => ({ ...datagramOf(sample), link: NO_LINK }));
    const answers = judge.ask(DLT_RAW, written, given.map(captured));
    const { evaluations, taken } = compare(written, 'raw', answers, given);
    t.diagnostic(`${evaluations} evaluations, ${taken} taken`);
    assert.ok(taken > evaluations / 100);
  });

  for (const [link, linktype] of [
    ['frame', DLT_EN10MB],
    ['raw', DLT_RAW],
  ] as const) {
    test(`take the same packets for filters out of a grammar: ${link}`, (t) => {
      const filters = grown(GROWN, true, SEED + linktype);
      const given = frames
        .slice(0, FRAMES_FOR_GROWN)
        .map(link === 'frame' ? whole : (sample) => ({ ...datagramOf(sample), link: NO_LINK }));
      const { evaluations, taken } = compare(filters, link, judge.ask(linktype, filters, given.map(captured)), given);
      t.diagnostic(`${filters.length} filters, ${evaluations} evaluations, ${taken} taken`);
      assert.ok(taken > evaluations / 100);
    });
  }

  test('take the same frames when the datagram and its link header are apart', (t) => {
    const filters = [...PLAIN_EXPRESSIONS, ...ETHERNET_EXPRESSIONS, ...grown(GROWN, false, SEED)];
    const given = frames
      .filter(isPlain)
      .slice(0, FRAMES_FOR_GROWN)
      .map((sample) => datagramOf(sample));
    const answers = judge.ask(DLT_EN10MB, filters, given.map(captured));
    const { evaluations, taken } = compare(filters, 'ethernet', answers, given);
    t.diagnostic(`${filters.length} filters, ${given.length} frames, ${evaluations} evaluations, ${taken} taken`);
    assert.ok(given.length === FRAMES_FOR_GROWN && taken > evaluations / 100);
  });

  for (const [carrier, { prefix, linkLength }] of Object.entries(CARRIED)) {
    test(`take the same frames behind "${prefix}"`, (t) => {
      const filters = [...PLAIN_EXPRESSIONS, ...grown(GROWN, false, SEED)].map((filter) => `${prefix} and (${filter})`);
      const given = frames
        .filter(({ frame, carrier: its }) => its === carrier && frame.length > linkLength)
        .filter(({ frame }) => isWellFormed(frame, linkLength, prefix.includes('mpls')))
        .slice(0, FRAMES_FOR_CARRIERS)
        .map((sample) => datagramOf(sample, linkLength));
      const answers = judge.ask(DLT_EN10MB, filters, given.map(captured));
      const { evaluations, taken } = compare(filters, 'ethernet', answers, given);
      t.diagnostic(`${filters.length} filters, ${given.length} frames, ${evaluations} evaluations, ${taken} taken`);
      assert.ok(given.length === FRAMES_FOR_CARRIERS && taken > evaluations / 200);
    });
  }

  test('differ on frames with layers that the filter does not name, and only so', () => {
    const answers = judge.ask(
      DLT_EN10MB,
      DIFFERENCES.map(([filter]) => filter),
      DIFFERENCES.map(([, frame]) => ({ bytes: frame, original: frame.length })),
    );
    const shown = DIFFERENCES.map(([filter, frame, linkLength], index) => {
      const { packet, link, original } = datagramOf({ frame, original: frame.length, carrier: 'tag' }, linkLength);
      const mine = compileFilter(filter, { link: 'ethernet' })(packet, packet.length, link, link.length, original);
      return [filter, frame, linkLength, takes((answers[index] as Answers).plain, index), mine];
    });
    assert.deepEqual(shown, DIFFERENCES);
  });

  test('refuse the same texts', () => {
    const random = new Random(SEED);
    const soups = Array.from({ length: SOUPS }, () => wordSoup(random)).filter((text) => !isLookedUp(text));
    const filters = [...REFUSED_BY_BOTH, ...soups];
    for (const [link, linktype] of [
      ['frame', DLT_EN10MB],
      ['raw', DLT_RAW],
    ] as const) {
      const answers = judge.ask(linktype, filters, []);
      compare(filters, link, answers, []);
      for (const [index, filter] of REFUSED_BY_BOTH.entries())
        assert.notEqual((answers[index] as Answers).plain.error, '', filter);
    }
  });

  test('refuse different texts only for the reasons in the lists', () => {
    const filters = [...ONLY_LIBPCAP, ...ONLY_FIREHOOK].map(([filter]) => filter);
    const answers = judge.ask(DLT_EN10MB, filters, []);
    for (const [index, [filter]] of ONLY_LIBPCAP.entries()) {
      assert.equal((answers[index] as Answers).plain.error, '', filter);
      assert.equal(compiled(filter, 'frame'), null, filter);
    }
    for (const [index, [filter, reason]] of ONLY_FIREHOOK.entries()) {
      const { error } = (answers[ONLY_LIBPCAP.length + index] as Answers).plain;
      assert.ok(reason instanceof RegExp ? reason.test(error) : error === reason, `${filter}: ${error}`);
      assert.notEqual(compiled(filter, 'frame'), null, filter);
    }
  });

  test('know the same ports by name, where libpcap reads /etc/services', (t) => {
    const names = Array.from(SERVICES).filter(([name, service]) => isServiceHere(name, service));
    const filters = names.flatMap(([name]) => [
      `port ${name}`,
      ...(name.includes('-') ? [] : [`portrange ${name}-${name}`]),
    ]);
    const given = frames.slice(0, FRAMES_FOR_GROWN).map(whole);
    compare(filters, 'frame', judge.ask(DLT_EN10MB, filters, given.map(captured)), given);
    t.diagnostic(`${names.length} of ${SERVICES.size} are the same on this machine`);
    assert.ok(names.length > SERVICES.size / 2);
  });

  test('differ from the optimized program only where a packet is read outside of its octets', (t) => {
    // A sum that leaves 32 bits: the optimizer computes it without the wrap, and then refuses the packet.
    const wraps = ['tcp[0 - 20] = 0x45', 'tcp[-4:4] = 0'];
    const filters = [...written, ...grown(GROWN, true, SEED + 2)].filter(
      (filter) => !wraps.includes(filter) && !/\[.*-/.test(filter),
    );
    const given = frames.slice(0, FRAMES_FOR_GROWN).map(whole);
    const answers = judge.ask(DLT_EN10MB, filters, given.map(captured));
    const unexplained: string[] = [];
    const refusals = new Set<string>();
    let differences = 0;
    for (const [index, filter] of filters.entries()) {
      const { plain, optimized } = answers[index] as Answers;
      if (plain.error !== '') continue;
      if (optimized.error !== '') {
        refusals.add(optimized.error);
        continue;
      }
      let outside: ReturnType<typeof tellsOutside> | null = null;
      for (const [at, { packet, original }] of given.entries()) {
        if (takes(plain, at) === takes(optimized, at)) continue;
        differences++;
        outside ??= tellsOutside(filter);
        if (!outside(packet, packet.length, NO_LINK, 0, original)) unexplained.push(filter);
      }
    }
    t.diagnostic(`${differences} differences in ${filters.length} filters on ${given.length} frames`);
    assert.deepEqual(unexplained, []);
    // With its optimizer libpcap does not compile what can never hold.
    assert.deepEqual(Array.from(refusals), ['expression rejects all packets']);
  });
});

/** The machine's list says the same of a service. */
function isServiceHere(name: string, { port, protocols }: Service): boolean {
  const entries = Array.from(readFileSync('/etc/services', 'utf8').matchAll(/^(\S+)\s+(\d+)\/(tcp|udp)/gm));
  const here = entries.filter(([, its]) => its === name);
  const ports = new Set(here.map(([, , number]) => Number(number)));
  const of = (protocol: string): boolean => here.some(([, , , its]) => its === protocol);
  return (
    ports.size === 1 && ports.has(port) && of('tcp') === protocols.includes(6) && of('udp') === protocols.includes(17)
  );
}

/** libpcap would ask a name server. */
function isLookedUp(text: string): boolean {
  try {
    parseFilter(text);
    return false;
  } catch (error) {
    return error instanceof FilterError && error.problem.includes('not looked up');
  }
}

/** A predicate that says whether the filter reads outside of the packet: its guards answer yes, all else no. */
function tellsOutside(filter: string): Predicate {
  const body = filterSource(parseFilter(filter), { link: 'frame' })
    .replaceAll(/^(if \((?:length|t\d+) .*\)) return false;$/gm, '$1 return 2;')
    .replaceAll('return false; const n', 'return 2; const n');
  const answer = new Function('bytes', 'length', 'link', 'linkLength', 'originalLength', body) as (
    ...args: unknown[]
  ) => unknown;
  return (...args) => answer(...args) === 2;
}
