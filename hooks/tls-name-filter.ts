/**
 * Stock hook `tls-name-filter`: lets TLS connections pass by the server name that the client asks for, or cuts them.
 *
 * ```
 *   octets of the client ─> ClientHello, whole? ─ no ─> what came goes on, but never the last part of it (a gate)
 *                             └ yes ─> name ─ on the list? ─> goes on, or both ends are reset
 * ```
 * Rule: what cannot be judged does not pass: a malformed hello, one beyond 32 KiB, segments that contradict each other. What no name is in passes
 * or not as the options say. **QUIC (HTTP/3) is not supported**: block UDP port 443 beside this hook. A name inside an encrypted hello (ECH) is
 * not seen; the outer one is.
 *
 * @see RFC 6066 section 3 (server_name), RFC 8446 (TLS 1.3), RFC 9849 (ECH)
 * @module
 */

import type { Stream, StreamPolicy } from 'firehook';
import { ACCEPT, DROP, defineHook, MORE, RESET } from 'firehook';
import { ClientHello } from './_client-hello.ts';
import { optionError, optionsOf, readChoice, readText, wrongOption } from './_options.ts';
import { NameList, readNameFile, readNames } from './_server-names.ts';

/** Options of `tls-name-filter`. One of `names` and `file`, or both. */
export interface TlsNameFilterOptions {
  /** Server names: `www.example.org` is that name, `*.example.org` each name within that domain. */
  readonly names?: readonly string[];
  /** Path of a file of them, relative to the config file: one a line, `#` starts a comment. */
  readonly file?: string;
  /**
   * What the list is: names that are cut, or the only ones that pass.
   *
   * @defaultValue `'block'`
   */
  readonly mode?: 'block' | 'allow';
  /**
   * How a connection is cut: both ends are reset, or its packets are dropped.
   *
   * @defaultValue `'reset'`
   */
  readonly action?: 'reset' | 'drop';
  /**
   * Ports of the servers.
   *
   * @defaultValue `[443]`
   */
  readonly ports?: readonly number[];
  /**
   * A hello without a name.
   *
   * @defaultValue `'pass'`, with `mode: allow` `'cut'`
   */
  readonly withoutName?: 'pass' | 'cut';
  /**
   * Something else than TLS.
   *
   * @defaultValue `'pass'`, with `mode: allow` `'cut'`
   */
  readonly notTls?: 'pass' | 'cut';
  /**
   * A connection whose start was not seen: it is older than the daemon, or was forgotten.
   *
   * @defaultValue `'pass'`
   */
  readonly unseen?: 'pass' | 'cut';
}

const TLS_PORT = 443;
const MAX_PORT = 65_535;
const MOST_PORTS = 1024;
/** Twice a record; a hello with keys for the time after quantum computers has 2 KiB. */
const MOST = 32_768;
const PASS_OR_CUT = ['pass', 'cut'] as const;
const KEYS = ['names', 'file', 'mode', 'action', 'ports', 'withoutName', 'notTls', 'unseen'] as const;

export default defineHook({
  name: 'tls-name-filter',
  checkable: true,
  options: optionsOf(KEYS, (given) => {
    const { names, file } = given;
    if (names === undefined && file === undefined) throw wrongOption('names', 'is missing; expected names or file');
    const list = new NameList();
    if (names !== undefined) readNames(names, list);
    const mode = readChoice('mode', given.mode, ['block', 'allow'], 'block');
    const otherwise = mode === 'block' ? 'pass' : 'cut';
    return {
      list,
      mode,
      file: file === undefined ? null : readText('file', file),
      action: readChoice('action', given.action, ['reset', 'drop'], 'reset'),
      ports: readPorts(given.ports ?? [TLS_PORT]),
      withoutName: readChoice('withoutName', given.withoutName, PASS_OR_CUT, otherwise),
      notTls: readChoice('notTls', given.notTls, PASS_OR_CUT, otherwise),
      unseen: readChoice('unseen', given.unseen, PASS_OR_CUT, 'pass'),
    };
  }),
  needs: ({ file }) => ({ files: file === null ? [] : [file] }),
  stream: ({ ports, action, unseen }) => {
    const onUnseen: StreamPolicy = unseen === 'pass' ? 'forward' : action;
    return { ports, most: MOST, gate: true, onFull: action, onUnread: action, onUnseen };
  },
  setup({ list, mode, file, action, withoutName, notTls }, { log, resolvePath }) {
    if (file !== null) readNameFile(file, resolvePath(file), list);
    log(list.size === 0 ? 'warn' : 'info', `${list.size} server names are listed.`);
    const hello = new ClientHello();
    const cut = action === 'reset' ? RESET : DROP;
    const verdictOf = (choice: 'pass' | 'cut') => (choice === 'pass' ? ACCEPT : cut);
    const refuse = (stream: Stream, what: string) => {
      const { source, destination, destinationPort } = stream.flow.ends();
      log('info', `${what} is cut: ${source} to ${destination}, port ${destinationPort}.`);
      return cut;
    };
    return {
      onStream(stream) {
        const kind = hello.read(stream);
        switch (kind) {
          case 'more':
            return MORE;
          case 'named':
            return list.has(hello.name) === (mode === 'allow') ? ACCEPT : refuse(stream, hello.name);
          case 'unnamed':
            return verdictOf(withoutName);
          case 'other':
            return verdictOf(notTls);
          case 'malformed':
            return refuse(stream, 'a malformed ClientHello');
        }
      },
    };
  },
});

function readPorts(ports: unknown): readonly number[] {
  const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) >= 1 && Number(port) <= MAX_PORT;
  if (Array.isArray(ports) && ports.length > 0 && ports.length <= MOST_PORTS && ports.every(isPort))
    return ports as readonly number[];
  throw optionError('ports', ports, `a list of ports, 1 to ${MAX_PORT}`);
}
