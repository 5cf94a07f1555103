/**
 * The format strings of DbgPrint.
 *
 * ```
 *   % flags - + 0 space #   width 12 or *   .precision 12 or *   h l ll w I I32 I64   d i u x X o p c C s S Z
 * ```
 * Rules: never throws, whatever format and arguments are. A conversion that is unknown, or has no argument left, is printed
 * as it stands. Numbers are cut to their width in C, 32 bits unless I64 or ll says 64, so that `%x` of a status
 * reads as in a kernel debugger.
 *
 * @see https://learn.microsoft.com/en-us/cpp/c-runtime-library/format-specification-syntax-printf-and-wprintf-functions
 *
 * @module
 */

const CONVERSION = /%([-+0 #]*)(\*|\d+)?(?:\.(\*|\d+)?)?(hh|h|ll|l|w|I64|I32|I)?([diuxXopcCsSZ%])/g;
/** A line of a log has no use for a wider field; a width from a mistake must not fill the memory. */
const MAX_WIDTH = 512;
/** A pointer on 64-bit Windows, in hexadecimal digits. */
const POINTER_DIGITS = 16;

interface Field {
  readonly flags: string;
  readonly width: number;
  /** -1: none was given. */
  readonly precision: number;
}

/** Formats like DbgPrint. Never throws. */
export function formatPrint(format: unknown, args: readonly unknown[]): string {
  let next = 0;
  return String(format).replace(
    CONVERSION,
    (
      whole: string,
      flags: string,
      width: string | undefined,
      precision: string | undefined,
      size: string | undefined,
      type: string,
    ) => {
      if (type === '%') return '%';
      const takes = 1 + Number(width === '*') + Number(precision === '*');
      if (next + takes > args.length) return whole;
      const star = width === '*' ? toInteger(args[next++]) : Number(width ?? 0);
      const digits = precision === '*' ? toInteger(args[next++]) : Number(precision ?? (whole.includes('.') ? 0 : -1));
      const field: Field = {
        flags: star < 0 ? `${flags}-` : flags,
        width: Math.min(Math.abs(star), MAX_WIDTH),
        precision: Math.min(digits, MAX_WIDTH),
      };
      return convert(type, size ?? '', field, args[next++]);
    },
  );
}

function convert(type: string, size: string, field: Field, argument: unknown): string {
  switch (type) {
    case 'd':
    case 'i':
      return number(field, cut(argument, size, true), 10);
    case 'u':
      return number(field, cut(argument, size, false), 10);
    case 'x':
      return number(field, cut(argument, size, false), 16);
    case 'X':
      return number(field, cut(argument, size, false), 16).toUpperCase();
    case 'o':
      return number(field, cut(argument, size, false), 8);
    case 'p':
      return pad(field, pointer(argument));
    case 'c':
    case 'C':
      return pad(field, typeof argument === 'string' ? argument.slice(0, 1) : String.fromCharCode(toInteger(argument)));
    default: {
      const shown = text(argument);
      return pad(field, field.precision < 0 ? shown : shown.slice(0, field.precision));
    }
  }
}

function number({ flags, width, precision }: Field, value: bigint, base: 8 | 10 | 16): string {
  let digits = (value < 0n ? -value : value).toString(base);
  if (precision === 0 && value === 0n) digits = '';
  digits = digits.padStart(precision, '0');
  let sign = value < 0n ? '-' : '';
  if (base === 10 && sign === '') sign = flags.includes('+') ? '+' : flags.includes(' ') ? ' ' : '';
  if (flags.includes('#') && value !== 0n) sign = base === 16 ? '0x' : base === 8 ? '0' : sign;
  // printf ignores the zero flag beside a precision or the minus flag.
  if (flags.includes('0') && !flags.includes('-') && precision < 0) digits = digits.padStart(width - sign.length, '0');
  return pad({ flags, width, precision }, sign + digits);
}

function pad({ flags, width }: Field, shown: string): string {
  return flags.includes('-') ? shown.padEnd(width) : shown.padStart(width);
}

function cut(argument: unknown, size: string, isSigned: boolean): bigint {
  // I alone is the width of a pointer. A bigint is a LARGE_INTEGER or a LONGLONG, but `%d` prints its low half, as in C.
  const bits = size === 'I64' || size === 'll' || size === 'I' ? 64 : size === 'h' ? 16 : size === 'hh' ? 8 : 32;
  const value = toBigInt(argument);
  return isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

function toBigInt(value: unknown): bigint {
  if (typeof value === 'bigint') return value;
  if (typeof value === 'boolean') return value ? 1n : 0n;
  return typeof value === 'number' && Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}

function toInteger(value: unknown): number {
  return Number(BigInt.asIntN(32, toBigInt(value)));
}

function pointer(argument: unknown): string {
  // An object has no address; its kind tells more than a made-up one.
  if (typeof argument === 'function') return `(function ${argument.name})`;
  if (typeof argument === 'object' && argument !== null) return '(object)';
  return BigInt.asUintN(64, toBigInt(argument)).toString(16).toUpperCase().padStart(POINTER_DIGITS, '0');
}

function text(argument: unknown): string {
  if (argument === null || argument === undefined) return '(null)';
  if (argument instanceof Uint8Array) return terminated(Buffer.from(argument).toString('latin1'));
  if (typeof argument === 'object') return counted(argument);
  return terminated(String(argument));
}

/** A UNICODE_STRING, or what only looks like an object: nothing of it is called. */
function counted(argument: object): string {
  try {
    const { Buffer: buffer, Length: length } = argument as { Buffer?: unknown; Length?: unknown };
    return typeof buffer === 'string' && typeof length === 'number' ? buffer.slice(0, length >>> 1) : '(object)';
  } catch {
    return '(object)';
  }
}

function terminated(shown: string): string {
  const end = shown.indexOf('\0');
  return end === -1 ? shown : shown.slice(0, end);
}
