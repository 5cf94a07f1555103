/**
 * "A TCP or UDP packet with one of these ports": the options and the test that several stock hooks share.
 *
 * Not a hook (leading underscore). A port is looked up in a table of 65,536 bits: the cost of a packet does not depend
 * on the number of ports. Later fragments carry no ports, so they never match.
 *
 * @module
 */

import type { Packet, Reason, StandardSchema } from 'firehook';
import { type OptionValues, optionError, optionsOf, readChoice } from './_options.ts';

/** Options of `drop-port` and `reject-port`. */
export interface PortRuleOptions {
  /** Transport protocol the ports belong to. */
  readonly protocol: 'tcp' | 'udp';
  /** Ports 0-65535 and ranges such as `"6000-6063"`, both ends included. */
  readonly ports: number | string | readonly (number | string)[];
  /**
   * Which port of the packet is looked at.
   *
   * @defaultValue `'destination'`
   */
  readonly direction?: 'destination' | 'source' | 'either';
}

/** Protocol numbers by their name in the options. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17 } as const;

const EXPECTED_PORTS = 'ports from 0 to 65535 and ranges such as "6000-6063"';

/** Ports and ranges that have a reason of their own; those behind them share the last one. */
const MOST_REASONS = 64;

/** A set of ports of one protocol, and the side of the packet it applies to. */
export class PortRule {
  readonly #protocol: number;
  readonly #bits = new Uint32Array(65_536 / 32);
  readonly #atSource: boolean;
  readonly #atDestination: boolean;
  /** First and last port of each entry, in their order. */
  readonly #ranges: number[] = [];
  readonly #name: 'tcp' | 'udp';

  /**
   * @param options - `protocol`, `ports` and `direction` as the config has them
   * @throws Error when one of them is missing or not valid
   */
  constructor(options: OptionValues<keyof PortRuleOptions>) {
    this.#name = readChoice('protocol', options.protocol, ['tcp', 'udp']);
    this.#protocol = PROTOCOL_NUMBERS[this.#name];
    const direction = readChoice('direction', options.direction, ['destination', 'source', 'either'], 'destination');
    this.#atSource = direction !== 'destination';
    this.#atDestination = direction !== 'source';
    const items: readonly unknown[] = Array.isArray(options.ports) ? options.ports : [options.ports];
    if (items.length === 0) throw optionError('ports', options.ports, EXPECTED_PORTS);
    for (const item of items) this.#add(item);
  }

  /** True when the packet has a port of the set on the side asked for. Never throws, never allocates. */
  matches(packet: Packet): boolean {
    if (packet.protocol !== this.#protocol) return false;
    return (
      (this.#atDestination && this.#has(packet.destinationPort)) || (this.#atSource && this.#has(packet.sourcePort))
    );
  }

  /** A reason for each entry of `ports`: `tcp port 23`. @param declare - of the runtime */
  reasons(declare: (text: string) => Reason): Reason[] {
    const texts: string[] = [];
    for (let at = 0; at < this.#ranges.length; at += 2) {
      const [first, last] = this.#ranges.slice(at, at + 2);
      const text = `${this.#name} port ${first === last ? first : `${first}-${last}`}`;
      texts.push(text);
    }
    if (texts.length > MOST_REASONS) texts.splice(MOST_REASONS - 1, texts.length, `another ${this.#name} port`);
    return texts.map(declare);
  }

  /**
   * Which of the {@link PortRule.reasons} is that of a packet which matches: that of the first entry which has its port. Never allocates.
   *
   * @param most - how many reasons there are
   */
  reasonOf(packet: Packet, most: number): number {
    const isDestination = this.#atDestination && this.#has(packet.destinationPort);
    const port = isDestination ? packet.destinationPort : packet.sourcePort;
    const ranges = this.#ranges;
    for (let at = 0; at < ranges.length && at < 2 * most; at += 2)
      if (port >= (ranges[at] as number) && port <= (ranges[at + 1] as number)) return at >> 1;
    return most - 1;
  }

  #has(port: number): boolean {
    return port >= 0 && (((this.#bits[port >>> 5] ?? 0) >>> (port & 31)) & 1) === 1;
  }

  #isKnown(first: number, last: number): boolean {
    return this.#ranges.some((port, at) => at % 2 === 0 && port === first && this.#ranges[at + 1] === last);
  }

  #add(item: unknown): void {
    const range = typeof item === 'number' || typeof item === 'string' ? /^(\d+)(?:-(\d+))?$/.exec(`${item}`) : null;
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? range?.[1]);
    if (!(first <= last && last <= 65_535)) throw optionError('ports', item, EXPECTED_PORTS);
    if (this.#isKnown(first, last)) return;
    this.#ranges.push(first, last);
    for (let port = first; port <= last; port++) {
      this.#bits[port >>> 5] = (this.#bits[port >>> 5] ?? 0) | (1 << (port & 31));
    }
  }
}

/** The options of a hook that has a rule and nothing else. */
export const portRule: StandardSchema<PortRule> = optionsOf(
  ['protocol', 'ports', 'direction'],
  (values) => new PortRule(values),
);
