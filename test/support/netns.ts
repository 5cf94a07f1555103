/**
 * What a test of the running system imports: labs of network namespaces and the tools around them.
 *
 * ```ts
 * test('pings through a bridge', { skip: rootOnly('ping') }, async (t) => {
 *   const { ns } = await bridgeLab(t);
 *   const daemon = await startDaemon(ns.fw, { attach: [{ bridge: ['lan0', 'wan0'] }] });
 *   await ns.client.output('ping', ['-c', '1', '10.77.0.2']);
 * });
 * ```
 * Rule: this file only lists; `lab.ts` makes and removes, `topologies.ts` has the ready labs. Daemon and frames are in
 * `daemon.ts` and `frames.ts`.
 *
 * @module
 */

export type { EndSpec, LabOptions, LabOwner, NamespaceSpec, RunOptions, Topology } from './lab.ts';
export { createLab, Lab, Namespace } from './lab.ts';
export type { Exit, Result, StartOptions } from './processes.ts';
export { RunningProcess } from './processes.ts';
export { rootOnly } from './root-only.ts';
export { bridgeLab, hostLab, routerLab } from './topologies.ts';
export type { WaitOptions } from './wait-for.ts';
export { waitFor } from './wait-for.ts';
