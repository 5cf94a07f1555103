/**
 * Stock hook `dns-filter`: answers DNS queries for the names of a list in the server's place, or drops them.
 *
 * ```
 *   query ─> UDP, one question ─> the name, or a domain that it is in, is listed? ─ yes ─> answer from here (REPLY)
 *         └> TCP: the same for each query of a segment; a listed one, or one that is cut in two, is reset
 * ```
 * Rule: what cannot be judged does not pass: a query in fragments, without exactly one question, with a compressed name, or cut across two
 * segments. Clients send none of these. **Queries in TLS and HTTPS (DoT, DoH, DoQ) are not seen**; nor are answers.
 *
 * @see RFC 1035 (messages), RFC 7766 (TCP), RFC 4343 (case does not matter), RFC 9619 (one question)
 * @module
 */

import type { Packet, Payload } from 'firehook';
import { DROP, defineHook, FORWARD, RESET } from 'firehook';
import { readOptionFile } from './_option-file.ts';
import { optionError, optionsOf, readChoice, readText, wrongOption } from './_options.ts';

/** Options of `dns-filter`. One of `names` and `file`, or both. */
export interface DnsFilterOptions {
  /** Domains; each stands for the names within it, too. */
  readonly names?: readonly string[];
  /** Path of a file of them, relative to the config file: one a line, `#` starts a comment. */
  readonly file?: string;
  /**
   * What a query for a listed name gets over UDP.
   *
   * @defaultValue `'nxdomain'`
   */
  readonly answer?: 'nxdomain' | 'refused' | 'drop';
}

const DNS_PORT = 53;
const HEADER = 12;
const FLAGS_OFFSET = 2;
const QUESTIONS_OFFSET = 4;
/** Type and class behind a name. */
const QUESTION_REST = 4;
const LONGEST_NAME = 255;
const LONGEST_LABEL = 63;
/** Length in front of a message over TCP. */
const TCP_LENGTH = 2;
const FLAG_RESPONSE = 0x8000;
/** Operation code and "recursion desired": an answer says them again. */
const KEPT_FLAGS = 0x7900;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const CODES = { nxdomain: 3, refused: 5 } as const;

/** What a message is to the filter. */
const OTHER = 0;
const LISTED = 1;
const ODD = 2;

export default defineHook({
  name: 'dns-filter',
  checkable: true,
  options: optionsOf(['names', 'file', 'answer'], ({ names, file, answer }) => {
    if (names === undefined && file === undefined) throw wrongOption('names', 'is missing; expected names or file');
    return {
      names: names === undefined ? [] : readNames(names),
      file: file === undefined ? null : readText('file', file),
      answer: readChoice('answer', answer, ['nxdomain', 'refused', 'drop'], 'nxdomain'),
    };
  }),
  needs: ({ file }) => ({ files: file === null ? [] : [file] }),
  setup({ names, file, answer }, { log, resolvePath }) {
    const listed = new Set(names);
    if (file !== null) for (const name of readList(file, resolvePath(file))) listed.add(name);
    log(listed.size === 0 ? 'warn' : 'info', `${listed.size} domains are listed.`);
    const code = answer === 'drop' ? null : CODES[answer];
    return {
      onPacket(packet) {
        if (packet.destinationPort !== DNS_PORT) return FORWARD;
        const { payload, udp, tcp } = packet;
        // A first fragment has the ports; without it the others are nothing.
        if (packet.isFragment) return DROP;
        if (tcp !== null) return payload.length === 0 || isHarmlessSegment(payload, listed) ? FORWARD : RESET;
        if (udp === null) return FORWARD;
        const found = judge(payload, 0, payload.length, listed);
        if (found === OTHER) return FORWARD;
        return found === LISTED && code !== null ? answerTo(packet, code) : DROP;
      },
    };
  },
});

/** True where a segment holds whole queries and none of them is for a listed name. */
function isHarmlessSegment(payload: Payload, listed: ReadonlySet<string>): boolean {
  let at = 0;
  while (at < payload.length) {
    const length = payload.u16(at);
    const start = at + TCP_LENGTH;
    if (length < HEADER || start + length > payload.length) return false;
    if (judge(payload, start, start + length, listed) !== OTHER) return false;
    at = start + length;
  }
  return true;
}

/** What the message from octet `start` to `end` asks for. Makes a text of the name. */
function judge(payload: Payload, start: number, end: number, listed: ReadonlySet<string>): number {
  if (end - start < HEADER) return ODD;
  // An answer that goes to a server asks for nothing.
  if ((payload.u16(start + FLAGS_OFFSET) & FLAG_RESPONSE) !== 0) return OTHER;
  if (payload.u16(start + QUESTIONS_OFFSET) !== 1) return ODD;
  const first = start + HEADER;
  const last = endOfName(payload, first, end);
  if (last < 0 || last + QUESTION_REST > end) return ODD;
  const name = payload.text(first, last).toLowerCase();
  for (let at = 0; at < name.length; at += name.charCodeAt(at) + 1) if (listed.has(name.slice(at))) return LISTED;
  return OTHER;
}

/** Octet behind the name that starts at `at`; -1 where it is none, or is compressed. */
function endOfName(payload: Payload, at: number, end: number): number {
  let place = at;
  for (;;) {
    const length = payload.u8(place);
    if (length < 0 || length > LONGEST_LABEL || place + length >= end || place - at >= LONGEST_NAME) return -1;
    place += length + 1;
    if (length === 0) return place;
  }
}

/** The answer that there is no such name, or that it is refused: the question, and nothing else. */
function answerTo(packet: Packet, code: number) {
  const { payload } = packet;
  const end = endOfName(payload, HEADER, payload.length) + QUESTION_REST;
  const answer = Buffer.from(payload.toBytes(0, end));
  const flags = (payload.u16(FLAGS_OFFSET) & KEPT_FLAGS) | FLAG_RESPONSE | FLAG_RECURSION_AVAILABLE | code;
  answer.writeUInt16BE(flags, FLAGS_OFFSET);
  answer.fill(0, QUESTIONS_OFFSET + 2, HEADER);
  return packet.replyUdp(answer);
}

function readNames(names: unknown): string[] {
  if (!Array.isArray(names)) throw optionError('names', names, 'a list of domains');
  return names.map((name: unknown) => {
    const wire = typeof name === 'string' ? wireOf(name) : null;
    if (wire === null) throw optionError('names', name, 'a domain such as example.org, in letters of DNS');
    return wire;
  });
}

/** A domain as it stands in a query, in small letters; null where it is none. The root is none: it would be every name. */
function wireOf(name: string): string | null {
  const labels = name.replace(/\.$/, '').toLowerCase().split('.');
  const isSound = labels.every((label) => label.length <= LONGEST_LABEL && /^[a-z0-9_-]+$/.test(label));
  const wire = `${labels.map((label) => String.fromCharCode(label.length) + label).join('')}\0`;
  return isSound && wire.length <= LONGEST_NAME ? wire : null;
}

function readList(file: string, path: string): string[] {
  const names: string[] = [];
  for (const [index, line] of readOptionFile(file, path).split('\n').entries()) {
    const entry = line.replace(/#.*/, '').trim();
    if (entry === '') continue;
    const wire = wireOf(entry);
    if (wire === null) throw new Error(`${file}:${index + 1}: ${JSON.stringify(entry)} is not a domain`);
    names.push(wire);
  }
  return names;
}
