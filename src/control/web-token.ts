/**
 * The token that the page asks its user for: without it nothing of the daemon is told.
 *
 * ```
 *   start ─> 32 octets by chance, or the first line of a file that its owner alone may read
 *   http://127.0.0.1:9478/#token=...     the part behind # never leaves the browser: it comes back as Authorization: Bearer ...
 * ```
 * Rule: it is compared in a time that says nothing about it, and it is in no cookie: a browser would send a cookie to every port of this machine.
 *
 * @see RFC 6750, section 2.1; RFC 3986, section 3.5 (fragment); RFC 6265, section 8.5 (cookies know no ports)
 * @module
 */

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { FirehookError } from '../errors.ts';

const OCTETS = 32;
const MOST_FILE = 4096;
const FORM = /^[A-Za-z0-9_-]{22,256}$/;
const EXPECTED = 'expected 22 to 256 letters, digits, - and _ in its first line';

/** A token. */
export class WebToken {
  readonly #text: string;
  readonly #hash: Buffer;

  private constructor(text: string) {
    this.#text = text;
    this.#hash = hashOf(text);
  }

  /** Another one at each start. */
  static random(): WebToken {
    return new WebToken(randomBytes(OCTETS).toString('base64url'));
  }

  /**
   * That of a file.
   *
   * @throws {@link FirehookError} FIREHOOK_WEB_TOKEN where others may read it, or it holds none
   */
  static fromFile(file: string): WebToken {
    return new WebToken(readToken(file));
  }

  /** What stands in the address that is printed at the start. */
  get fragment(): string {
    return `#token=${this.#text}`;
  }

  /** Whether an Authorization header has it. */
  isIn(header: string | undefined): boolean {
    const [, given = ''] = /^Bearer ([A-Za-z0-9_-]{1,256})$/i.exec(header ?? '') ?? [];
    return timingSafeEqual(hashOf(given), this.#hash);
  }
}

/** Of one length, whatever the length of the text. */
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function readToken(file: string): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw new FirehookError('FIREHOOK_WEB_TOKEN', `${file}: ${why}`, { cause });
  };
  let descriptor: number;
  try {
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return refuse((error as Error).message, error);
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) return refuse('is no plain file');
    if ((status.mode & 0o077) !== 0) return refuse('others may read or write it: chmod 600');
    const room = Buffer.alloc(MOST_FILE);
    const [first = ''] = room.toString('latin1', 0, readSync(descriptor, room)).split('\n');
    const token = first.trim();
    return FORM.test(token) ? token : refuse(EXPECTED);
  } finally {
    closeSync(descriptor);
  }
}
