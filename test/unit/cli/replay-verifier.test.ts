/**
 * `firehook replay` with the verifier, and its table of the pool, by the command on real files.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { lines, runFirehook } from './run-firehook.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-verifier-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

/** Prints the sizes of the buffers of each packet. */
const SIZES = file(
  'sizes.ts',
  `import { FORWARD } from 'firehook';
   export const firewallHook = (pData) => {
     const sizes = [];
     for (let at = pData.value; at !== null; at = at.ipr_next) sizes.push(at.ipr_size);
     console.log('sizes ' + sizes.join(' '));
     return FORWARD;
   };`,
);

/** Allocates for each packet, frees what it got, and says when it got nothing. */
const ALLOCATES = file(
  'allocates.ts',
  `import { ExAllocatePoolWithTag, ExFreePool, FORWARD, NonPagedPool } from 'firehook';
   let seen = 0;
   export const firewallHook = () => {
     const block = ExAllocatePoolWithTag(NonPagedPool, 100, 'tseT');
     console.log('got ' + (block === null ? 'nothing' : 'a block'));
     if (block !== null && ++seen !== 1) ExFreePool(block);
     return FORWARD;
   };`,
);

function said(stderr: string, what: string): string[] {
  return Array.from(stderr.matchAll(new RegExp(`^${what} (.*)$`, 'gm')), ([, text = '']) => text);
}

describe('--verifier', () => {
  test('cuts the chains of packets, which leave as they came, and the report says by which seed', () => {
    const output = path.join(folder, 'out.pcap');
    const args = ['--hook', SIZES, '--verifier', 'chains=random'];
    const first = runFirehook('replay', DEMO, '-w', output, ...args);
    assert.equal(first.code, 0, first.stderr);
    assert.ok(readFileSync(output).equals(readFileSync(DEMO)));
    const seed = /^The verifier \(chains random, oldChain runtime, seed (\d+)\) cut 24 chains/m.exec(first.stdout)?.[1];
    assert.ok(seed !== undefined, first.stdout);
    assert.match(first.stdout, /^Hooks were at fault 0 times\.$/m);
    const again = runFirehook('replay', DEMO, ...args, '--verifier', `seed=${seed}`);
    assert.deepEqual(said(again.stderr, 'sizes'), said(first.stderr, 'sizes'));
    assert.ok(said(first.stderr, 'sizes').some((sizes) => sizes.includes(' ')));
  });

  test('wins over the configuration, whose other keys stay', () => {
    const config = file(
      'verified.yaml',
      JSON.stringify({
        attach: [{ tap: 'lo' }],
        hooks: [{ module: ALLOCATES }],
        verifier: { lowResources: 2, seed: 3, poison: true },
      }),
    );
    const own = JSON.parse(runFirehook('replay', DEMO, '-c', config, '--json').stdout) as ReplayReport;
    assert.deepEqual([own.verifier?.lowResources, own.verifier?.seed, own.verifier?.poison], [2, 3, true]);
    assert.match(own.verifier?.report ?? '', /refused 12 of 24 requests\.$/);
    const { stdout, stderr } = runFirehook('replay', DEMO, '-c', config, '--verifier', 'lowResources=4', '--json');
    const { verifier } = JSON.parse(stdout) as ReplayReport;
    assert.deepEqual([verifier?.lowResources, verifier?.seed, verifier?.poison], [4, 3, true]);
    assert.equal(said(stderr, 'got').filter((what) => what === 'nothing').length, 6);
  });

  test('is refused in the words of the configuration', () => {
    for (const [pairs, why] of [
      [['chains=octet'], /verifier\.chains: "octet" is not valid; expected whole, header, random or octets/],
      [['chain=octets'], /verifier\.chain: unknown key; did you mean chains\?/],
      [['seed=-1', 'poison=maybe'], /verifier\.seed: -1 is not valid.*verifier\.poison: "maybe" is not valid/],
      [['seed='], /verifier\.seed: is empty/],
      [['octets'], /--verifier "octets" is not valid; expected KEY=VALUE/],
    ] as const) {
      const { code, stdout, stderr } = runFirehook('replay', DEMO, ...pairs.flatMap((pair) => ['--verifier', pair]));
      assert.equal(code, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, why);
      assert.equal(lines(stderr).length, 1, stderr);
    }
  });
});

describe('the table of the pool', () => {
  test('has the rows of firehook pool, and what a hook has not freed', () => {
    const { stdout } = runFirehook('replay', DEMO, '--hook', ALLOCATES);
    const rows = lines(stdout).map((line) => line.trim().split(/ +/).join(' '));
    assert.deepEqual(rows.slice(rows.indexOf('The ledger adds up.') + 1), [
      '',
      '100 of 67,108,864 octets in use; 0 misuses refused',
      'Tag Type Allocs Frees Diff Bytes Per Alloc',
      'TCPb Nonp 0 0 0 0 0',
      'TCPf Nonp 0 0 0 0 0',
      'Test Nonp 24 23 1 100 100',
      '',
      'hook not freed octets',
      'allocates 1 100',
    ]);
  });

  test('is in the text only where the pool was used, and always in --json', () => {
    const { stdout } = runFirehook('replay', DEMO);
    assert.equal(lines(stdout).at(-1), 'The ledger adds up.');
    const { pool, verifier } = JSON.parse(runFirehook('replay', DEMO, '--json').stdout) as ReplayReport;
    const empty = { type: 'Nonp', allocs: 0, frees: 0, diff: 0, bytes: 0, perAlloc: 0 };
    const tags = ['TCPb', 'TCPf'].map((tag) => ({ tag, ...empty }));
    assert.deepEqual(pool, { bytesInUse: 0, limitBytes: 67_108_864, refused: 0, tags, leaked: [] });
    assert.equal(verifier, null);
  });
});
