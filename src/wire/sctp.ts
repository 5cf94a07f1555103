/**
 * The checksum of SCTP, CRC32c, which is no Internet checksum and covers no pseudo header.
 *
 *  octet  0             2                  4                  8        12
 *         | source port | destination port | verification tag | CRC32c | chunks ...
 *
 * Floor 0. Works in place and never allocates after the module was loaded.
 *
 * @see RFC 9260 section 6.8 and appendix A
 * @module
 */

/** Length of the common header, in octets. */
export const HEADER_LENGTH = 12;
/** Octet of the checksum within the header. */
export const CHECKSUM_OFFSET = 8;

/** The polynomial 0x1edc6f41, bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** What one octet does to the register. */
const TABLE = Uint32Array.from({ length: 256 }, (_, octet) => {
  let register = octet;
  for (let bit = 0; bit < 8; bit++) register = (register & 1) === 0 ? register >>> 1 : (register >>> 1) ^ POLYNOMIAL;
  return register;
});

/** Computes the checksum of the `length` octets of header and chunks and writes it. Cost: O(length). */
export function fillChecksum(bytes: Uint8Array, offset: number, length: number): void {
  const field = offset + CHECKSUM_OFFSET;
  bytes.fill(0, field, field + 4);
  const checksum = crc32c(bytes, offset, length);
  // The register's least significant octet goes first.
  for (let i = 0; i < 4; i++) bytes[field + i] = (checksum >>> (8 * i)) & 0xff;
}

/** CRC32c of `length` octets, 0-0xffffffff. */
export function crc32c(bytes: Uint8Array, offset: number, length: number): number {
  let register = 0xffffffff;
  for (let at = offset; at < offset + length; at++) {
    register = (TABLE[(register ^ (bytes[at] as number)) & 0xff] as number) ^ (register >>> 8);
  }
  return ~register >>> 0;
}
