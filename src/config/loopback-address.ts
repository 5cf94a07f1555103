/**
 * The address that metrics are told at, or the page is shown at: of this machine alone, `127.0.0.1:9477` or `[::1]:9477`.
 *
 * Rule: an address of the loopback interface and nothing else. Nobody is asked there who he is, or a token is all that he is asked for, so nobody else may come there.
 *
 * @see RFC 1122, section 3.2.1.3 (g); RFC 4291, section 2.5.3
 * @module
 */

import { isIP } from 'node:net';

/** Where to listen. */
export interface LoopbackAddress {
  readonly host: string;
  /** 1-65535. */
  readonly port: number;
}

/** What is expected, for messages: the reason, and what to do instead. */
export const LOOPBACK_EXPECTED =
  'an address of this machine alone, 127.0.0.1:9477 or [::1]:9477, because whoever reaches it may read; put a proxy that asks who it is before it, or read GET /metrics of the control socket';

const FORM = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):([0-9]{1,5})$/;
const LOOPBACK_4 = /^127\./;
const LOOPBACK_6 = '::1';

/** The same for the page. */
export const WEB_EXPECTED =
  'an address of this machine alone, 127.0.0.1:9478 or [::1]:9478; from elsewhere, have ssh -L lead there';

/** Null for what is no such address. */
export function parseLoopback(text: string): LoopbackAddress | null {
  const [, six, four, digits] = FORM.exec(text) ?? [];
  const port = Number(digits);
  const host = six ?? four ?? '';
  if (isIP(host) !== (six === undefined ? 4 : 6) || port < 1 || port > 0xffff) return null;
  const isOwn = six === undefined ? LOOPBACK_4.test(host) : host === LOOPBACK_6;
  return isOwn ? { host, port } : null;
}
