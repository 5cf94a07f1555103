/**
 * Samples of a daemon, by hand, for tests of what is shown of them.
 *
 * @module
 */

import type { HookSample, Sample, WayCounts } from '../../../../src/control/sample.ts';

/** Counts of a way: of what is not said there is none. */
export function counts(some: Partial<WayCounts> = {}): WayCounts {
  return {
    received: 0,
    receivedOctets: 0,
    forwarded: 0,
    dropped: 0,
    rejected: 0,
    answered: 0,
    held: 0,
    lost: 0,
    ...some,
  };
}

/** A hook that nothing has happened to. */
export function hook(name: string, some: Partial<HookSample> = {}): HookSample {
  return {
    name,
    priority: 0,
    mark: '',
    seen: 0,
    dropped: 0,
    rejected: 0,
    faults: 0,
    meanNs: null,
    p99Ns: null,
    ...some,
  };
}

/** A daemon that has run for a hundred seconds. */
export function sample(some: Partial<Sample> = {}): Sample {
  return {
    atMs: 0,
    state: 'running',
    version: '0.1.0',
    pid: 7,
    generation: 1,
    uptimeSeconds: 100,
    driver: 'afpacket',
    lease: 'held',
    lanes: 1,
    laneRestarts: 0,
    problems: [],
    addsUp: true,
    total: counts(),
    ways: [],
    hooks: [],
    causes: [],
    reasons: [],
    flows: null,
    ...some,
  };
}
