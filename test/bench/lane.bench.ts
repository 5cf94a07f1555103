/**
 * The packet path alone, in this process: nanoseconds and octets of heap that a 64-byte frame takes, by hooks.
 *
 * ```
 *   node --import tsx test/bench/lane.bench.ts [--packets N]                       no root
 *   one frame buffer ─> Lane.onFrame ─> hooks ─> a driver that sends nothing
 * ```
 * What libpcap, the crossings into and out of JavaScript and the kernel add is not in here; bench.ts has the whole.
 *
 * @module
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getHeapStatistics } from 'node:v8';
import type { Driver, DriverPort } from '../../src/drivers/contract.ts';
import { DEST_LOCAL, DEST_REMOTE, INVALID_IF_INDEX, IP_RECEIVE } from '../../src/firewall/constants.ts';
import { bundleHooks } from '../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../src/hook-modules.ts';
import { widenInlining } from '../../src/lane/engine.ts';
import { Lane } from '../../src/lane/lane.ts';
import { loadChain } from '../../src/lane/load-chain.ts';
import { type HookSource, NO_GRANT } from '../../src/lane/messages.ts';
import type { Way } from '../../src/lane/way.ts';
import { frameOf } from '../support/frame-of.ts';
import { icmpSettings } from '../support/icmp-settings.ts';
import { median } from './measure.ts';
import { trivialHooks } from './trivial-hooks.ts';

/** Looks at clock and heap; what a collector run in between distorts, the median leaves out. */
const ROUNDS = 41;
const ETHERNET = 14;
/** Octets of a frame that has 64 on the wire. */
const FRAME_OCTETS = 60;

/** Sends nothing, successfully. */
class NullDriver implements Driver {
  readonly name = 'null';
  readonly capabilities = { live: true, sharesPort: false, offloads: false };
  readonly ports: readonly DriverPort[] = [0, 1].map((id) => ({ id, linktype: 1, maxFrameLength: 1514 }));

  start(): Promise<void> {
    return Promise.resolve();
  }

  transmit(): boolean {
    return true;
  }

  stats(): { droppedByKernel: number } {
    return { droppedByKernel: 0 };
  }

  stop(): void {
    // Nothing is open.
  }
}

const BRIDGE_WAY: Way = {
  name: 'lan0 > wan0',
  from: 'lan0',
  to: 'wan0',
  side: 'out',
  zone: 0,
  inPort: 0,
  outPort: 1,
  otherPort: 0,
  direction: IP_RECEIVE,
  recvInterfaceIndex: 2,
  sendInterfaceIndex: 3,
  otherIndex: 2,
  unicastType: DEST_REMOTE,
  reject: 'link',
  rejectPort: 0,
};
const HOST_WAY: Way = {
  ...BRIDGE_WAY,
  name: 'eth0 in',
  sendInterfaceIndex: INVALID_IF_INDEX,
  otherIndex: INVALID_IF_INDEX,
  unicastType: DEST_LOCAL,
};

widenInlining();
const { values } = parseArgs({ options: { packets: { type: 'string', default: '20000' } } });
const packets = Number(values.packets);

/** The first one filters, the others are trivial. */
const COUNTS = [0, 1, 5, 20] as const;
const DROP_PORT = fileURLToPath(new URL('../../hooks/drop-port.ts', import.meta.url));
const DROP_OPTIONS = { protocol: 'tcp', ports: [23] };

for (const [attach, way] of [
  ['bridge', BRIDGE_WAY],
  ['host', HOST_WAY],
] as const) {
  for (const count of COUNTS) {
    const { nanoseconds, octets } = await measure(way, count);
    console.log(
      `${attach}, ${count} hooks: ${nanoseconds.toFixed(0)} ns a packet, ${octets.toFixed(2)} octets of heap a packet`,
    );
  }
}

async function measure(way: Way, count: number): Promise<{ nanoseconds: number; octets: number }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-bench-'));
  const trivial = trivialHooks(count - 1);
  for (const [name, content] of Object.entries(trivial)) writeFileSync(path.join(folder, name), content);
  const paths = [DROP_PORT, ...Object.keys(trivial).map((name) => path.join(folder, name))].slice(0, count);
  const bundles = (await Promise.all(paths.map((file) => bundleHooks(file, HOOK_MODULE_NAMES)))).flat();
  rmSync(folder, { recursive: true });
  const hooks = bundles.map(
    (bundle, index): HookSource => ({
      bundle,
      priority: undefined,
      allow: NO_GRANT,
      options: index === 0 ? DROP_OPTIONS : undefined,
    }),
  );
  const { chain, teardown } = await loadChain({
    hooks,
    folder: '/',
    onHookError: 'drop',
    poolLimitMiB: 16,
    trackChanges: false,
    log: (_level, hook, message) => console.error(hook, typeof message === 'string' ? message : message()),
    send: () => false,
  });
  const icmp = icmpSettings(100);
  const driver = new NullDriver();
  const lane = new Lane({
    driver,
    ways: [way],
    chain,
    nonIp: 'forward',
    unreadable: 'drop',
    icmp,
    sender: null,
    now: () => 0,
  });
  const frame = makeFrame();
  const handed = frameOf(frame, { length: FRAME_OCTETS, seconds: 1_795_000_000 });

  const times: number[] = [];
  const growths: number[] = [];
  for (let round = 0; round < 2 * ROUNDS; round++) {
    const heap = getHeapStatistics().used_heap_size;
    const start = process.hrtime.bigint();
    for (let i = 0; i < packets; i++) {
      // Another flow each time, as in a flood.
      frame[ETHERNET + 20] = i & 0xff;
      handed.nanoseconds = (i % 1_000_000) * 1000;
      lane.onFrame(handed);
    }
    const time = Number(process.hrtime.bigint() - start);
    const growth = getHeapStatistics().used_heap_size - heap;
    // The first half is warm-up.
    if (round < ROUNDS) continue;
    times.push(time / packets);
    growths.push(growth / packets);
  }
  teardown();
  return { nanoseconds: median(times), octets: median(growths) };
}

/** UDP from 10.77.0.1:10000 to 10.77.0.2:9, zero checksum. */
function makeFrame(): Buffer {
  const frame = Buffer.alloc(2048);
  frame.write('02000000009902000000010108004500002e00004000401100000a4d00010a4d0002271000090016', 'hex');
  return frame;
}
