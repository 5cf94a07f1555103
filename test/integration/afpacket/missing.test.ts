/**
 * A copy of firehook without a part that it needs: without the addon every driver says so; without a part that only one driver
 * needs, that driver says so and the other works; and `doctor` tells them apart.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DoctorReport } from '../../../src/cli/doctor.ts';
import { assertPings, PATIENCE_MS } from '../../support/live.ts';
import { hostLab, rootOnly, waitFor } from '../../support/netns.ts';
import { socket as runSocket } from '../host/live-host.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

test('without the addon every driver is refused, with the paths that were tried', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await hostLab(t);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-missing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  for (const part of ['bin', 'dist', 'package.json'])
    await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  const socket = path.join(folder, 'firehook.sock');
  const config = async (driver: string): Promise<string> => {
    const file = path.join(folder, `${driver}.yaml`);
    await writeFile(file, JSON.stringify({ attach: [{ host: 'eth0' }], driver, control: { socket } }));
    return file;
  };
  const firehookd = path.join(folder, 'bin/firehookd');
  const addon =
    /native addon; tried (\S+): not there; (\S+): not there; build it here, .*: cd (\S+) && npm run build:native(?:"|$)/m;

  for (const driver of ['afpacket', 'pcap'])
    await t.test(`${driver} ends with what is missing, and changes nothing`, async () => {
      const before = await ns.host.output('sh', ['-c', 'ls /sys/class/net; nft list ruleset']);
      const { code, stdout, stderr } = await ns.host.run(firehookd, ['-c', await config(driver)], {
        timeoutMs: PATIENCE_MS,
      });
      assert.equal(code, 1, stdout + stderr);
      const [, first, second, root] = addon.exec(stdout + stderr) ?? [];
      assert.deepEqual(
        [first, second, root],
        [
          path.join(folder, 'src/native/build/Release/firehook.node'),
          path.join(folder, `prebuilds/linux-${process.arch}-glibc/firehook.node`),
          folder,
        ],
        stdout + stderr,
      );
      assert.equal(await ns.host.output('sh', ['-c', 'ls /sys/class/net; nft list ruleset']), before);
    });

  await t.test('doctor fails, whatever driver the configuration has', async () => {
    for (const args of [[], ['-c', await config('afpacket')], ['-c', await config('pcap')]]) {
      const command = [path.join(folder, 'bin/firehook'), 'doctor', '--json', ...args];
      const { stdout } = await ns.host.run(process.execPath, command, { timeoutMs: PATIENCE_MS });
      const found = (JSON.parse(stdout) as DoctorReport).checks.find(({ name }) => name === 'native addon');
      assert.equal(found?.status, 'fail', stdout);
      assert.match(found?.detail ?? '', /tried .*firehook\.node/);
      assert.match(found?.advice ?? '', /npm run build:native/);
    }
  });
});

test('without npm pcap and npm raw-socket driver: afpacket works on a host, and only driver: pcap is refused', {
  skip: rootOnly('ping'),
}, async (t) => {
  const { ns } = await hostLab(t);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-missing-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const built = ['firehook.node', 'firehook-launch'].map((name) => `src/native/build/Release/${name}`);
  for (const part of ['bin', 'dist', 'hooks', 'package.json', ...built])
    await cp(path.join(ROOT, part), path.join(folder, part), { recursive: true });
  // Copies: a lane reads what lies in its own folder, and not where a link leads.
  const lock = JSON.parse(await readFile(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>;
  };
  for (const [place, { dev = false }] of Object.entries(lock.packages)) {
    if (place === '' || dev || /node_modules\/(?:pcap|raw-socket)$/.test(place)) continue;
    if (existsSync(path.join(ROOT, place))) {
      await cp(path.join(ROOT, place), path.join(folder, place), { recursive: true });
    }
  }
  await chmod(folder, 0o755);
  const hooks = [{ module: path.join(folder, 'hooks/reject-port.ts'), options: { protocol: 'udp', ports: [4000] } }];
  const socket = path.join(folder, 'firehook.sock');
  const config = async (driver: string): Promise<string> => {
    const file = path.join(folder, `${driver}.yaml`);
    await writeFile(
      file,
      JSON.stringify({ attach: [{ host: 'eth0' }], driver, hooks, trustWritable: true, control: { socket } }),
    );
    return file;
  };
  const firehookd = path.join(folder, 'bin/firehookd');

  await t.test('afpacket works, ICMP errors included', async () => {
    const running = ns.host.spawn(firehookd, ['-c', await config('afpacket')]);
    await waitFor(() => (running.stdout + running.stderr).includes('Attached to') || !running.isRunning, {
      what: 'firehookd',
      timeoutMs: PATIENCE_MS,
    });
    assert.ok(running.isRunning, running.stdout + running.stderr);
    await assertPings(ns.peer, '10.78.0.1', 'fd78::1');
    assert.equal(await runSocket(ns.peer, 'udp-ask', '10.78.0.1', '4000', 'cafe', '--timeout', '20'), 'EHOSTUNREACH');
    assert.equal(await runSocket(ns.peer, 'udp-ask', 'fd78::1', '4000', 'cafe', '--timeout', '20'), 'EACCES');
    assert.equal((await running.stop(PATIENCE_MS)).code, 0);
  });

  await t.test('pcap ends with the package that is missing', async () => {
    const { code, stdout, stderr } = await ns.host.run(firehookd, ['-c', await config('pcap')], {
      timeoutMs: PATIENCE_MS,
    });
    assert.equal(code, 1, stdout + stderr);
    assert.match(
      stdout + stderr,
      new RegExp(`cannot load the driver: npm pcap: .*libpcap-dev, then run: cd ${folder} && npm install --omit=dev`),
    );
  });

  await t.test('doctor fails with a configuration that says pcap, and warns without one', async () => {
    for (const [args, status] of [
      [[], 'warn'],
      [['-c', await config('pcap')], 'fail'],
      [['-c', await config('afpacket')], 'warn'],
    ] as const) {
      const command = [path.join(folder, 'bin/firehook'), 'doctor', '--json', ...args];
      const { stdout } = await ns.host.run(process.execPath, command, { timeoutMs: PATIENCE_MS });
      const { checks } = JSON.parse(stdout) as DoctorReport;
      for (const name of ['npm pcap', 'npm raw-socket']) {
        const found = checks.find((check) => check.name === name);
        assert.equal(found?.status, status, stdout);
        assert.match(found?.detail ?? '', /needed by driver: pcap/);
        assert.notEqual(found?.advice, '');
      }
      const addon = checks.find((check) => check.name === 'native addon');
      assert.equal(addon?.status, 'ok', stdout);
      assert.match(addon?.detail ?? '', /needed by firehookd/);
    }
  });
});
