/**
 * What a service manager hears, by a real socket of either kind; and that one who does not listen changes nothing.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { loadNative } from '../../../src/native/load-native.ts';
import { Notifier } from '../../../src/supervisor/notify.ts';
import { givesVerdicts, type ServiceView, statusLine, watchService } from '../../../src/supervisor/service-watch.ts';
import { manage } from '../../support/notified.ts';
import { waitFor } from '../../support/wait-for.ts';
import { SimulatedClock } from './simulated-world.ts';

const native = loadNative();
const NEVER = (reason: string): void => assert.fail(reason);

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-notify-'));
test.after(() => rmSync(folder, { recursive: true }));

for (const [kind, address] of [
  ['a path', path.join(folder, 'manager')],
  ['an abstract name', `@firehook-test-${process.pid}`],
] as const) {
  test(`every message comes whole and in order to ${kind}`, async (t) => {
    const manager = await manage(address);
    t.after(() => manager.process.kill('SIGKILL'));
    const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: '2000000', WATCHDOG_PID: `${process.pid}` };
    const notifier = new Notifier(env, native, NEVER);
    assert.equal(notifier.watchdogMs, 2000);
    notifier.ready('running; the hooks decide\nabout eth0');
    notifier.status('running; the hooks decide about eth0');
    notifier.reloading();
    notifier.status('x'.repeat(1000));
    notifier.watchdog();
    notifier.stopping();
    await waitFor(() => manager.messages.length === 5, { what: 'five messages' });
    const [ready, reloading = '', status, watchdog, stopping] = manager.messages;
    assert.equal(ready, 'READY=1\nSTATUS=running; the hooks decide about eth0');
    const [, since] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)$/.exec(reloading) ?? [];
    assert.ok(BigInt(since ?? -1) > 0n && BigInt(since ?? -1) <= process.hrtime.bigint() / 1000n, reloading);
    assert.equal(status, `STATUS=${'x'.repeat(300)}`);
    assert.equal(watchdog, 'WATCHDOG=1');
    assert.equal(stopping, 'STOPPING=1\nSTATUS=Stopping');
  });
}

test('without a manager nothing is sent, and one that cannot be reached is told of once', () => {
  for (const address of [undefined, '', 'vsock:2:1', 'relative', '/', '@']) {
    const notifier = new Notifier({ NOTIFY_SOCKET: address, WATCHDOG_USEC: '1000000' }, native, NEVER);
    assert.equal(notifier.watchdogMs, null, address);
    notifier.ready('running');
    notifier.watchdog();
  }
  const reasons: string[] = [];
  for (const address of [path.join(folder, 'nobody'), `/${'x'.repeat(107)}`]) {
    const notifier = new Notifier({ NOTIFY_SOCKET: address }, native, (reason) => reasons.push(reason));
    notifier.ready('running');
    notifier.stopping();
  }
  assert.equal(reasons.length, 2);
  assert.match(reasons[0] ?? '', /No such file or directory/);
  assert.match(reasons[1] ?? '', /File name too long/);
});

test('a watchdog of another process, or of no time, is nobody to feed', () => {
  const env = { NOTIFY_SOCKET: '@x' };
  assert.equal(new Notifier({ ...env, WATCHDOG_USEC: '1000000', WATCHDOG_PID: '1' }, native, NEVER).watchdogMs, null);
  assert.equal(new Notifier({ ...env, WATCHDOG_USEC: '0' }, native, NEVER).watchdogMs, null);
  assert.equal(new Notifier({ ...env, WATCHDOG_USEC: 'soon' }, native, NEVER).watchdogMs, null);
});

test('a manager that does not read costs messages, and no time', async (t) => {
  const address = path.join(folder, 'slow');
  const manager = await manage(address);
  t.after(() => manager.process.kill('SIGKILL'));
  manager.process.kill('SIGSTOP');
  let refused = 0;
  // More than any queue of datagrams holds (net.unix.max_dgram_qlen).
  for (let sent = 0; sent < 100_000 && refused === 0; sent++)
    if (!native.notify(address, Buffer.from('x'))) refused += 1;
  assert.equal(refused, 1);
  new Notifier({ NOTIFY_SOCKET: address }, native, NEVER).ready('running');
});

const BRIDGE = { interfaces: ['lan0', 'wan0'], isAttached: true, inForce: 'hooks' } as const;
const HOST = { interfaces: ['eth0'], isAttached: true, inForce: 'hooks' } as const;

test('the watchdog is fed while the hooks have all traffic that there is, and not otherwise', async () => {
  let view: ServiceView = { state: 'running', attaches: [BRIDGE, HOST] };
  const said: string[] = [];
  const notifier = new Notifier(
    { NOTIFY_SOCKET: '@x', WATCHDOG_USEC: '1000000' },
    { notify: (_address, octets) => said.push(Buffer.from(octets).toString()) > 0 },
    NEVER,
  );
  const clock = new SimulatedClock();
  const live: ServiceView = {
    get state() {
      return view.state;
    },
    get attaches() {
      return view.attaches;
    },
  };
  const end = watchService(live, notifier, clock);
  await clock.advance(1_000);
  assert.deepEqual(said.splice(0), [
    'STATUS=running; the hooks decide about lan0 and wan0, eth0',
    ...['WATCHDOG=1', 'WATCHDOG=1', 'WATCHDOG=1'],
  ]);
  view = { state: 'lane-down', attaches: [{ ...BRIDGE, inForce: 'drop' }, HOST] };
  await clock.advance(10_000);
  assert.deepEqual(said.splice(0), ['STATUS=lane-down; the hooks decide about eth0; they do not about lan0 and wan0']);
  view = { state: 'waiting-for-interface', attaches: [{ ...BRIDGE, isAttached: false, inForce: 'drop' }, HOST] };
  await clock.advance(500);
  assert.equal(said.splice(0).at(-1), 'WATCHDOG=1', 'what is not there needs no hooks');
  end();
  await clock.advance(10_000);
  assert.deepEqual(said, []);
  assert.equal(givesVerdicts({ state: 'running', attaches: [] }), true);
  assert.equal(statusLine({ state: 'starting', attaches: [] }), 'starting');
});
