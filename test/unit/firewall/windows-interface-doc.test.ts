/**
 * The guide to the Windows interface: its example runs as it is printed, and it names every function.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { IPPacketFirewallPtr, Ref } from '../../../src/firewall/constants.ts';
import {
  DEST_REMOTE,
  DROP,
  FORWARD,
  IP_RECEIVE,
  IP_TRANSMIT,
  LOCAL_IF_INDEX,
  SIZEOF_FIREWALL_CONTEXT_T,
} from '../../../src/firewall/constants.ts';
import { setPoolLimit, systemPool } from '../../../src/firewall/ddk.ts';
import { gatherChain, IPRcvBuf } from '../../../src/firewall/ip-rcv-buf.ts';
import { codeBlocks, compilerProblems } from '../../support/documents.ts';

const GUIDE = readFileSync(new URL('../../../docs/windows-interface.md', import.meta.url), 'utf8');

/** IPv4 192.0.2.1 to 192.0.2.2, protocol 253, TOS 0xb8, two octets of payload; made by hand, checksum by RFC 1071. */
const BEFORE = Buffer.from('45b800160001000040fdf52ec0000201c0000202aabb', 'hex');
/** The same with TOS 0: the checksum grows by 0x00b8. */
const AFTER = Buffer.from('450000160001000040fdf5e6c0000201c0000202aabb', 'hex');

async function loadExample(): Promise<IPPacketFirewallPtr> {
  const source = /```ts\n(.*?)```/s.exec(GUIDE)?.[1] ?? '';
  const runtime = new URL('../../../src/index.ts', import.meta.url).href;
  const folder = mkdtempSync(join(tmpdir(), 'firehook-guide-'));
  try {
    const file = join(folder, 'example.mts');
    writeFileSync(file, source.replaceAll("'firehook'", `'${runtime}'`));
    const { firewallHook } = (await import(pathToFileURL(file).href)) as { firewallHook: IPPacketFirewallPtr };
    return firewallHook;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function lent(...pieces: Buffer[]): IPRcvBuf | null {
  return pieces.reduceRight<IPRcvBuf | null>((next, piece) => {
    return Object.assign(new IPRcvBuf(), { ipr_next: next, ipr_buffer: piece, ipr_size: piece.length });
  }, null);
}

function call(hook: IPPacketFirewallPtr, data: IPRcvBuf | null, direction: 0 | 1): [number, IPRcvBuf | null] {
  const ppRcvBuf: Ref<IPRcvBuf | null> = { value: null };
  const context = { Direction: direction, NTE: null, LinkCtxt: null, LContext1: null, LContext2: 0 };
  const verdict = hook(
    { value: data },
    LOCAL_IF_INDEX,
    { value: 2 },
    { value: DEST_REMOTE },
    context,
    SIZEOF_FIREWALL_CONTEXT_T,
    ppRcvBuf,
  );
  return [verdict, ppRcvBuf.value];
}

test('the compiler takes the example', () => {
  const folder = mkdtempSync(join(tmpdir(), 'firehook-guide-'));
  try {
    const file = join(folder, 'example.ts');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(file, codeBlocks(GUIDE, 'ts').join('\n'));
    assert.deepEqual(compilerProblems([file]), []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the example replaces what the host sends, however the chain is cut, and leaks nothing', async () => {
  const hook = await loadExample();
  const octets = Array.from(BEFORE, (octet) => Buffer.of(octet));
  for (const pieces of [[BEFORE], [BEFORE.subarray(0, 20), BEFORE.subarray(20)], octets]) {
    const [verdict, replacement] = call(hook, lent(...pieces), IP_TRANSMIT);
    assert.equal(verdict, FORWARD);
    assert.equal(systemPool.isOwnedChain(replacement), true);
    const target = Buffer.alloc(AFTER.length);
    assert.equal(gatherChain(replacement, target, 0), AFTER.length);
    assert.equal(target.toString('hex'), AFTER.toString('hex'));
    assert.equal(systemPool.release(replacement), true);
  }
  assert.deepEqual(call(hook, lent(BEFORE), IP_RECEIVE), [FORWARD, null]);
  assert.deepEqual(call(hook, null, IP_TRANSMIT), [FORWARD, null]);
  assert.equal(systemPool.totals().bytesInUse, 0);
});

test('the example drops and leaks nothing when the pool is exhausted, at either allocation', async () => {
  const hook = await loadExample();
  const limit = systemPool.limitBytes;
  for (const small of [0, 64]) {
    setPoolLimit(small);
    assert.deepEqual(call(hook, lent(BEFORE), IP_TRANSMIT), [DROP, null]);
    assert.equal(systemPool.totals().bytesInUse, 0);
  }
  setPoolLimit(limit);
});

test('the guide names every function, and what is not supported', () => {
  const names = [
    'ExAllocatePoolWithTag',
    'ExFreePool',
    'ExFreePoolWithTag',
    'IPAllocBuff',
    'IPFreeBuff',
    'FreeIprBuff',
  ];
  for (const name of [...names, ...Object.keys(new IPRcvBuf()).filter((member) => member !== 'ipr_next')]) {
    assert.ok(GUIDE.includes(`\`${name}`), name);
  }
  assert.ok(GUIDE.includes('- **`LookupRouteInformation`**.'));
});
