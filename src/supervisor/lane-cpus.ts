/**
 * Which CPU a lane is pinned to, and whether the CPUs of the configuration can be had.
 *
 * ```
 *   lane.cpus: [2, 3]       place 0 > CPU 2,  place 1 > CPU 3,  place 2 > CPU 2 ...
 * ```
 * Rule: a lane that is replaced takes the place, and so the CPU, of the one that ended. Lists are those of the kernel,
 * `0-3,8` (proc_pid_status(5), Cpus_allowed_list; sysfs(5), devices/system/cpu/online).
 *
 * @module
 */

import { readFileSync } from 'node:fs';
import { FirehookError } from '../errors.ts';
import { tryTool } from '../plumbing/run-tool.ts';

const ONLINE = '/sys/devices/system/cpu/online';
const OWN_STATUS = '/proc/self/status';

/** The CPUs that there are and those that this process may use, as the kernel lists them. */
export interface CpuLists {
  readonly online: string;
  readonly allowed: string;
}

/** The lists as they are now. */
function readCpuLists(): CpuLists {
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync(OWN_STATUS, 'utf8'))?.[1] ?? '';
  return { online: readFileSync(ONLINE, 'utf8').trim(), allowed };
}

/** The lowest place that no lane has: a lane that replaces another comes to its place. */
export function freePlace(lanes: readonly { readonly place: number }[]): number {
  let place = 0;
  while (lanes.some((lane) => lane.place === place)) place += 1;
  return place;
}

/** The CPU of the lane at a place; null where lanes are not pinned. */
export function cpuAt(cpus: readonly number[] | undefined, place: number): number | null {
  return cpus?.[place % cpus.length] ?? null;
}

/**
 * Sees to it that lanes can be pinned to these CPUs. Costs two small reads and a short process where there are any.
 *
 * @param given - the kernel's lists; null reads them
 * @throws {@link FirehookError} FIREHOOK_LANE_CPU for a CPU that is not there or not this process's to use,
 * FIREHOOK_ATTACH_TOOL when taskset is not installed
 */
export function assertCpus(cpus: readonly number[] | undefined, given: CpuLists | null = null): void {
  if (cpus === undefined) return;
  const lists = given ?? readCpuLists();
  const online = parseCpuList(lists.online);
  const allowed = parseCpuList(lists.allowed);
  for (const cpu of cpus) {
    if (!online.has(cpu)) {
      throw new FirehookError('FIREHOOK_LANE_CPU', `CPU ${cpu}: this machine runs with CPUs ${lists.online}`, {
        advice: 'change lane.cpus, or switch the CPU on',
      });
    }
    if (!allowed.has(cpu)) {
      throw new FirehookError('FIREHOOK_LANE_CPU', `CPU ${cpu}: this process may use CPUs ${lists.allowed} only`, {
        advice: 'change lane.cpus, or the cpuset of the container, or CPUAffinity= of the unit',
      });
    }
  }
  tryTool('taskset', ['--version']);
}

function parseCpuList(list: string): Set<number> {
  const cpus = new Set<number>();
  for (const [, first, last = first] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
    for (let cpu = Number(first); cpu <= Number(last); cpu++) cpus.add(cpu);
  }
  return cpus;
}
