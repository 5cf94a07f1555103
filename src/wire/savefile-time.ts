/**
 * Timestamps of capture files: counts of units into seconds and nanoseconds, and back.
 *
 * pcapng counts 10^-n or 2^-n seconds in 64 bits (option `if_tsresol`) and may shift them by whole seconds
 * (`if_tsoffset`). Rule: exact, or rounded down to the nanosecond; 64 bits never pass through a rounded number.
 * The usual resolutions (10^0 to 10^-9, 2^0 to 2^-23) take plain numbers; the rest takes bigints, which allocate.
 *
 * Floor 0. Source: draft-ietf-opsawg-pcapng, sections 4.2 and 4.3.
 *
 * @module
 */

/** Resolution octet of pcapng for microseconds, the default. */
export const RESOLUTION_MICROSECONDS = 6;
/** Resolution octet of pcapng for nanoseconds. */
export const RESOLUTION_NANOSECONDS = 9;

const POWER_OF_TWO = 0x80;
const NANOSECONDS_PER_SECOND = 1_000_000_000;
/** A power of two up to this one leaves the product with 10^9 below 2^53, so that it is exact. */
const LARGEST_EXACT_BINARY_UNITS = 2 ** 23;

/** How the timestamps of an interface count. */
export interface TimestampScale {
  /** Units in one second. */
  readonly unitsPerSecond: bigint;
  /** The same as a number, where plain arithmetic is exact; 0 where it is not. */
  readonly exactUnitsPerSecond: number;
  /** Seconds to add to every timestamp; may be negative. */
  readonly offsetSeconds: number;
}

/** What {@link decodeTimestamp} reads and fills in. */
export interface Timestamp {
  /** Upper 32 bits of the count. */
  readonly timestampHigh: number;
  /** Lower 32 bits of the count. */
  readonly timestampLow: number;
  /** Seconds since 1970, rounded down. */
  seconds: number;
  /** 0-999999999. */
  nanoseconds: number;
}

/**
 * Makes the scale of an interface.
 *
 * @param resolution - octet of `if_tsresol`: n for 10^-n seconds, 128 + n for 2^-n
 * @param offsetSeconds - value of `if_tsoffset`
 */
export function createTimestampScale(resolution: number, offsetSeconds: number): TimestampScale {
  const isBinary = resolution >= POWER_OF_TWO;
  const unitsPerSecond = isBinary ? 1n << BigInt(resolution - POWER_OF_TWO) : 10n ** BigInt(resolution);
  const isExact = isBinary ? unitsPerSecond <= LARGEST_EXACT_BINARY_UNITS : resolution <= RESOLUTION_NANOSECONDS;
  return { unitsPerSecond, exactUnitsPerSecond: isExact ? Number(unitsPerSecond) : 0, offsetSeconds };
}

/** Fills in seconds and nanoseconds from the 64-bit count. Allocates only for unusual resolutions. */
export function decodeTimestamp(timestamp: Timestamp, scale: TimestampScale): void {
  const units = scale.exactUnitsPerSecond;
  if (units === 0) {
    decodeLargeTimestamp(timestamp, scale);
    return;
  }
  // Long division in digits of 16 bits: each partial dividend stays below 2^53.
  const { timestampHigh: high, timestampLow: low } = timestamp;
  const middle = (high % units) * 0x10000 + Math.floor(low / 0x10000);
  const last = (middle % units) * 0x10000 + (low % 0x10000);
  const quotient = (Math.floor(high / units) * 0x10000 + Math.floor(middle / units)) * 0x10000;
  timestamp.seconds = quotient + Math.floor(last / units) + scale.offsetSeconds;
  timestamp.nanoseconds = Math.floor((last % units) * (NANOSECONDS_PER_SECOND / units));
}

/**
 * The 64-bit count for a time, rounded down to a unit and held within 0 to 2^64 - 1. Allocates.
 *
 * @param seconds - seconds since 1970
 * @param nanoseconds - 0-999999999
 */
export function encodeTimestamp(scale: TimestampScale, seconds: number, nanoseconds: number): bigint {
  const whole = BigInt(seconds - scale.offsetSeconds) * scale.unitsPerSecond;
  const count = whole + (BigInt(nanoseconds) * scale.unitsPerSecond) / BigInt(NANOSECONDS_PER_SECOND);
  return count < 0n ? 0n : BigInt.asUintN(64, count) === count ? count : 0xffff_ffff_ffff_ffffn;
}

function decodeLargeTimestamp(timestamp: Timestamp, scale: TimestampScale): void {
  const count = (BigInt(timestamp.timestampHigh) << 32n) | BigInt(timestamp.timestampLow);
  const rest = count % scale.unitsPerSecond;
  timestamp.seconds = Number(count / scale.unitsPerSecond) + scale.offsetSeconds;
  timestamp.nanoseconds = Number((rest * BigInt(NANOSECONDS_PER_SECOND)) / scale.unitsPerSecond);
}
