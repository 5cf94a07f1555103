/**
 * Memory, processor time and descriptors of the daemon's processes, as proc(5) tells them.
 *
 * Rule: asked for when somebody asks, and never waited for: what cannot be read is left out. The processor time of a lane that was
 * replaced stays in the sum of its place, so that it never goes back.
 *
 * @see proc(5): /proc/PID/stat, /proc/PID/status, /proc/PID/fd, /proc/stat
 * @module
 */

import { readdirSync, readFileSync } from 'node:fs';
import { familyOfAll } from '../telemetry/counter-families.ts';
import type { Family, FamilyKind } from '../telemetry/exposition.ts';

/** A process, by the name that it has in labels. */
export interface NamedProcess {
  readonly name: string;
  readonly pid: number;
}

/** What is known of a process. */
interface ProcessNumbers {
  readonly name: string;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
  readonly startSeconds: number;
  readonly descriptors: number | null;
}

/** USER_HZ, which is 100 wherever Linux runs on x86-64 and arm64. */
const TICKS = 100;
/** Fields of /proc/PID/stat behind the name of the program, which is the second. */
const UTIME = 11;
const STIME = 12;
const STARTTIME = 19;

interface CpuTime {
  readonly pid: number;
  readonly seconds: number;
  /** Of processes that had the name before. */
  readonly before: number;
}

/** Reads them, again and again. */
export class ProcessReader {
  readonly #cpuOf = new Map<string, CpuTime>();
  /** It stays as it was: on a machine with many CPUs the kernel takes long to write that file. */
  readonly #bootSeconds = readBootSeconds();

  /** The families `process_…`, with the name of each process as a label. */
  families(processes: readonly NamedProcess[]): Family[] {
    const all = processes.flatMap((process) => this.#read(process, this.#bootSeconds) ?? []);
    const family = (
      name: string,
      kind: FamilyKind,
      help: string,
      value: (one: ProcessNumbers) => number | null,
    ): Family => {
      const known = all.flatMap((one) => {
        const number = value(one);
        return number === null ? [] : [{ name: one.name, number }];
      });
      const made = familyOfAll(name, kind, help, known, ({ name: process, number }) => [{ process }, number]);
      return { ...made, name };
    };
    return [
      family(
        'process_resident_memory_bytes',
        'gauge',
        'Memory that the process has in RAM.',
        (one) => one.residentBytes,
      ),
      family(
        'process_cpu_seconds',
        'counter',
        'Processor time, of the kernel and of the process.',
        (one) => one.cpuSeconds,
      ),
      family('process_open_fds', 'gauge', 'Descriptors that the process has open.', (one) => one.descriptors),
      family('process_start_time_seconds', 'gauge', 'When the process started, since 1970.', (one) => one.startSeconds),
    ];
  }

  #read({ name, pid }: NamedProcess, bootSeconds: number): ProcessNumbers | null {
    const stat = readText(`/proc/${pid}/stat`);
    // The name of the program may have spaces and brackets in it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (field: number): number => Number(fields[field]);
    const seconds = (at(UTIME) + at(STIME)) / TICKS;
    if (!Number.isFinite(seconds)) return null;
    return {
      name,
      residentBytes: 1024 * Number(/^VmRSS:\s*(\d+) kB$/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0),
      cpuSeconds: this.#allCpu(name, pid, seconds),
      startSeconds: bootSeconds + at(STARTTIME) / TICKS,
      descriptors: countDescriptors(pid),
    };
  }

  #allCpu(name: string, pid: number, seconds: number): number {
    const last = this.#cpuOf.get(name) ?? { pid, seconds, before: 0 };
    const before = last.pid === pid ? last.before : last.before + last.seconds;
    this.#cpuOf.set(name, { pid, seconds, before });
    return before + seconds;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** When the machine started, in seconds since 1970. */
function readBootSeconds(): number {
  return Number(/^btime (\d+)$/m.exec(readText('/proc/stat'))?.[1] ?? 0);
}

function countDescriptors(pid: number): number | null {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}
