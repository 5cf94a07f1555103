/**
 * DbgPrint and its kin: lines into the log of the hook.
 *
 * Rules: never throws. One call makes a line for each line of its text, without what ends it; an empty text makes none.
 * A call shows 512 characters at most, as on Windows. The log limits its own rate.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/devtest/reading-and-filtering-debugging-messages
 *
 * @module
 */

import { STATUS_SUCCESS } from '../firewall/constants.ts';
import { PASSIVE_LEVEL } from './dispatcher-objects.ts';
import type { DriverHost, DriverLogLevel } from './host.ts';
import type { WarnOnce } from './once.ts';
import { formatPrint } from './print-format.ts';
import type { Processor } from './processor.ts';
import type { NTSTATUS, ULONG } from './types.ts';

/** Importance of a message: an error. */
export const DPFLTR_ERROR_LEVEL = 0;
/** Importance of a message: a warning. */
export const DPFLTR_WARNING_LEVEL = 1;
/** Importance of a message: a trace. */
export const DPFLTR_TRACE_LEVEL = 2;
/** Importance of a message: information. */
export const DPFLTR_INFO_LEVEL = 3;
/** Component: a driver of a vendor. */
export const DPFLTR_IHVDRIVER_ID = 77;
/** Component: a network driver of a vendor. */
export const DPFLTR_IHVNETWORK_ID = 80;
/** Component: none in particular. */
export const DPFLTR_DEFAULT_ID = 101;

const MAX_CHARACTERS = 512;
const LEVELS: readonly DriverLogLevel[] = ['error', 'warn', 'debug', 'info'];
const UNICODE_CODE = /%[-+0 #]*[\d*.]*(?:[CS]|[lw][csSC]|wZ)/;

/** Makes the functions over one host. */
export function createPrintFunctions(host: DriverHost, processor: Processor, warnOnce: WarnOnce) {
  function print(level: DriverLogLevel, format: unknown, args: readonly unknown[]): NTSTATUS {
    if (processor.checksLevels && processor.level > PASSIVE_LEVEL && UNICODE_CODE.test(String(format))) {
      warnOnce('unicode', 'DbgPrint of a Unicode format (%ws, %wZ, %S ...) above PASSIVE_LEVEL stops Windows');
    }
    const shown = formatPrint(format, args).slice(0, MAX_CHARACTERS);
    for (const line of shown.split(/\r?\n/)) if (line !== '') host.log(level, line);
    return STATUS_SUCCESS;
  }

  return {
    /**
     * Prints into the log, level info. Formats: d i u x X o p c s S ws wZ Z, with flags, width, precision and the sizes l, I64 and
     * their kin; `%%` is a percent sign.
     *
     * @param Format - with a newline at its end or without
     * @returns STATUS_SUCCESS
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-dbgprint
     */
    DbgPrint(Format: string, ...Arguments: unknown[]): NTSTATUS {
      return print('info', Format, Arguments);
    },

    /**
     * Prints into the log: error, warn, debug (trace) or info, as `Level` says.
     *
     * @param ComponentId - DPFLTR_..._ID; no meaning here
     * @param Level - DPFLTR_..._LEVEL; a larger number is debug
     * @returns STATUS_SUCCESS
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-dbgprintex
     */
    DbgPrintEx(_ComponentId: ULONG, Level: ULONG, Format: string, ...Arguments: unknown[]): NTSTATUS {
      return print(LEVELS[Level] ?? 'debug', Format, Arguments);
    },

    /**
     * Prints into the log, level debug: what a checked build prints. The second pair of parentheses of C is an array:
     * `KdPrint(['%u packets\n', count])`.
     *
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kdprint
     */
    KdPrint([Format, ...Arguments]: readonly [Format: string, ...args: unknown[]]): void {
      print('debug', Format, Arguments);
    },

    /**
     * Does what DbgPrintEx does; the second pair of parentheses of C is an array.
     *
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kdprintex
     */
    KdPrintEx([_ComponentId, Level, Format, ...Arguments]: readonly [
      ComponentId: ULONG,
      Level: ULONG,
      Format: string,
      ...args: unknown[],
    ]): void {
      print(LEVELS[Level] ?? 'debug', Format, Arguments);
    },
  };
}
