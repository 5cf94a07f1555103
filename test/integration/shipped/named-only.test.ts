/**
 * Promise: the hook of `docs/hook-packet-changes.md` that keeps a packet, asks a server and sends the copy does so in a real lane, with the
 * rights that the page grants it.
 *
 * Rule: hook and grants are taken from the page; only the address of the server is that of the lab.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { startDaemon } from '../../support/daemon.ts';
import { codeBlocks, ROOT } from '../../support/documents.ts';
import { assertAddsUp, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';

const PAGE = readFileSync(path.join(ROOT, 'docs/hook-packet-changes.md'), 'utf8');
const DNS_OF_THE_PAGE = '192.0.2.53';
const DNS_OF_THE_LAB = '10.78.0.2';
const NAMED = '10.78.0.2';
const NAMELESS = '10.78.0.3';

function inTheLab(text: string): string {
  return text.replaceAll(DNS_OF_THE_PAGE, DNS_OF_THE_LAB);
}

test('a host with a name is reached, one without is not, and nothing is left in the pool', {
  skip: rootOnly('dnsmasq', 'curl', 'ip'),
}, async (t) => {
  const [hook = ''] = codeBlocks(PAGE, 'ts').filter((code) => code.includes("name: 'named-only'"));
  const [config = ''] = codeBlocks(PAGE, 'yaml').filter((code) => code.includes('named-only'));
  const { ns } = await hostLab(t);
  await ns.peer.output('ip', ['address', 'add', `${NAMELESS}/24`, 'dev', 'eth0']);
  const quiet = ['--no-daemon', '--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--user=root', '--pid-file='];
  const dns = ns.peer.spawn('dnsmasq', [...quiet, `--host-record=server.test,${NAMED}`]);
  const web = ns.peer.node([
    '-e',
    `require('http').createServer((_, a) => a.end('served')).listen(8080, '0.0.0.0', () => console.log('ready'))`,
  ]);
  await waitFor(() => (dns.stdout + dns.stderr).includes('started'), { what: 'dnsmasq', timeoutMs: PATIENCE_MS });
  await waitFor(() => web.stdout.includes('ready'), { what: 'the web server', timeoutMs: PATIENCE_MS });

  const { hooks } = parse(inTheLab(config)) as { hooks: object[] };
  const daemon = await startDaemon(
    ns.host,
    { attach: [{ host: 'eth0' }], hooks },
    { files: { 'named-only.ts': inTheLab(hook) }, timeoutMs: PATIENCE_MS },
  );
  const get = (address: string) => ns.host.run('curl', ['-sS', '-m', '10', `http://${address}:8080/`]);
  assert.equal((await get(NAMED)).stdout, 'served', daemon.log);
  assert.notEqual((await get(NAMELESS)).code, 0);
  await assertAddsUp(daemon);
  await waitFor(async () => (await daemon.cli('pool')).stdout.startsWith('0 of '), {
    what: 'every copy given back',
    timeoutMs: PATIENCE_MS,
  });
  const { stdout } = await daemon.cli('stats');
  assert.match(stdout, /made by hooks/);
  assert.doesNotMatch(daemon.log, /"level":"error"/);
  assert.equal(await daemon.stop(), 0);
});
