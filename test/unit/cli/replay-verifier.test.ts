/**
 * `firehook replay` does what `verifier:` in the configuration says, and tells what it made happen.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import type { ReplayReport } from '../../../src/cli/replay.ts';
import { ROOT } from '../../support/documents.ts';
import { runFirehook } from './run-firehook.ts';

const DEMO = path.join(ROOT, 'test/fixtures/demo.pcap');
/** At fault where a buffer has more than one octet. */
const HOOK = `import { FORWARD } from 'firehook';
export const firewallHook = (pData) => {
  for (let at = pData.value; at !== null; at = at.ipr_next) if (at.ipr_size > 1) throw new Error('a long buffer');
  return FORWARD;
};
`;

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-verifier-'));
// Root's hooks become another user before they are set up.
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function replay(verifier: object): { report: ReplayReport; stderr: string } {
  writeFileSync(path.join(folder, 'looks.ts'), HOOK);
  const config = path.join(folder, 'firehook.yaml');
  writeFileSync(config, JSON.stringify({ attach: [{ tap: 'eth0' }], hooks: [{ module: './looks.ts' }], verifier }));
  const output = path.join(folder, 'out.pcap');
  const { code, stdout, stderr } = runFirehook('replay', DEMO, '-c', config, '-w', output, '--json');
  assert.equal(code, 0, stderr);
  return { report: JSON.parse(stdout) as ReplayReport, stderr };
}

describe('firehook replay with a verifier', () => {
  test('cuts the chains, writes what passes as it came, and says how many it cut', () => {
    const { report, stderr } = replay({ chains: 'octets', seed: 7 });
    assert.equal(report.hooks[0]?.faults, 0);
    assert.ok(readFileSync(path.join(folder, 'out.pcap')).equals(readFileSync(DEMO)));
    const line = `firehook: The verifier (chains octets, oldChain runtime, seed 7) cut ${report.hooks[0]?.seen} chains and refused 0 of 0 requests.`;
    assert.ok(stderr.includes(line), stderr);
  });

  test('says nothing where it is off, and then cuts nothing', () => {
    const { report, stderr } = replay({ seed: 7 });
    assert.notEqual(report.hooks[0]?.faults, 0);
    assert.doesNotMatch(stderr, /The verifier/);
  });
});
