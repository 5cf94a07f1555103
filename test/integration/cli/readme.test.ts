/**
 * The first hour of README.md as a newcomer types it: the server is heard before, refused after, and nothing stays behind.
 *
 * Rule: the commands are those of the page, in its order. The page names its namespaces `client`, `firewall` and `server`, and the daemon
 * its default socket; the shell of the test has a `/run/netns` and a `/run/firehook` of its own, so that nobody else's are met.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { codeBlocks, ROOT } from '../../support/documents.ts';
import { rootOnly } from '../../support/netns.ts';
import { finish, startProcess } from '../../support/processes.ts';

const TIMEOUT_MS = 180_000;
const README = readFileSync(path.join(ROOT, 'README.md'), 'utf8');

function block(words: string): string {
  const found = codeBlocks(README, 'sh').filter((code) => code.includes(words));
  assert.equal(found.length, 1, `one block with ${words}`);
  return found[0] ?? '';
}

test('README shows a server that is heard before, and refused with firehook in between', {
  skip: rootOnly('curl', 'ping', 'unshare'),
}, async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-readme-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const [config = ''] = codeBlocks(README, 'yaml');
  const [hook = ''] = codeBlocks(README, 'ts');
  writeFileSync(path.join(folder, 'firehook.yaml'), config);
  writeFileSync(path.join(folder, 'no-telnet.ts'), hook);
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  const script = `
    for own in /run/netns /run/firehook; do mkdir -p $own; mount -t tmpfs -o mode=755 none $own; done
    ln -s ${ROOT}/bin bin
    trap 'kill $(jobs -p) 2>/dev/null' EXIT
    set -e
    ${block('ip netns add $host')}
    until ip netns exec server ss -ltn | grep -q ':23 '; do sleep 0.1; done
    ${block('type bridge')}
    { ${block('ip netns exec firewall bin/firehookd')} } 2>log &
    daemon=$!
    until grep -q 'Attached to bridge lan0 and wan0' log; do kill -0 $daemon; sleep 0.1; done
    set +e
    ${block('ping -c 1 10.77.0.2')}
    kill -INT $(ip netns pids firewall | head -n 1)
    wait $daemon || echo "firehookd: exit code $?"
    ${block('ip netns del $host')}
    ip netns list`;
  writeFileSync(path.join(folder, 'script'), script);
  const running = startProcess('unshare', ['--mount', 'bash', '-c', `cd ${folder} && . ./script`]);
  const { code, stdout, stderr } = await finish(running, TIMEOUT_MS);
  const log = readFileSync(path.join(folder, 'log'), 'utf8');
  assert.equal(code, 0, stdout + stderr + log);
  const [before = '', after = ''] = stdout.split(/^PING.*$/m);
  assert.equal(before, 'hello\n', 'heard without firehook');
  assert.match(after, /^1 packets transmitted, 1 received/m);
  assert.match(stderr, /^curl: \(7\) Failed to connect to 10\.77\.0\.2 port 23/m);
  assert.match(after, /^no-telnet +0 +1$/m);
  assert.match(after, /The ledger adds up\.\n$/, 'nothing stays behind');
  assert.match(log, /everything was taken back/);
});
