/**
 * What doctor judges without a network: versions, advice, the form of its answer.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { failure, type Subject } from '../../../src/cli/doctor/check.ts';
import { checkVersion } from '../../../src/cli/doctor/kernel-checks.ts';
import { checkCgroups, checkNode, checkTool } from '../../../src/cli/doctor/machine-checks.ts';
import { parseConfig } from '../../../src/config/load-config.ts';
import { FirehookError } from '../../../src/errors.ts';
import { tryTool } from '../../../src/plumbing/run-tool.ts';

const NO_CONFIG: Subject = { isRoot: true, configFile: null, loaded: null };
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-doctor-'));
after(() => rmSync(folder, { recursive: true }));

function subject(attach: string): Subject {
  return { isRoot: true, configFile: 'x.yaml', loaded: parseConfig(`attach: [${attach}]`, '/', 'x.yaml') };
}

describe('Node.js', () => {
  for (const [version, status] of [
    ['18.20.4', 'fail'],
    ['20.18.3', 'fail'],
    ['20.19.0', 'warn'],
    ['20.20.2', 'warn'],
    ['21.7.3', 'warn'],
    ['22.12.0', 'ok'],
    ['23.1.0', 'warn'],
    ['24.0.0', 'ok'],
    ['26.10.0', 'ok'],
  ] as const) {
    test(`${version} is judged ${status}`, () => {
      const result = checkNode(version);
      assert.equal(result.status, status);
      assert.ok(result.detail.includes(version));
      assert.equal(result.advice !== '', status !== 'ok');
    });
  }
});

describe('the kernel', () => {
  for (const release of ['5.16.0', '6.1.0-28-amd64', '6.18.44', '10.0.1']) {
    test(`${release} has egress hooks`, () => assert.equal(checkVersion(release, NO_CONFIG).status, 'ok'));
  }

  test('without egress hooks fails where a host is to be attached, or may be', () => {
    assert.equal(checkVersion('5.15.0-130-generic', NO_CONFIG).status, 'fail');
    assert.equal(checkVersion('4.19.0', subject('{ host: eth0 }')).status, 'fail');
  });

  test('without egress hooks will do for a bridge', () => {
    const { status, advice } = checkVersion('5.15.0', subject('{ bridge: [a, b] }'));
    assert.equal(status, 'warn');
    assert.match(advice, /5\.16/);
  });
});

describe('cgroups', () => {
  const mounts = (options: string): string =>
    `29 23 0:25 / /sys rw shared:7 - sysfs sysfs rw\n30 29 0:26 / ${folder} ${options} - cgroup2 cgroup2 rw\n`;

  for (const [controllers, status, said] of [
    ['cpuset cpu io memory pids', 'ok', /Delegate=pids memory/],
    ['memory', 'warn', /without pids:/],
    ['hugetlb', 'warn', /without pids and memory:/],
    ['', 'warn', /without pids and memory:/],
  ] as const) {
    test(`with the controllers "${controllers}" are judged ${status}`, () => {
      writeFileSync(path.join(folder, 'cgroup.controllers'), `${controllers}\n`);
      for (const options of ['rw', 'rw,nosuid shared:9', 'rw,nosuid shared:9 master:1']) {
        const result = checkCgroups(mounts(options));
        assert.equal(result.status, status);
        assert.match(result.detail, said);
      }
    });
  }

  test('of version 1 alone are not enough', () => {
    const { status, detail } = checkCgroups('33 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n');
    assert.equal(status, 'warn');
    assert.match(detail, /no cgroup v2 is mounted/);
  });
});

describe('a tool', () => {
  test('that is too old fails, with the version that is wanted', () => {
    const script = path.join(folder, 'nft-old');
    writeFileSync(script, '#!/bin/sh\necho "nftables v0.9.8 (E.D.S.)"\n', { mode: 0o755 });
    const tool = { name: script, package: 'nftables', version: ['--version'], least: [1, 0, 1] } as const;
    const { status, detail, advice } = checkTool(tool, NO_CONFIG);
    assert.equal(status, 'fail');
    assert.match(detail, /v0\.9\.8.*older than 1\.0\.1/);
    assert.match(advice, /nftables/);
  });

  test('that is new enough is ok, also by its second and third number', () => {
    for (const version of ['1.0.1', '1.0.6', '1.1', '2.0.0']) {
      const script = path.join(folder, `nft-${version}`);
      writeFileSync(script, `#!/bin/sh\necho "nftables v${version}"\n`, { mode: 0o755 });
      const tool = { name: script, package: 'nftables', version: [], least: [1, 0, 1] } as const;
      assert.equal(checkTool(tool, NO_CONFIG).status, 'ok', version);
    }
  });

  test('that does not answer in time is said to be slow, not to be missing', () => {
    const script = path.join(folder, 'nft-slow');
    writeFileSync(script, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const tool = { name: script, package: 'nftables', version: ['--version'], least: [1, 0, 1] } as const;
    const { status, detail, advice } = checkTool(tool, NO_CONFIG, 100);
    assert.equal(status, 'warn');
    assert.equal(detail, `${script} --version: did not answer in 0.1 s`);
    assert.equal(advice, 'the machine may be busy: try again');
  });

  test('that is nowhere fails with the package that brings it', () => {
    const { status, detail, advice } = checkTool(
      { name: 'firehook-no-such-tool', package: 'somewhere', version: [] },
      NO_CONFIG,
    );
    assert.equal(status, 'fail');
    assert.match(detail, /not installed/);
    assert.equal(advice, 'apt-get install somewhere');
  });
});

describe('an error as a result', () => {
  test('is split into what was seen and what to do', () => {
    const error = new FirehookError('FIREHOOK_ATTACH_INTERFACE', '"eth7": no such interface');
    assert.deepEqual(failure('interface eth7', error), {
      name: 'interface eth7',
      status: 'fail',
      detail: 'cannot attach: "eth7": no such interface',
      advice: 'ip link shows what there is',
      code: 'FIREHOOK_ATTACH_INTERFACE',
    });
  });

  test('of a tool that did not answer in time is no failure', () => {
    assert.throws(
      () => tryTool('sleep', ['60'], '', 50),
      (error) => {
        const { status, detail, advice, code } = failure('kernel features', error);
        assert.equal(status, 'warn');
        assert.match(detail, /sleep 60: did not answer in 0\.05 s$/);
        assert.equal(advice, 'the machine may be busy: try again');
        assert.equal(code, 'FIREHOOK_ATTACH_TOOL');
        return true;
      },
    );
  });

  test('that is none of ours keeps its text', () => {
    assert.equal(failure('x', new Error('boom; bang')).detail, 'boom; bang');
  });
});
