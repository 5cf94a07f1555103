/**
 * Counted strings: UNICODE_STRING and the Rtl functions over it.
 *
 * Rule: `Length` and `MaximumLength` are octets, two for each UTF-16 code unit, and they decide, not the JavaScript string
 * behind them: what does not fit is cut or refused as published. Wherever a UNICODE_STRING is read, a plain string is
 * taken too.
 *
 * Source: `ntdef.h`, `wdm.h`.
 *
 * @module
 */

import { STATUS_SUCCESS } from '../firewall/constants.ts';
import { PASSIVE_LEVEL } from './dispatcher-objects.ts';
import type { Processor } from './processor.ts';
import { STATUS_BUFFER_TOO_SMALL } from './status.ts';
import type { BOOLEAN, LONG, NTSTATUS, USHORT } from './types.ts';

/** Most octets of text: a USHORT less the terminating null, even. */
const MAX_OCTETS = 65_532;

/**
 * A counted string. A new one is empty, with no room.
 *
 * @see https://learn.microsoft.com/en-us/windows/win32/api/ntdef/ns-ntdef-_unicode_string
 */
export class UNICODE_STRING {
  /** Octets of text. */
  Length: USHORT = 0;
  /** Octets of room. */
  MaximumLength: USHORT = 0;
  /** The text; valid are its first `Length` / 2 code units. */
  Buffer = '';
}

/** Pointer to a counted string. */
export type PUNICODE_STRING = UNICODE_STRING;
/** What functions take that only read: a counted string, or a plain one. */
export type UNICODE = UNICODE_STRING | string;

/**
 * Makes a counted string of a null-terminated one.
 *
 * @param SourceString - null or a string; what is behind 32,766 code units, or behind a null, is cut off
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlinitunicodestring
 */
export function RtlInitUnicodeString(DestinationString: UNICODE_STRING, SourceString: string | null): void {
  const text = terminated(SourceString ?? '').slice(0, MAX_OCTETS / 2);
  DestinationString.Buffer = text;
  DestinationString.Length = text.length * 2;
  DestinationString.MaximumLength = SourceString === null ? 0 : text.length * 2 + 2;
}

/**
 * Copies a counted string into the room of another.
 *
 * @param SourceString - null: the destination becomes empty. What does not fit is cut off
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlcopyunicodestring
 */
export function RtlCopyUnicodeString(DestinationString: UNICODE_STRING, SourceString: UNICODE | null): void {
  const text = SourceString === null ? '' : textOf(SourceString);
  put(DestinationString, text.slice(0, DestinationString.MaximumLength >>> 1));
}

/**
 * Appends a null-terminated string.
 *
 * @param Source - null: nothing is appended
 * @returns STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL, with nothing changed
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlappendunicodetostring
 */
export function RtlAppendUnicodeToString(Destination: UNICODE_STRING, Source: string | null): NTSTATUS {
  return append(Destination, terminated(Source ?? ''));
}

/**
 * Appends a counted string.
 *
 * @returns STATUS_SUCCESS; STATUS_BUFFER_TOO_SMALL, with nothing changed
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlappendunicodestringtostring
 */
export function RtlAppendUnicodeStringToString(Destination: UNICODE_STRING, Source: UNICODE): NTSTATUS {
  return append(Destination, textOf(Source));
}

/** Makes the functions that look at the level. */
export function createUnicodeFunctions(processor: Processor) {
  return {
    /**
     * Compares for equality.
     *
     * @param CaseInSensitive - TRUE: upper and lower case are equal
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL: its tables are paged
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlequalunicodestring
     */
    RtlEqualUnicodeString(String1: UNICODE, String2: UNICODE, CaseInSensitive: BOOLEAN): BOOLEAN {
      processor.requireAtMost('RtlEqualUnicodeString', PASSIVE_LEVEL);
      return compare(textOf(String1), textOf(String2), CaseInSensitive) === 0;
    },

    /**
     * Compares for order, code unit by code unit.
     *
     * @param CaseInSensitive - TRUE: upper and lower case are equal
     * @returns 0 for equal, below 0 when the first is less, above 0 when it is greater
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK IRQL_NOT_LESS_OR_EQUAL above PASSIVE_LEVEL
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtlcompareunicodestring
     */
    RtlCompareUnicodeString(String1: UNICODE, String2: UNICODE, CaseInSensitive: BOOLEAN): LONG {
      processor.requireAtMost('RtlCompareUnicodeString', PASSIVE_LEVEL);
      return compare(textOf(String1), textOf(String2), CaseInSensitive);
    },
  };
}

/** Text of either kind of string. @internal */
export function textOf(string: UNICODE): string {
  return typeof string === 'string' ? string : string.Buffer.slice(0, string.Length >>> 1);
}

/** Text as names are compared: upper case, code unit by code unit. @internal */
export function upcased(text: string): string {
  return Array.from({ length: text.length }, (_, at) => upcasedUnit(text, at)).join('');
}

function upcasedUnit(text: string, at: number): string {
  const upper = text.charAt(at).toUpperCase();
  // Windows maps one code unit to one.
  return upper.length === 1 ? upper : text.charAt(at);
}

function compare(first: string, second: string, isCaseInsensitive: boolean): number {
  const [a, b] = isCaseInsensitive ? [upcased(first), upcased(second)] : [first, second];
  const common = Math.min(a.length, b.length);
  for (let at = 0; at < common; at++) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function append(destination: UNICODE_STRING, text: string): NTSTATUS {
  const whole = textOf(destination) + text;
  if (whole.length * 2 > destination.MaximumLength) return STATUS_BUFFER_TOO_SMALL;
  put(destination, whole);
  return STATUS_SUCCESS;
}

function put(destination: UNICODE_STRING, text: string): void {
  destination.Buffer = text;
  destination.Length = text.length * 2;
}

function terminated(text: string): string {
  const end = text.indexOf('\0');
  return end === -1 ? text : text.slice(0, end);
}
