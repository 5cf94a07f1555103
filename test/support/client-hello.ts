/**
 * ClientHello messages of TLS for tests, and the records that carry them.
 *
 * Rule: what a test does not say is as a browser sends it: GREASE values, a session id, keys, padding.
 *
 * @see RFC 8446 section 4.1.2, RFC 8701
 * @module
 */

/** An extension: its type and its octets. */
export type HelloExtension = readonly [type: number, content: Buffer];

/** What {@link clientHello} is told. */
export interface HelloOptions {
  /** @defaultValue no extension server_name */
  readonly name?: string | undefined;
  /** Before and behind the name. @defaultValue as a browser */
  readonly before?: readonly HelloExtension[];
  readonly after?: readonly HelloExtension[];
  /** Octets of the key share. @defaultValue 1,216, of X25519MLKEM768 */
  readonly keyOctets?: number;
  /** In the place of what follows the compression methods. */
  readonly extensions?: Buffer;
}

const GREASE = 0x5a5a;

/** Octets behind their length. */
export function counted(lengthOctets: 1 | 2 | 3, content: Uint8Array): Buffer {
  const length = Buffer.alloc(lengthOctets);
  length.writeUIntBE(content.length, 0, lengthOctets);
  return Buffer.concat([length, content]);
}

/** The extension with a name. */
export function serverName(name: string): HelloExtension {
  return [0, counted(2, Buffer.concat([Buffer.of(0), counted(2, Buffer.from(name, 'latin1'))]))];
}

/** The list of extensions with its length. */
export function extensionList(extensions: readonly HelloExtension[]): Buffer {
  return counted(
    2,
    Buffer.concat(
      extensions.map(([type, content]) => Buffer.concat([Buffer.of(type >> 8, type & 255), counted(2, content)])),
    ),
  );
}

/** A handshake message. */
export function clientHello(options: HelloOptions = {}): Buffer {
  const { name, keyOctets = 1216 } = options;
  const {
    before = [
      [GREASE, Buffer.alloc(0)],
      [23, Buffer.alloc(0)],
    ],
    after = [
      [43, Buffer.from('043a3a0304', 'hex')],
      [51, counted(2, Buffer.concat([Buffer.of(0x11, 0xec), counted(2, Buffer.alloc(keyOctets, 0x6b))]))],
      [0xfe0d, Buffer.alloc(190, 0xec)],
    ],
  } = options;
  const named = name === undefined ? [] : [serverName(name)];
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 0x72),
    counted(1, Buffer.alloc(32, 0x69)),
    counted(2, Buffer.from('5a5a130113021303c02bc02f', 'hex')),
    counted(1, Buffer.of(0)),
    options.extensions ?? extensionList([...before, ...named, ...after]),
  ]);
  return Buffer.concat([Buffer.of(1), counted(3, body)]);
}

/** A message in records: one, or cut at these places. */
export function records(message: Buffer, cuts: readonly number[] = []): Buffer {
  const places = [0, ...cuts, message.length];
  return Buffer.concat(
    places
      .slice(1)
      .map((end, index) => Buffer.concat([Buffer.of(22, 3, 1), counted(2, message.subarray(places[index], end))])),
  );
}
