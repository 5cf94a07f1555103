/**
 * A chain loaded from files: whose allocations are whose, and what is said of a hook that is at fault.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { MemoryDriver } from '../../../src/drivers/memory.ts';
import { systemPool } from '../../../src/firewall/ddk.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { Lane } from '../../../src/lane/lane.ts';
import { type LoadedChain, loadChain } from '../../../src/lane/load-chain.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { bridgeWay, ethernetPort } from './lane-rig.ts';

const IMPORTS = `import {
  defineHook, DROP, ExAllocatePoolWithTag, ExFreePool, FORWARD, FreeIprBuff, IPAllocBuff, IPFreeBuff, IPRcvBuf, NonPagedPool,
} from 'firehook';
const made = () => ExAllocatePoolWithTag(NonPagedPool, 64, 'fPCT');
`;

interface Loaded extends LoadedChain {
  readonly folder: string;
  /** `hook: message` of every line. */
  readonly lines: string[];
  pass(): Promise<void>;
}

/** Loads hooks of these texts, in this order, and makes a lane for them. */
async function load(t: TestContext, hooks: Record<string, string>): Promise<Loaded> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-chain-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const sources = [];
  for (const [name, text] of Object.entries(hooks)) {
    writeFileSync(path.join(folder, name), IMPORTS + text);
    const [bundle] = await bundleHooks(path.join(folder, name), HOOK_MODULE_NAMES);
    assert.ok(bundle !== undefined);
    sources.push({ bundle, priority: undefined, options: undefined });
  }
  const lines: string[] = [];
  const loaded = await loadChain({
    hooks: sources,
    folder,
    onHookError: 'forward',
    poolLimitMiB: 1,
    trackChanges: false,
    log: (_, hook, message) => lines.push(`${hook}: ${typeof message === 'string' ? message : message()}`),
    send: () => false,
  });
  const frames = [{ port: 0, bytes: ethernet({}, ipv4({}, udp({}, Buffer.from('data')))) }];
  const driver = new MemoryDriver({ ports: [ethernetPort(0), ethernetPort(1)], frames });
  const lane = new Lane({
    driver,
    ways: [bridgeWay()],
    chain: loaded.chain,
    nonIp: 'drop',
    unreadable: 'drop',
    icmp: { code: 13, ratePerSecond: 1 },
    sender: null,
    now: () => 0,
  });
  return { ...loaded, folder, lines, pass: () => driver.start(lane) };
}

/** Allocations that are outstanding for the hook of this name. */
function outstanding({ chain }: LoadedChain, name: string): number {
  const index = chain.hooks.findIndex((hook) => hook.name === name);
  return systemPool.ownerUsage(chain.owners[index] ?? Number.NaN).outstanding;
}

test('what a hook allocates at module scope, in a timer or a promise is booked on it', async (t) => {
  const before = systemPool.ownerUsage(-1).outstanding;
  const loaded = await load(t, {
    'scope.ts':
      'IPAllocBuff(made(), 1000); export const firewallHook = () => FORWARD; export const firewallHookPriority = -1;',
    'timer.ts': 'setTimeout(() => { made(); }, 1); export const firewallHook = () => FORWARD;',
    'later.ts': `export const firewallHookPriority = 5;
      export const firewallHook = () => { Promise.resolve().then(() => { made(); made(); }); return FORWARD; };`,
    'set-up.ts': `const kept = [];
      export default defineHook({ name: 'set-up', async setup() { await null; kept.push(made()); }, onPacket: () => FORWARD });`,
  });
  assert.equal(outstanding(loaded, 'scope'), 2);
  assert.equal(outstanding(loaded, 'set-up'), 1);
  await loaded.pass();
  await waitFor(() => outstanding(loaded, 'timer') === 1 && outstanding(loaded, 'later') === 2, {
    what: 'allocations',
  });
  assert.equal(systemPool.ownerUsage(-1).outstanding, before, 'nothing is the runtime’s');
});

test('a fault names the call, who allocated, the value and the line', async (t) => {
  const loaded = await load(t, {
    'nine.ts': 'export const firewallHookPriority = 9;\nexport const firewallHook = () => 9;',
    'promise.ts': `export default defineHook({
  name: 'promise',
  priority: 8,
  onPacket() { return Promise.resolve(FORWARD); },
});`,
    'twice.ts': `export const firewallHookPriority = 7;
export const firewallHook = () => {
  const one = made();
  IPFreeBuff(one);
  IPFreeBuff(one);
  return FORWARD;
};`,
    'hides.ts': `export const firewallHookPriority = 6;
export const firewallHook = () => {
  try {
    FreeIprBuff(made());
  } catch {}
  return FORWARD;
};`,
    'second.ts': `export const firewallHookPriority = 5;
export const firewallHook = () => {
  const one = made();
  IPAllocBuff(one, 1);
  IPAllocBuff(one, 1);
  return FORWARD;
};`,
    'stranger.ts': `export const firewallHookPriority = 4;
export const firewallHook = (pData) => {
  IPFreeBuff(pData.value);
  return FORWARD;
};`,
  });
  await loaded.pass();
  const at = (name: string, line: number, column: number) => `(${path.join(loaded.folder, name)}:${line}:${column})`;
  assert.deepEqual(loaded.lines, [
    `nine: returned 9, which is no verdict ${at('nine.ts', 6, 29)}`,
    `promise: returned a promise; a hook gives its verdict before it returns ${at('promise.ts', 8, 3)}`,
    `twice: threw: FirehookError: freed twice: IPFreeBuff: already freed, descriptor TCPf allocated by twice ${at('twice.ts', 9, 3)}`,
    `hides: misused the pool and hid it: FirehookError: freed twice: FreeIprBuff: it has no data, descriptor TCPf allocated by hides ${at('hides.ts', 8, 5)}`,
    `second: misused the pool and hid it: FirehookError: a second data buffer: IPAllocBuff: it has one, descriptor TCPf allocated by second; free the first one with FreeIprBuff before ${at('second.ts', 9, 3)}`,
    `stranger: threw: FirehookError: not an allocation of this pool: IPFreeBuff: a descriptor that the runtime lends ${at('stranger.ts', 7, 3)}`,
  ]);
});

test('one hook frees what another made, and the second free names the maker', async (t) => {
  const loaded = await load(t, {
    'maker.ts': 'globalThis.shared = made(); export const firewallHook = () => FORWARD;',
    'freer.ts': `export const firewallHook = () => {
  IPFreeBuff(globalThis.shared);
  IPFreeBuff(globalThis.shared);
  return FORWARD;
};`,
  });
  const held = outstanding(loaded, 'maker');
  await loaded.pass();
  assert.equal(outstanding(loaded, 'maker'), held - 1);
  assert.match(loaded.lines[0] ?? '', /^freer: .*IPFreeBuff: already freed, descriptor TCPf allocated by maker/);
});
