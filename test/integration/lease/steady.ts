/**
 * Traffic that has to go on while something else happens on the machine, and what it says afterwards.
 *
 * Rule: `onDown: drop`, or a lease that is lost would not be seen in the traffic. The counters of the ports tell the same a
 * second time: what met a port without a lease is counted there.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { StatsReport, StatusReport } from '../../../src/control/reports.ts';
import type { Daemon } from '../../support/daemon.ts';
import { assertAddsUp, PATIENCE_MS, readStats, readStatus, whileDown } from '../../support/live.ts';
import { type Namespace, type RunningProcess, waitFor } from '../../support/netns.ts';

/** A ping every 10 ms. */
export class SteadyTraffic {
  readonly #daemon: Daemon;
  readonly #ping: RunningProcess;
  readonly #pids: readonly number[];
  /** Frames that met a port while firehook started: the kernel sends some by itself. */
  readonly #atStart: number;

  private constructor(daemon: Daemon, ping: RunningProcess, pids: readonly number[], { ways }: StatsReport) {
    this.#daemon = daemon;
    this.#ping = ping;
    this.#pids = pids;
    this.#atStart = whileDown({ ways });
  }

  /** Starts it, and waits until it is answered. */
  static async start(daemon: Daemon, client: Namespace, server: string): Promise<SteadyTraffic> {
    const ping = client.spawn('ping', ['-n', '-i', '0.01', server]);
    await waitFor(() => ping.stdout.split('\n').length > 20, { what: 'answers', timeoutMs: PATIENCE_MS });
    return new SteadyTraffic(daemon, ping, (await readStatus(daemon)).lane.pids, await readStats(daemon));
  }

  /** Ends it; fails unless every ping was answered once, by the same lanes, and no frame met a port without a lease. */
  async assertUndisturbed(): Promise<StatusReport> {
    this.#ping.kill('SIGINT');
    await this.#ping.exited;
    const { ways } = await assertAddsUp(this.#daemon);
    assert.equal(whileDown({ ways }), this.#atStart, 'frames that met a port without a lease');
    assert.deepEqual(
      ways.map(({ port }) => port?.unhooked),
      [0, 0],
    );
    const status = await readStatus(this.#daemon);
    assert.deepEqual([status.lease, status.leaseHistory.lapses, status.leaseHistory.refusals], ['held', 0, 0]);
    assert.deepEqual(status.lane.pids, this.#pids);
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(this.#ping.stdout) ?? [];
    assert.doesNotMatch(this.#ping.stdout, /DUP!|duplicates/);
    // The last one may have been on its way when it was told to end.
    assert.ok(Number(sent) > 0 && Number(sent) - Number(received) <= 1, `${received} of ${sent}`);
    return status;
  }
}
