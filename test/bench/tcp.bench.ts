/**
 * One TCP connection through firehook and through the kernel alone, in a bridge and on a host, as ratios.
 *
 * ```
 *   node --import tsx test/bench/tcp.bench.ts [--pairs N] [--seconds S]              as root, with iperf3
 * ```
 * Prints each pair and the medians. Rule: as in bench.ts, only the ratio within a pair says something.
 *
 * @module
 */

import { parseArgs } from 'node:util';
import { waitFor } from '../support/netns.ts';
import { bareHost, type Contender, firehookBridge, firehookHost, kernelBridge } from './contenders.ts';
import { median } from './measure.ts';

const { values } = parseArgs({
  options: { pairs: { type: 'string', default: '5' }, seconds: { type: 'string', default: '3' } },
});
const pairs = Number(values.pairs);
const seconds = Number(values.seconds);

await compare('bridge', '10.77.0.2', firehookBridge, kernelBridge);
await compare('host', '10.78.0.1', firehookHost, bareHost);

async function compare(
  attach: string,
  address: string,
  startFirehook: () => Promise<Contender>,
  startKernel: () => Promise<Contender>,
): Promise<void> {
  const contenders: Contender[] = [];
  try {
    const firehook = await startFirehook();
    contenders.push(firehook);
    const kernel = await startKernel();
    contenders.push(kernel);
    for (const { target } of contenders) {
      const server = target.spawn('iperf3', ['-s', '--forceflush']);
      await waitFor(() => server.stdout.includes('listening'), { what: 'iperf3 -s', timeoutMs: 30_000 });
    }
    const results: { firehook: number; kernel: number }[] = [];
    for (let i = 0; i < pairs; i++) {
      const result = { firehook: await measure(firehook, address), kernel: await measure(kernel, address) };
      results.push(result);
      const ratio = (result.firehook / result.kernel).toFixed(3);
      console.log(
        `${attach}: firehook ${result.firehook.toFixed(0)} Mbit/s   ${kernel.name} ${result.kernel.toFixed(0)} Mbit/s   ratio ${ratio}`,
      );
    }
    const ours = median(results.map((result) => result.firehook)).toFixed(0);
    const theirs = median(results.map((result) => result.kernel)).toFixed(0);
    const ratio = median(results.map((result) => result.firehook / result.kernel)).toFixed(3);
    console.log(`${attach}: medians: firehook ${ours} Mbit/s, ${kernel.name} ${theirs} Mbit/s, ratio ${ratio}`);
  } finally {
    for (const contender of contenders) await contender.remove();
  }
}

/** Mbit/s that arrived. */
async function measure(contender: Contender, address: string): Promise<number> {
  const output = await contender.source.output('iperf3', ['-c', address, '-t', String(seconds), '--json']);
  const report = JSON.parse(output) as {
    readonly end: { readonly sum_received: { readonly bits_per_second: number } };
  };
  return report.end.sum_received.bits_per_second / 1e6;
}
