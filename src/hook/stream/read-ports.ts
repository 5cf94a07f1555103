/**
 * Which connections a hook reads, and which of their directions, by the ports that its settings name.
 *
 * ```
 *   began with a SYN        the end that sent it is the client; its other end has to be a port of the list
 *   picked up in its middle the end whose port is on the list is the server
 * ```
 * Rule: it is asked once a flow, with the packet as the hooks before have left it.
 *
 * @module
 */

import { readU16 } from '../../wire/bytes.ts';
import type { IpLayout } from '../../wire/ip-layout.ts';
import { PROTOCOL_TCP } from '../../wire/ipv4.ts';

/** The connection is not read. */
export const NOT_READ = -1;
const PORTS = 65_536;

/** The ports of the servers. */
export class ReadPorts {
  readonly #isPort = new Uint8Array(PORTS);
  readonly #isOfClient: boolean;

  constructor(ports: readonly number[], from: 'client' | 'server') {
    for (const port of ports) this.#isPort[port] = 1;
    this.#isOfClient = from === 'client';
  }

  /**
   * The direction that is read: 0 as the first packet of the flow went, 1 back.
   *
   * @param direction - of the packet
   * @param isOpened - the flow began with a SYN
   * @returns {@link NOT_READ} for a connection that is not read, and for what is no TCP
   */
  directionOf(bytes: Uint8Array, layout: IpLayout, direction: number, isOpened: boolean): number {
    if (layout.protocol !== PROTOCOL_TCP || !layout.hasPorts) return NOT_READ;
    const toServer = this.#has(bytes, layout.transportOffset + 2);
    const toClient = this.#has(bytes, layout.transportOffset);
    const isServed = isOpened ? (direction === 0 ? toServer : toClient) : toServer || toClient;
    if (!isServed) return NOT_READ;
    const client = isOpened ? 0 : toServer ? direction : 1 - direction;
    return this.#isOfClient ? client : 1 - client;
  }

  /** True for a segment that would be of a direction that is read, whatever flow it is of. */
  isOfReader(bytes: Uint8Array, layout: IpLayout): boolean {
    if (layout.protocol !== PROTOCOL_TCP || !layout.hasPorts) return false;
    return this.#has(bytes, layout.transportOffset + (this.#isOfClient ? 2 : 0));
  }

  #has(bytes: Uint8Array, at: number): boolean {
    return this.#isPort[readU16(bytes, at)] === 1;
  }
}
