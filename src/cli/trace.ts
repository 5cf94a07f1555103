/**
 * `firehook trace`: live packets, hook by hook, as they go through the lanes.
 *
 * ```
 *   POST /trace on the control socket ─> lines of JSON ─> lines for people, or of EVE
 * ```
 * Rule: it ends when it is ended (`-n`, Ctrl-C, a reader that leaves), and the lanes stop with it. What it could not show it counts.
 *
 * @module
 */

import { assertEnded, countOf, followTrace, missedOf } from './follow-trace.ts';
import { traceJson, traceText } from './show-trace.ts';

/** What the command line says. */
export interface TraceOptions {
  readonly socket: string;
  readonly count?: string;
  readonly hook?: string;
  readonly json?: boolean;
}

/**
 * Prints packets until it is ended.
 *
 * @param words - the filter, of pcap-filter(7); none for every packet
 * @throws {@link FirehookError} FIREHOOK_USAGE where the daemon refuses the request, FIREHOOK_CONTROL_UNREACHABLE where it does not answer, or ends
 */
export async function trace(words: readonly string[], options: TraceOptions): Promise<void> {
  const { socket, count, hook = null } = options;
  const wanted = { expression: words.join(' '), most: countOf(count), hook, octets: null };
  const end = await followTrace(socket, wanted, {
    // There is nobody left to tell.
    onStart: (follower) => void process.stdout.once('error', () => follower.leave()),
    onPacket: ({ lane, packet }) => {
      const context = { lane, placeOf: () => undefined, faults: [] };
      process.stdout.write(`${options.json === true ? traceJson(packet, context) : traceText(packet, context)}\n`);
    },
  });
  process.stderr.write(`firehook: ${end.told} packets${missedOf(end)}\n`);
  assertEnded(end, socket);
  process.exit();
}
