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
import { NO_VERIFIER, type VerifierSettings } from '../../../src/hook/verifier.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import type { HookClock } from '../../../src/lane/hook-clock.ts';
import { Lane } from '../../../src/lane/lane.ts';
import { type LoadChainOptions, type LoadedChain, loadChain } from '../../../src/lane/load-chain.ts';
import { type HookGrant, NO_GRANT } from '../../../src/lane/messages.ts';
import { buildPrefixTable } from '../../../src/prefix/build-table.ts';
import { exchangeTable, PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { parseCidr } from '../../../src/wire/address.ts';
import { icmpSettings } from '../../support/icmp-settings.ts';
import { ethernet, ipv4, ipv6, octets, type Transport, tcp, udp } from '../../support/packet-builder.ts';
import { waitFor } from '../../support/wait-for.ts';
import { bridgeWay, ethernetPort } from './lane-rig.ts';

const FRAME = ethernet({}, ipv4({}, udp({}, Buffer.from('data'))));
const IMPORTS = `import {
  defineHook, DROP, ExAllocatePoolWithTag, ExFreePool, FORWARD, FreeIprBuff, IPAllocBuff, IPFreeBuff, IPRcvBuf, NonPagedPool,
} from 'firehook';
const made = () => ExAllocatePoolWithTag(NonPagedPool, 64, 'fPCT');
`;

interface Loaded extends LoadedChain {
  readonly folder: string;
  /** `hook: message` of every line since it was loaded. */
  readonly lines: string[];
  /** Those of before. */
  readonly said: readonly string[];
  sent(): Buffer[];
  /** Has these frames go through, or the one of every test. */
  pass(...frames: Buffer[]): Promise<void>;
}

/** Loads hooks of these texts, in this order, and makes a lane for them. */
async function load(
  t: TestContext,
  hooks: Record<string, string>,
  more: Partial<LoadChainOptions> & {
    readonly options?: unknown;
    readonly allow?: HookGrant;
    readonly way?: Parameters<typeof bridgeWay>[0];
  } = {},
): Promise<Loaded> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-chain-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const sources = [];
  for (const [name, text] of Object.entries(hooks)) {
    writeFileSync(path.join(folder, name), IMPORTS + text);
    const [bundle] = await bundleHooks(path.join(folder, name), HOOK_MODULE_NAMES);
    assert.ok(bundle !== undefined);
    sources.push({ bundle, priority: undefined, allow: more.allow ?? NO_GRANT, options: more.options });
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
    ...more,
  });
  const frames = [{ port: 0, bytes: FRAME }];
  const driver = new MemoryDriver({ ports: [ethernetPort(0), ethernetPort(1)], frames });
  const lane = new Lane({
    driver,
    ways: [bridgeWay(more.way)],
    chain: loaded.chain,
    nonIp: 'drop',
    unreadable: 'drop',
    icmp: icmpSettings(1),
    sender: null,
    now: () => 0,
  });
  return {
    ...loaded,
    folder,
    lines,
    said: lines.splice(0),
    sent: () => driver.sent.map(({ bytes }) => bytes),
    async pass(...more) {
      if (more.length > 0) frames.splice(0, frames.length, ...more.map((bytes) => ({ port: 0, bytes })));
      await driver.start(lane);
    },
  };
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

/** A driver whose callbacks say in the log what they meet; `body` stands in its DriverEntry. */
const driver = (body: string, callbacks = '') => `
import {
  DbgPrint, DD_IP_DEVICE_NAME, FhQueryParameter, IO_STATUS_BLOCK, IOCTL_IP_SET_FIREWALL_HOOK, IoBuildDeviceIoControlRequest,
  IoCallDriver, IoGetDeviceObjectPointer, IPv6DisableFirewallHook, IPv6EnableFirewallHook, KeAcquireSpinLockAtDpcLevel,
  KeInitializeDpc, KeInitializeSpinLock, KeInitializeTimer, KeQuerySystemTime, KeSetTimer, KDPC, KSPIN_LOCK, KTIMER,
  ObDereferenceObject, SIZEOF_IP_SET_FIREWALL_HOOK_INFO, FILE_ALL_ACCESS,
} from 'firehook/ddk';
function SetHook(FirewallPtr, Priority, Add) {
  const file = { value: null }, device = { value: null };
  IoGetDeviceObjectPointer(DD_IP_DEVICE_NAME, FILE_ALL_ACCESS, file, device);
  const block = new IO_STATUS_BLOCK();
  const irp = IoBuildDeviceIoControlRequest(IOCTL_IP_SET_FIREWALL_HOOK, device.value, { FirewallPtr, Priority, Add },
    SIZEOF_IP_SET_FIREWALL_HOOK_INFO, null, 0, false, null, block);
  const status = IoCallDriver(device.value, irp);
  ObDereferenceObject(file.value);
  return status;
}
const tell = (name) => { const own = () => { DbgPrint('%s\\n', name); return FORWARD; }; return own; };
${callbacks}
export function DriverEntry(DriverObject, RegistryPath) {
  DriverObject.DriverUnload = () => undefined;
  ${body}
  return 0;
}
`;

test('callbacks of drivers run by priority, among those of others, and what they add and delete holds from the next packet', async (t) => {
  const loaded = await load(
    t,
    {
      'one.ts': driver(
        'SetHook(low, 1, true); SetHook(high, 10, true);',
        "const low = tell('low'), high = tell('high');",
      ),
      'two.ts': driver(
        'SetHook(changes, 5, true);',
        `const late = tell('late');
       let calls = 0;
       const changes = () => {
         DbgPrint('changes');
         calls += 1;
         DbgPrint('%x', SetHook(late, 7, calls === 1));
         if (calls === 1) DbgPrint('%x', SetHook(late, 7, true));
         if (calls === 2) DbgPrint('%x', SetHook(late, 7, false));
         return FORWARD;
       };`,
      ),
      'plain.ts': 'export const firewallHookPriority = 3; export const firewallHook = () => FORWARD;',
      // On Windows such a request is made at PASSIVE_LEVEL, and no callback runs there.
    },
    { verifier: { ...NO_VERIFIER, irql: false }, lanes: 2 },
  );
  assert.ok(loaded.said.includes('one: has callbacks for IPv4 only; IPv6 packets do not meet it and go on'));
  assert.ok(loaded.said.some((line) => /^plain: there are 2 lanes, and its globals are a lane's own/.test(line)));
  await loaded.pass();
  assert.deepEqual(loaded.lines, ['one: high', 'two: changes', 'two: 0', 'two: c000000d', 'one: low']);
  loaded.lines.length = 0;
  await loaded.pass();
  assert.deepEqual(loaded.lines, ['one: high', 'two: late', 'two: changes', 'two: 0', 'two: c000000d', 'one: low']);
  loaded.lines.length = 0;
  await loaded.pass();
  assert.deepEqual(loaded.lines.slice(0, 3), ['one: high', 'two: changes', 'two: c000000d']);
  assert.deepEqual(loaded.hooks.map(({ name, kind, priority }) => [name, kind, priority]).sort(), [
    ['one', 'driver', 10],
    ['plain', 'callback', 3],
    ['two', 'driver', 5],
  ]);
});

test('a driver has IPv6 by its own hook, read only, and timers, memory, parameters and unloading of its own (DOC-IPV6-8, DOC-IPV6-12)', async (t) => {
  let later: (() => void) | null = null;
  const clock: HookClock = {
    now: () => 5_000_000_000n,
    schedule: (_, callback) => {
      later = callback;
      return { cancel: () => undefined };
    },
  };
  const text = driver(
    `IPv6EnableFirewallHook((source, destination, length, type) => { DbgPrint('ipv6 %u %u', length, type); return type === 6 ? 1 : 0; });
     const timer = new KTIMER(), dpc = new KDPC();
     KeInitializeTimer(timer);
     KeInitializeDpc(dpc, () => { made(); const now = { value: 0n }; KeQuerySystemTime(now); DbgPrint('dpc %I64d', now.value); throw new Error('in a dpc'); }, null);
     KeSetTimer(timer, -10000000n, dpc);
     DbgPrint('%s', FhQueryParameter(RegistryPath, 'Answer'));
     DriverObject.DriverUnload = () => { IPv6DisableFirewallHook(() => DbgPrint('disabled')); DbgPrint('unload'); };`,
  );
  const loaded = await load(t, { 'six.ts': text }, { clock, options: { Answer: 'forty-two' } });
  const six = (transport: Transport) => ethernet({}, ipv6({}, transport));
  await loaded.pass(six(udp({}, Buffer.alloc(3))), six(tcp()), FRAME);
  assert.deepEqual(loaded.said, ['six: forty-two']);
  assert.deepEqual(loaded.lines, ['six: ipv6 11 17', 'six: ipv6 20 6']);
  assert.equal(loaded.sent().length, 2, 'TCP is dropped, IPv4 does not meet it');
  loaded.lines.length = 0;
  const held = outstanding(loaded, 'six');
  (later as (() => void) | null)?.();
  assert.match(
    loaded.lines.join('; '),
    /^six: dpc 116444736050000000; six: a DPC routine threw: in a dpc \(.*six\.ts:\d+/,
  );
  assert.equal(outstanding(loaded, 'six'), held + 1);
  loaded.lines.length = 0;
  loaded.teardown();
  assert.deepEqual(loaded.lines, ['six: disabled', 'six: unload']);
});

test('an IPv6 hook meets what is sent and what is received, and is told where (DOC-IPV6-7, DOC-IPV6-8)', async (t) => {
  const text = driver(
    `IPv6EnableFirewallHook((s, d, l, t, h, c, n, index, direction) => { DbgPrint('%u %u', index, direction); return 0; });
     DriverObject.DriverUnload = () => IPv6DisableFirewallHook(() => undefined);`,
  );
  const frames = [ethernet({}, ipv6({}, tcp())), ethernet({}, ipv6({}, udp()))];
  for (const [direction, index] of [
    [0, 22],
    [1, 11],
  ] as const) {
    const way = { direction, recvInterfaceIndex: 11, sendInterfaceIndex: 22 };
    const loaded = await load(t, { 'six.ts': text }, { way });
    await loaded.pass(...frames);
    assert.deepEqual(loaded.lines, [`six: ${index} ${direction}`, `six: ${index} ${direction}`]);
    loaded.teardown();
  }
});

test('a driver that fails is refused, one that leaves a lock held is at fault', async (t) => {
  await assert.rejects(load(t, { 'bad.ts': driver('return 0xc000009a;') }), {
    code: 'FIREHOOK_HOOK_SETUP',
    message: /bad\.ts: DriverEntry returned 0xc000009a$/,
  });
  await assert.rejects(load(t, { 'throws.ts': driver("throw new Error('no');") }), {
    message: /throws\.ts: DriverEntry threw: no \(.*throws\.ts:\d+:\d+\)$/,
  });
  const loaded = await load(t, {
    'held.ts': driver(
      'KeInitializeSpinLock(lock); SetHook(hold, 1, true);',
      'const lock = new KSPIN_LOCK(); const hold = () => { KeAcquireSpinLockAtDpcLevel(lock); return FORWARD; };',
    ),
  });
  await loaded.pass();
  assert.match(loaded.lines.join(), /^held: .*spin lock/i);
  const nine = await load(t, { 'nine.ts': driver('SetHook(nine, 1, true);', 'const nine = () => 9;') });
  await nine.pass();
  assert.match(nine.lines.join(), /^nine: returned 9, which is no verdict \(.*nine\.ts:\d+:14\)$/);
});

test('the verifier cuts chains, and a packet that passes leaves as it came', async (t) => {
  const sizes = `export const firewallHook = (pData) => {
    const own = [];
    for (let at = pData.value; at !== null; at = at.ipr_next) own.push(at.ipr_size);
    globalThis.sizes.push(own);
    return FORWARD;
  };`;
  const edit = `export const firewallHookPriority = -1;
    export const firewallHook = (pData) => {
      let left = 25;
      for (let at = pData.value; at !== null; at = at.ipr_next) {
        if (left >= 0 && left < at.ipr_size) at.ipr_buffer[left] = 0x7f;
        left -= at.ipr_size;
      }
      return FORWARD;
    };`;
  const seen: number[][] = [];
  (globalThis as { sizes?: unknown }).sizes = seen;
  const settings = { ...NO_VERIFIER, seed: 5 };
  for (const chains of ['header', 'random', 'octets'] as const) {
    const loaded = await load(t, { 'sizes.ts': sizes, 'edit.ts': edit }, { verifier: { ...settings, chains } });
    await loaded.pass();
    const expected = Buffer.from(FRAME);
    expected[14 + 25] = 0x7f;
    assert.deepEqual(loaded.sent(), [expected]);
    const [cut = []] = seen.splice(0);
    assert.equal(
      cut.reduce((sum, size) => sum + size, 0),
      FRAME.length - 14,
    );
    if (chains === 'header') assert.deepEqual(cut, [20, FRAME.length - 34]);
    if (chains === 'octets') assert.equal(cut.length, FRAME.length - 14);
    if (chains === 'random') assert.ok(cut.length > 1);
    assert.match(loaded.verifier?.report ?? '', new RegExp(`chains ${chains}.*seed 5.* cut 1 chains`));
  }
});

test('what the page of IPAllocBuff says holds for chains that are cut in every way', async (t) => {
  const page = `
    export const firewallHook = (pData, _r, _s, _d, _c, _l, ppRcvBuf) => {
      let size = 0;
      for (let part = pData.value; part !== null; part = part.ipr_next) size += part.ipr_size;
      const descriptor = made();
      if (descriptor === null) return DROP;
      if (IPAllocBuff(descriptor, size) !== 1) {
        ExFreePool(descriptor);
        return DROP;
      }
      descriptor.ipr_next = null;
      let at = 0;
      for (let part = pData.value; part !== null; part = part.ipr_next)
        at += part.ipr_buffer.copy(descriptor.ipr_buffer, at, 0, part.ipr_size);
      ppRcvBuf.value = descriptor;
      return FORWARD;
    };`;
  for (const chains of ['whole', 'header', 'random', 'octets'] as const) {
    for (const oldChain of ['runtime', 'hook'] as const) {
      const text =
        oldChain === 'hook' ? page.replace('ppRcvBuf.value =', 'IPFreeBuff(pData.value); ppRcvBuf.value =') : page;
      const verifier = { ...NO_VERIFIER, chains, oldChain, poison: true, seed: 11 };
      const loaded = await load(t, { 'page.ts': text, 'again.ts': text }, { verifier });
      const frames = [
        FRAME,
        ethernet({}, ipv4({}, tcp({}, Buffer.alloc(1400, 5)))),
        ethernet({}, ipv4({}, octets(99, Buffer.alloc(1)))),
      ];
      const before = outstanding(loaded, 'page');
      await loaded.pass(...frames);
      assert.deepEqual(loaded.sent(), frames, `${chains}, ${oldChain}`);
      assert.deepEqual(loaded.lines, []);
      assert.equal(outstanding(loaded, 'page'), before);
    }
  }
});

test('the verifier refuses requests, poisons memory, and wants the old chain freed', async (t) => {
  const replaces = (free: boolean, next = 'copy.ipr_next = null;') => `
    export const firewallHook = (pData, _r, _s, _d, _c, _l, ppRcvBuf) => {
      const old = pData.value;
      const copy = made();
      if (copy === null) return DROP;
      if (IPAllocBuff(copy, 32) !== 1) { ExFreePool(copy); return DROP; }
      ${next}
      let at = 0;
      for (let part = old; part !== null; part = part.ipr_next) at += part.ipr_buffer.copy(copy.ipr_buffer, at, 0, part.ipr_size);
      ${free ? 'IPFreeBuff(old);' : ''}
      ppRcvBuf.value = copy;
      return FORWARD;
    };`;
  const on = async (text: string, verifier: Partial<VerifierSettings>) => {
    const loaded = await load(
      t,
      { 'one.ts': text },
      { verifier: { ...NO_VERIFIER, ...verifier }, onHookError: 'drop' },
    );
    for (let count = 0; count < 4; count++) await loaded.pass();
    return { lines: loaded.lines, passed: loaded.sent().length, left: loaded.sent()[0]?.equals(FRAME) };
  };
  assert.deepEqual(await on(replaces(false), {}), { lines: [], passed: 4, left: true });
  // Four packets ask eight times; every third request fails.
  assert.equal((await on(replaces(false), { lowResources: 3 })).passed, 2);
  assert.equal((await on(replaces(false), { lowResources: 0.999, seed: 1 })).passed, 0);
  assert.deepEqual(await on(replaces(false), { poison: true }), { lines: [], passed: 4, left: true });
  const forgot = await on(replaces(false, ''), { poison: true });
  assert.equal(forgot.passed, 0);
  assert.match(forgot.lines[0] ?? '', /handed over a chain that is not its own from the pool/);
  assert.deepEqual(await on(replaces(true), { oldChain: 'hook' }), { lines: [], passed: 4, left: true });
  const kept = await on(replaces(false), { oldChain: 'hook' });
  assert.equal(kept.passed, 0);
  assert.match(kept.lines[0] ?? '', /did not free the chain that stood for it/);
  const freed = await on(replaces(true), {});
  assert.equal(freed.passed, 0);
  assert.match(freed.lines[0] ?? '', /IPFreeBuff: a descriptor that the runtime lends/);
  const gone = 'export const firewallHook = (pData) => { IPFreeBuff(pData.value); return FORWARD; };';
  const broken = await on(gone, { oldChain: 'hook' });
  assert.equal(broken.passed, 0);
  assert.match(broken.lines[0] ?? '', /broke the chain that stands for the packet/);
});

test('a hook that wants more than it was granted is refused, with the key that would grant it', async (t) => {
  const wants = (needs: string): Record<string, string> => ({
    'wants.ts': `export default defineHook({ name: 'wants', needs: ${needs}, onPacket: () => FORWARD });`,
  });
  const rights = (message: RegExp) => ({ code: 'FIREHOOK_HOOK_RIGHTS', message });
  await assert.rejects(
    load(t, wants("{ network: ['tcp://192.0.2.7:443'] }")),
    rights(
      /hook wants wants to speak to "tcp:\/\/192\.0\.2\.7:443"; .*allow: \{ network: \["tcp:\/\/192\.0\.2\.7:443"\] \}/,
    ),
  );
  await assert.rejects(
    load(t, wants("{ files: ['a.txt'] }")),
    rights(/wants to read "a\.txt"; .*allow: \{ files: \["a\.txt"\] \}/),
  );
  await assert.rejects(
    load(t, wants("{ interfaces: ['ids0'] }")),
    rights(/wants to send frames out of "ids0"; .*allow: \{ interfaces: \["ids0"\] \}/),
  );
  await assert.rejects(load(t, wants('{ interfaces: [7] }')), { message: /needs\.interfaces: is no list of names/ });
  await assert.rejects(load(t, wants("{ network: ['tcp://example.org:443'] }")), {
    code: 'FIREHOOK_HOOK_INVALID',
    message: /needs\.network: "tcp:\/\/example\.org:443" is not valid; expected tcp:/,
  });
  await assert.rejects(load(t, wants('{ network: 7 }')), { message: /needs\.network: is no list of servers/ });
  // Options are what people wrote, or none: nobody has checked them before `needs` runs.
  await assert.rejects(load(t, wants('(options) => ({ files: [options.file] })')), {
    code: 'FIREHOOK_HOOK_SETUP',
    message: /wants\.ts: needs threw: Cannot read properties of undefined \(reading 'file'\)$/,
  });
  for (const no of ["async () => ({ network: ['tcp://192.0.2.7:443'] })", '() => 7']) {
    await assert.rejects(load(t, wants(no)), {
      code: 'FIREHOOK_HOOK_INVALID',
      message: /needs: returned no \{ files, network, interfaces \}/,
    });
  }
  const granted = { files: [], network: ['tcp://[2001:db8:0::7]:443'], interfaces: [] };
  const loaded = await load(t, wants("() => ({ network: ['tcp://[2001:db8::7]:443'] })"), { allow: granted });
  assert.equal(loaded.hooks.length, 1);
});

test('a hook sends frames out of the interfaces of the attaches and of those it was granted, and no others', async (t) => {
  const sends = `export default defineHook({ name: 'sends', onPacket: () => FORWARD,
    setup(_options, { inject, mirror, log }) {
      for (const to of ['lan0', 'ids0', 'ids1', 'local'])
        try { log('info', [to, inject(Buffer.alloc(60), to), mirror(to), mirror(to, 64)].join(' ')); }
        catch (error) { log('info', error.name + ' ' + error.message); }
    } });`;
  const asked: unknown[] = [];
  const loaded = await load(
    t,
    { 'sends.ts': sends },
    {
      interfaces: { lan0: 7, local: 0 },
      allow: { files: [], network: [], interfaces: ['ids0'] },
      frames: {
        inject: (frame, to, hook) => asked.push([frame.length, to, hook]) > 0,
        mirror: (to, octets, hook) => asked.push([octets > 65_535 ? 'all' : octets, to, hook]) < 0,
      },
    },
  );
  const refused = (to: string): string =>
    `sends: RangeError "${to}" is no interface that this hook may send frames out of; say needs: { interfaces: [...] }, and grant it`;
  assert.deepEqual(loaded.said, [
    'sends: lan0 true false false',
    'sends: ids0 true false false',
    refused('ids1'),
    refused('local'),
  ]);
  const of = (to: string) => [
    [60, to, 'sends'],
    ['all', to, 'sends'],
    [64, to, 'sends'],
  ];
  assert.deepEqual(asked, [...of('lan0'), ...of('ids0')]);
});

test('a hook is told what it runs for, and in which of how many lanes', async (t) => {
  const report = `export default defineHook({ name: 'tells', checkable: true, onPacket: () => FORWARD,
    setup(_options, { mode, lane, lanes, log }) { log('info', [mode, lane, lanes].join(' ')); } });`;
  for (const [place, said] of [
    [{}, 'live 0 1'],
    [{ mode: 'check', lane: 0, lanes: 4 }, 'check 0 4'],
    [{ mode: 'live', lane: 3, lanes: 4 }, 'live 3 4'],
  ] as const) {
    const loaded = await load(t, { 'tells.ts': report }, place);
    assert.deepEqual(loaded.said, [`tells: ${said}`]);
    loaded.teardown();
  }
});

test('a hook looks addresses up in the tables of the configuration, and sees the version that is in force', async (t) => {
  const tableOf = (cidr: string): ArrayBuffer =>
    buildPrefixTable([{ ...(parseCidr(cidr) ?? assert.fail()), value: 1 }]);
  const blocked = new PrefixTable(tableOf('192.0.2.0/24'));
  const loaded = await load(
    t,
    {
      'by-table.ts': `export default defineHook({
        name: 'by-table',
        setup(_options, { prefixes, log }) {
          const table = prefixes('blocked');
          log('info', 'size ' + table.size);
          return { onPacket: ({ source }) => (table.lookup(source) === 1 ? DROP : FORWARD) };
        },
      });`,
    },
    { tables: new Map([['blocked', blocked]]) },
  );
  assert.deepEqual(loaded.said, ['by-table: size 1']);
  const frame = ethernet({}, ipv4({ source: '192.0.2.1' }, udp()));
  const other = ethernet({}, ipv4({ source: '198.51.100.1' }, udp()));
  await loaded.pass(frame, other);
  assert.deepEqual(loaded.sent(), [other]);
  exchangeTable(blocked, tableOf('198.51.100.0/24'));
  await loaded.pass(frame, other);
  assert.deepEqual(loaded.sent().slice(1), [frame]);
});

test('a hook that wants a table that there is not is refused by name', async (t) => {
  const wants =
    "export default defineHook({ name: 'wants', setup(_, { prefixes }) { prefixes('bloked'); }, onPacket: () => DROP });";
  await assert.rejects(load(t, { 'wants.ts': wants }, { tables: new Map([['blocked', new PrefixTable()]]) }), {
    code: 'FIREHOOK_HOOK_SETUP',
    message: /wants\.ts: prefixes: the configuration has no table "bloked"; did you mean blocked\?$/,
  });
  await assert.rejects(load(t, { 'wants.ts': wants }), { message: /no table "bloked"; it has none$/ });
});
