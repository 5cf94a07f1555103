/**
 * Promise: what npm publishes works where npm runs no install script and has no compiler: types, replay, doctor, and the demo with
 * `driver: afpacket`.
 *
 * The package is packed, installed into a folder of its own by the npm of this machine, and used from there; nothing of the checkout is.
 * With another Node.js first in PATH it is that one which is tried: `PATH=/opt/node24/bin:$PATH node --import tsx --test THIS FILE`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DemoReport } from '../../../src/cli/demo.ts';
import type { DoctorReport } from '../../../src/cli/doctor.ts';
import { rootOnly } from '../../support/netns.ts';
import { finish, startProcess } from '../../support/processes.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');
const TIMEOUT_MS = 150_000;
const MOST_OCTETS = 2_250_000;

/** The hook of README, with a look at octets and at the door of drivers. */
const HOOK = `import { defineHook, FORWARD, ICMP_ON_DROP, type Packet } from 'firehook';
import { DbgPrint, type DRIVER_OBJECT } from 'firehook/ddk';

const TELNET = 23;
const first = (packet: Packet): number => packet.bytes.readUInt8(0) + packet.bytes.subarray(2, 4).readUInt16BE(0);

export const unload = (driver: DRIVER_OBJECT): void => void DbgPrint('%s', typeof driver);

export default defineHook({
  name: 'mine',
  onPacket(packet) {
    return packet.protocol === 6 && packet.destinationPort === TELNET && first(packet) > 0 ? ICMP_ON_DROP : FORWARD;
  },
});
`;

/** A test of it, as JavaScript: nothing of Node.js has to read types. */
const HOOK_TEST = `import { defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
import { assertForwarded, assertRejected, ipv4, ipv6, openLab, tcp } from 'firehook/testing';

const mine = defineHook({ name: 'mine', onPacket: ({ tcp }) => (tcp?.destinationPort === 23 ? ICMP_ON_DROP : FORWARD) });

const lab = await openLab(mine);
assertRejected(await lab.send(ipv6({}, tcp({ destinationPort: 23 }))), 'mine');
assertForwarded(await lab.send(ipv4({}, tcp({ destinationPort: 80 }))));
await lab.close();
console.log(lab.counters('mine').seen);
`;

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly files: readonly { readonly path: string }[];
}

async function run(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return finish(startProcess(command, [...args], { cwd }), TIMEOUT_MS);
}

async function succeed(command: string, args: readonly string[], cwd: string): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd);
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

test('the packed package, installed with no install script', {
  skip: rootOnly('curl', 'aarch64-linux-gnu-g++'),
}, async (t) => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'firehook-packed-'));
  // Hooks are read by the user of the lanes.
  chmodSync(folder, 0o755);
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await succeed('packaging/prebuilt', ['x64', 'arm64'], ROOT);
  await succeed('npm', ['run', '--silent', 'build:manual'], ROOT);
  const packed = await succeed('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT);
  const [{ filename, size, files }] = JSON.parse(packed) as [Packed];
  const prefix = path.join(folder, 'prefix');
  const tarball = path.join(folder, filename);
  const install = ['install', '--global', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  await succeed('npm', [...install, '--prefix', prefix, tarball], folder);
  const installed = path.join(prefix, 'lib/node_modules/firehook');
  const firehook = path.join(prefix, 'bin/firehook');
  const hooks = path.join(folder, 'etc/firehook/hooks');
  mkdirSync(hooks, { recursive: true });
  writeFileSync(path.join(hooks, 'mine.ts'), HOOK);

  await t.test('is small, has its documents, and runs nothing when it is installed', () => {
    assert.ok(size < MOST_OCTETS, `${size} octets`);
    const names = new Set(files.map((file) => file.path));
    for (const name of [
      ...[
        'LICENSE',
        'README.md',
        'docs/security.md',
        'docs/configuration.md',
        'dist/index.d.ts',
        'dist/ddk/index.d.ts',
        'dist/testing/index.d.ts',
      ],
      ...[
        'config/firehook.service',
        'config/hook.tsconfig.json',
        'man/firehook.1',
        'man/firehookd.8',
        'man/firehook.yaml.5',
      ],
      ...['x64', 'arm64'].flatMap((cpu) =>
        ['firehook.node', 'firehook-launch'].map((file) => `prebuilds/linux-${cpu}-glibc/${file}`),
      ),
    ]) {
      assert.ok(names.has(name), `${name} is missing`);
    }
    assert.deepEqual(
      [...names].filter((name) => /^(?:test|packaging|\.ci)\/|^package-lock/.test(name)),
      [],
    );
    const { scripts = {}, private: isPrivate } = JSON.parse(
      readFileSync(path.join(installed, 'package.json'), 'utf8'),
    ) as {
      scripts?: Record<string, string>;
      private?: boolean;
    };
    assert.deepEqual(
      Object.keys(scripts).filter((name) => /^(?:pre|post)?install$/.test(name)),
      [],
    );
    assert.equal(isPrivate, undefined);
    assert.ok(!existsSync(path.join(installed, 'node_modules/pcap/build')));
  });

  await t.test('every document that README links to is there', () => {
    const links = [...readFileSync(path.join(installed, 'README.md'), 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)];
    assert.ok(links.length > 20);
    // What is for those who change firehook stays in the checkout.
    const missing = links.map(([, link = '']) => link).filter((link) => !existsSync(path.join(installed, link)));
    assert.deepEqual([...new Set(missing)], []);
  });

  await t.test('a hook in any folder compiles without @types/node, and its mistakes are found', async () => {
    const project = path.dirname(hooks);
    const settings = { extends: path.join(installed, 'config/hook.tsconfig.json'), include: ['hooks'] };
    const configs: readonly (readonly [string, object])[] = [
      ['bundler', { skipLibCheck: false }],
      ['nodenext', { skipLibCheck: false, module: 'NodeNext', moduleResolution: 'NodeNext' }],
    ];
    for (const [name, compilerOptions] of configs) {
      const file = path.join(project, `${name}.json`);
      writeFileSync(file, JSON.stringify({ ...settings, compilerOptions }));
      await succeed(process.execPath, [TSC, '-p', file], project);
    }
    writeFileSync(path.join(hooks, 'wrong.ts'), HOOK.replace('packet.destinationPort', 'packet.destinationPrt'));
    const { code, stdout } = await run(process.execPath, [TSC, '-p', path.join(project, 'bundler.json')], project);
    rmSync(path.join(hooks, 'wrong.ts'));
    assert.notEqual(code, 0);
    assert.match(stdout, /wrong\.ts.*'destinationPrt' does not exist/);
  });

  await t.test('a hook in a project that has it among its dependencies compiles too, and its test runs', async () => {
    const project = path.join(folder, 'project');
    mkdirSync(project);
    writeFileSync(path.join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }));
    await succeed(
      'npm',
      ['install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', tarball],
      project,
    );
    writeFileSync(path.join(project, 'mine.ts'), HOOK);
    writeFileSync(path.join(project, 'lab.ts'), "export { type Lab, openLab } from 'firehook/testing';\n");
    writeFileSync(path.join(project, 'mine.test.js'), HOOK_TEST);
    for (const moduleResolution of ['NodeNext', 'Bundler']) {
      const module = moduleResolution === 'Bundler' ? 'ESNext' : moduleResolution;
      const compilerOptions = { module, moduleResolution, target: 'ES2022', types: [], strict: true, noEmit: true };
      writeFileSync(
        path.join(project, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['mine.ts', 'lab.ts'] }),
      );
      await succeed(process.execPath, [TSC, '-p', '.'], project);
    }
    assert.equal(await succeed(process.execPath, ['mine.test.js'], project), '2\n');
  });

  await t.test('replay runs the hook', async () => {
    const capture = path.join(installed, 'config/demo.pcap');
    const stdout = await succeed(firehook, ['replay', capture, '--hook', path.join(hooks, 'mine.ts')], folder);
    assert.match(stdout, /40 packets: 34 forwarded, 0 dropped, 6 rejected, 0 lost/);
  });

  await t.test('doctor finds the prebuilt addon, and says of npm pcap that only driver: pcap wants it', async () => {
    const { stdout } = await run(firehook, ['doctor', '--json'], folder);
    const { checks } = JSON.parse(stdout) as DoctorReport;
    const of = (name: string) => checks.find((check) => check.name === name);
    assert.equal(of('native addon')?.status, 'ok', stdout);
    assert.equal(of('npm pcap')?.status, 'warn', stdout);
    assert.equal(of('npm raw-socket')?.status, 'warn', stdout);
    assert.deepEqual(
      checks.filter(({ status }) => status === 'fail'),
      [],
    );
  });

  await t.test('the demo observes everything, with driver: afpacket', async () => {
    const stdout = await succeed(firehook, ['demo', '--json'], folder);
    const report = JSON.parse(stdout) as DemoReport;
    const steps = report.mode === 'live' ? report.steps : [];
    assert.ok(steps.length >= 5);
    assert.deepEqual(
      steps.filter((step) => !step.ok),
      [],
      stdout,
    );
  });
});
