/**
 * `firehook explain`: what became of the packets of a capture, hook by hook, without root and without a network.
 *
 * ```
 *   IN.pcap ─> replay, as it is ─> packet tracer in the lane ─> lines for people, or a line of JSON a packet
 * ```
 * Rule: it is a replay that tells of each packet in the place of the report at its end. All packets go through the hooks, also where one is
 * asked for: what a hook does with it may follow from those before.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { placeOfVerdict } from '../hook/load-hook.ts';
import type { Lane } from '../lane/lane.ts';
import type { LoadedChain } from '../lane/load-chain.ts';
import type { HookSource } from '../lane/messages.ts';
import { PacketTracer, type TracedPacket } from '../lane/packet-tracer.ts';
import { type Explainer, type ReplayOptions, replay } from './replay.ts';
import { traceJson, traceText } from './show-trace.ts';

/** What the command line says. */
export interface ExplainOptions extends Omit<ReplayOptions, 'write' | 'events'> {
  /** The number of a packet, from 1. */
  readonly packet?: string;
}

/**
 * Explains a capture.
 *
 * @throws {@link FirehookError} FIREHOOK_USAGE for a number that is none and for a packet that is not there, and as {@link replay} does
 */
export async function explain(input: string, options: ExplainOptions): Promise<void> {
  await replay(input, options, new PrintingExplainer(wantedOf(options.packet), options.json === true));
}

function wantedOf(packet: string | undefined): number | null {
  if (packet === undefined) return null;
  if (!/^[1-9]\d{0,14}$/.test(packet))
    throw new FirehookError('FIREHOOK_USAGE', `--packet: ${packet} is no number of a packet; the first is 1`);
  return Number(packet);
}

/** Prints each packet as soon as it is through. */
class PrintingExplainer implements Explainer {
  readonly #wanted: number | null;
  readonly #isJson: boolean;
  /** What hooks print is not to come between: the replay turns the stream's own away. */
  readonly #write = process.stdout.write.bind(process.stdout);
  #faults: { readonly hook: string; readonly text: string }[] = [];
  #told = 0;

  constructor(wanted: number | null, isJson: boolean) {
    this.#wanted = wanted;
    this.#isJson = isJson;
  }

  attach(lane: Lane, loaded: LoadedChain, sources: readonly HookSource[], linktypeOf: (port: number) => number): void {
    const { chain, reasons } = loaded;
    const places = new Map<string, string>();
    for (const [index, hook] of chain.hooks.entries()) {
      const source = sources[chain.owners[index] ?? -1];
      const place = source === undefined ? undefined : placeOfVerdict(hook, source.bundle, null);
      if (place !== undefined) places.set(hook.name, place);
    }
    const wanted = this.#wanted;
    const tracer = new PacketTracer({
      chain,
      reasons,
      ledger: lane.ledger,
      linktypeOf,
      wants: ({ number }) => {
        this.#faults = [];
        return wanted === null || number === wanted;
      },
      onPacket: (packet) => this.#print(packet, (hook) => places.get(hook)),
    });
    lane.trace(tracer);
  }

  onFault(hook: string, text: string): void {
    this.#faults.push({ hook, text });
  }

  async end(packets: number): Promise<void> {
    if (this.#wanted !== null && this.#told === 0) {
      const there = packets === 1 ? 'is 1 packet' : `are ${packets} packets`;
      throw new FirehookError('FIREHOOK_USAGE', `--packet: there is no packet ${this.#wanted}; there ${there}`);
    }
    await new Promise<void>((resolve) => this.#write('', () => resolve()));
  }

  #print(packet: TracedPacket, placeOf: (hook: string) => string | undefined): void {
    this.#told += 1;
    const context = { lane: 0, placeOf, faults: this.#faults };
    this.#write(`${this.#isJson ? traceJson(packet, context) : traceText(packet, context)}\n`);
  }
}
