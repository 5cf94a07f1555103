/**
 * Servers that a hook may speak to, as the configuration and the hook write them: `tcp://192.0.2.7:443`, `udp://[2001:db8::53]:53`.
 *
 * Rule: addresses and no names. What the kernel lets through is written into its tables before the hook runs, and a name could be
 * another address by then.
 *
 * @module
 */

import { isIP } from 'node:net';
import { parseAddress } from '../wire/address.ts';

/** One server. */
export interface Server {
  readonly protocol: 'tcp' | 'udp';
  /** 4 or 16 octets. */
  readonly address: Uint8Array;
  /** 1-65535. */
  readonly port: number;
}

/** What is expected, for messages. */
export const SERVER_EXAMPLE = 'tcp://192.0.2.7:443 or udp://[2001:db8::53]:53';

const FORM = /^(tcp|udp):\/\/(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/;

/** Null for what is no such address. */
export function parseServer(text: string): Server | null {
  const [, protocol, six, four, digits] = FORM.exec(text) ?? [];
  const port = Number(digits);
  const host = six ?? four ?? '';
  if ((protocol !== 'tcp' && protocol !== 'udp') || isIP(host) !== (six === undefined ? 4 : 6)) return null;
  const address = parseAddress(host);
  return address === null || port < 1 || port > 0xffff ? null : { protocol, address, port };
}

/** True for the same server, however it is written. */
export function isSameServer(a: Server, b: Server): boolean {
  return a.protocol === b.protocol && a.port === b.port && Buffer.compare(a.address, b.address) === 0;
}
