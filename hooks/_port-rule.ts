/**
 * "A TCP or UDP packet with one of these ports": the options and the test that several stock hooks share.
 *
 * Not a hook (leading underscore). A port is looked up in a table of 65,536 bits: the cost of a packet does not depend
 * on the number of ports. Later fragments carry no ports, so they never match.
 *
 * @module
 */

import type { Packet, StandardSchema } from 'firehook';
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

/** A set of ports of one protocol, and the side of the packet it applies to. */
export class PortRule {
  readonly #protocol: number;
  readonly #bits = new Uint32Array(65_536 / 32);
  readonly #atSource: boolean;
  readonly #atDestination: boolean;

  /**
   * @param options - `protocol`, `ports` and `direction` as the config has them
   * @throws Error when one of them is missing or not valid
   */
  constructor(options: OptionValues<keyof PortRuleOptions>) {
    this.#protocol = PROTOCOL_NUMBERS[readChoice('protocol', options.protocol, ['tcp', 'udp'])];
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

  #has(port: number): boolean {
    return port >= 0 && (((this.#bits[port >>> 5] ?? 0) >>> (port & 31)) & 1) === 1;
  }

  #add(item: unknown): void {
    const range = typeof item === 'number' || typeof item === 'string' ? /^(\d+)(?:-(\d+))?$/.exec(`${item}`) : null;
    const first = Number(range?.[1]);
    const last = Number(range?.[2] ?? range?.[1]);
    if (!(first <= last && last <= 65_535)) throw optionError('ports', item, EXPECTED_PORTS);
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
