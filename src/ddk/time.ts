/**
 * Clocks: system time, interrupt time, ticks, and the calendar.
 *
 * Rule: time is the packet's inside a callback and the file's in replay, so what a driver measures is the same live and
 * replayed. All units are 100 ns unless a name says otherwise; all are bigints.
 *
 * Left out: ExSystemTimeToLocalTime. A runtime without a person in front of it has no local time worth a name.
 *
 * @module
 */

import type { Ref } from '../firewall/constants.ts';
import type { DriverHost } from './host.ts';
import type { BOOLEAN, LARGE_INTEGER, ULONG } from './types.ts';

/** Units of one tick: 15.625 ms, the usual interval of the clock of a PC. */
const TICK = 156_250;
/** Units of a millisecond. */
const MILLISECOND = 10_000n;
/** Milliseconds from 1601-01-01 to 1970-01-01. */
const MILLISECONDS_TO_1970 = 11_644_473_600_000n;

/**
 * A date and a time of day.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtltimetotimefields
 */
export class TIME_FIELDS {
  /** 1601 to 30827. */
  Year = 0;
  /** 1 to 12. */
  Month = 0;
  /** 1 to 31. */
  Day = 0;
  /** 0 to 23. */
  Hour = 0;
  /** 0 to 59. */
  Minute = 0;
  /** 0 to 59. */
  Second = 0;
  /** 0 to 999. */
  Milliseconds = 0;
  /** 0 Sunday to 6 Saturday. */
  Weekday = 0;
}

/** Pointer to the fields. */
export type PTIME_FIELDS = TIME_FIELDS;

/** Makes the functions over one host. */
export function createTimeFunctions(host: DriverHost) {
  return {
    /**
     * System time.
     *
     * @param CurrentTime - takes units of 100 ns since 1601-01-01, UTC
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerysystemtime~r1
     */
    KeQuerySystemTime(CurrentTime: Ref<LARGE_INTEGER>): void {
      CurrentTime.value = host.systemTime();
    },

    /**
     * Time since the driver was loaded; on Windows, since the machine was started.
     *
     * @returns units of 100 ns; never goes back
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kequeryinterrupttime
     */
    KeQueryInterruptTime(): LARGE_INTEGER {
      return host.interruptTime();
    },

    /**
     * Ticks of KeQueryTimeIncrement since the driver was loaded.
     *
     * @param CurrentCount - takes the count
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/ntddk/nf-ntddk-kequerytickcount
     */
    KeQueryTickCount(CurrentCount: Ref<LARGE_INTEGER>): void {
      CurrentCount.value = host.interruptTime() / BigInt(TICK);
    },

    /**
     * Length of a tick.
     *
     * @returns 156,250 units of 100 ns
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-kequerytimeincrement
     */
    KeQueryTimeIncrement(): ULONG {
      return TICK;
    },

    /**
     * The finest clock: interrupt time here.
     *
     * @param PerformanceFrequency - when given, takes counts in a second: 10,000,000
     * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/ntifs/nf-ntifs-kequeryperformancecounter
     */
    KeQueryPerformanceCounter(PerformanceFrequency: Ref<LARGE_INTEGER> | null): LARGE_INTEGER {
      if (PerformanceFrequency !== null) PerformanceFrequency.value = 10_000_000n;
      return host.interruptTime();
    },
  };
}

/**
 * Splits a system time into its fields; what is finer than a millisecond is cut off.
 *
 * @param Time - units of 100 ns since 1601-01-01, not negative
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtltimetotimefields
 */
export function RtlTimeToTimeFields(Time: LARGE_INTEGER, TimeFields: TIME_FIELDS): void {
  const date = new Date(Number(Time / MILLISECOND - MILLISECONDS_TO_1970));
  TimeFields.Year = date.getUTCFullYear();
  TimeFields.Month = date.getUTCMonth() + 1;
  TimeFields.Day = date.getUTCDate();
  TimeFields.Hour = date.getUTCHours();
  TimeFields.Minute = date.getUTCMinutes();
  TimeFields.Second = date.getUTCSeconds();
  TimeFields.Milliseconds = date.getUTCMilliseconds();
  TimeFields.Weekday = date.getUTCDay();
}

/**
 * Puts a system time together. `Weekday` is not looked at.
 *
 * @param Time - takes units of 100 ns since 1601-01-01
 * @returns FALSE, with `Time` unchanged, when a field is out of its range: 31 February, or a year before 1601
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-rtltimefieldstotime
 */
export function RtlTimeFieldsToTime(TimeFields: TIME_FIELDS, Time: Ref<LARGE_INTEGER>): BOOLEAN {
  const { Year, Month, Day, Hour, Minute, Second, Milliseconds } = TimeFields;
  if (!(Year >= 1601 && Year <= 30827)) return false;
  const utc = Date.UTC(Year, Month - 1, Day, Hour, Minute, Second, Milliseconds);
  if (!Number.isInteger(utc)) return false;
  const value = (BigInt(utc) + MILLISECONDS_TO_1970) * MILLISECOND;
  // A field out of its range is carried into the next one by Date; then the way back gives other fields.
  const again = new TIME_FIELDS();
  RtlTimeToTimeFields(value, again);
  again.Weekday = TimeFields.Weekday;
  for (const name of Object.keys(again) as (keyof TIME_FIELDS)[]) {
    if (again[name] !== TimeFields[name]) return false;
  }
  Time.value = value;
  return true;
}
