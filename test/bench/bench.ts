/**
 * 64-byte frames through a bridge: the `pcap` driver with one stock hook against the same way in C.
 *
 * ```
 *   node --import tsx test/bench/bench.ts [--pairs N] [--seconds S] [--rate R] [--json FILE]        as root
 *   firehook C firehook C ...      each flooded for S seconds, then each at R packets a second
 * ```
 * Prints each pair, and the medians of the pairs' ratios. Rule: a script, not a test; it judges nothing. The machine is
 * shared by sender, forwarder and receiver: only the ratio within a pair says something.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Contender, compilePrograms, firehookBridge, type Programs, yardstickBridge } from './contenders.ts';
import { type FloodResult, measureFlood, measureSteady, median, type SteadyResult } from './measure.ts';

/** One turn of each. */
interface Pair<Result> {
  readonly firehook: Result;
  readonly yardstick: Result;
}

const WARM_UP_S = 1;
/** Half of it is warm-up. */
const HEAP_S = 6;
const HEAP_PROBE = fileURLToPath(new URL('./heap-probe.ts', import.meta.url));

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '2' },
    rate: { type: 'string', default: '50000' },
    json: { type: 'string' },
  },
});
const pairs = Number(values.pairs);
const seconds = Number(values.seconds);
const rate = Number(values.rate);

const programs = compilePrograms();
const contenders: Contender[] = [];
try {
  const firehook = await firehookBridge();
  contenders.push(firehook);
  const yardstick = await yardstickBridge(programs);
  contenders.push(yardstick);
  await run(firehook, yardstick, programs);
  const probed = await firehookBridge(HEAP_PROBE);
  contenders.push(probed);
  await measureFlood(probed, programs, HEAP_S);
  await probed.daemon?.stop();
  console.log(
    /heap octets a packet[^."]*\.[^."]*/.exec(probed.daemon?.log ?? '')?.[0] ?? 'no word from the heap probe',
  );
} finally {
  for (const contender of contenders) await contender.remove();
  programs.remove();
}

async function run(firehook: Contender, yardstick: Contender, using: Programs): Promise<void> {
  for (const contender of [firehook, yardstick]) await measureFlood(contender, using, WARM_UP_S);

  console.log(`flood, ${seconds} s each: kpps delivered (CPU us a packet)`);
  const floods: Pair<FloodResult>[] = [];
  for (let i = 0; i < pairs; i++) {
    const pair = await takeTurns(i, firehook, yardstick, (contender) => measureFlood(contender, using, seconds));
    floods.push(pair);
    const [ours, theirs] = [pair.firehook, pair.yardstick].map(
      ({ kpps, cpuUs }) => `${kpps.toFixed(1)} (${cpuUs.toFixed(2)})`,
    );
    console.log(`  firehook ${ours}   C ${theirs}   ratio ${(pair.firehook.kpps / pair.yardstick.kpps).toFixed(3)}`);
  }

  console.log(`${rate / 1000} kpps, ${seconds} s each: CPU us a packet (lost)`);
  const steady: Pair<SteadyResult>[] = [];
  for (let i = 0; i < pairs; i++) {
    const pair = await takeTurns(i, firehook, yardstick, (contender) => measureSteady(contender, using, rate, seconds));
    steady.push(pair);
    const [ours, theirs] = [pair.firehook, pair.yardstick].map(
      ({ cpuUs, sent, delivered }) => `${cpuUs.toFixed(2)} (${sent - delivered})`,
    );
    console.log(`  firehook ${ours}   C ${theirs}   ratio ${(pair.firehook.cpuUs / pair.yardstick.cpuUs).toFixed(3)}`);
  }

  const result = {
    pairs,
    seconds,
    rate,
    floodKpps: {
      firehook: median(floods.map((pair) => pair.firehook.kpps)),
      yardstick: median(floods.map((pair) => pair.yardstick.kpps)),
      medianRatio: median(floods.map((pair) => pair.firehook.kpps / pair.yardstick.kpps)),
    },
    floodCpuUs: {
      firehook: median(floods.map((pair) => pair.firehook.cpuUs)),
      yardstick: median(floods.map((pair) => pair.yardstick.cpuUs)),
      medianRatio: median(floods.map((pair) => pair.firehook.cpuUs / pair.yardstick.cpuUs)),
    },
    steadyCpuUs: {
      firehook: median(steady.map((pair) => pair.firehook.cpuUs)),
      yardstick: median(steady.map((pair) => pair.yardstick.cpuUs)),
      medianRatio: median(steady.map((pair) => pair.firehook.cpuUs / pair.yardstick.cpuUs)),
    },
    steadyLost: {
      firehook: steady.reduce((sum, pair) => sum + pair.firehook.sent - pair.firehook.delivered, 0),
      yardstick: steady.reduce((sum, pair) => sum + pair.yardstick.sent - pair.yardstick.delivered, 0),
    },
  };
  console.log(JSON.stringify(result, null, 2));
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ ...result, floods, steady }, null, 2)}\n`);
}

/** Every second pair the other one begins: whoever is second meets caches that the first has left. */
async function takeTurns<Result>(
  index: number,
  firehook: Contender,
  yardstick: Contender,
  measure: (contender: Contender) => Promise<Result>,
): Promise<Pair<Result>> {
  if (index % 2 === 0) {
    const ours = await measure(firehook);
    return { firehook: ours, yardstick: await measure(yardstick) };
  }
  const theirs = await measure(yardstick);
  return { firehook: await measure(firehook), yardstick: theirs };
}
