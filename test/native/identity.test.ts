/**
 * The identity of a process, with a Node.js that changes it and with one that refuses, as that of Debian 13 does.
 *
 * Rule: each try is a process of its own, which starts as root and says who it became.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SEND_GROUP } from '../../src/drivers/effective-group.ts';
import { mayUseIoUring } from '../../src/native/identity.ts';
import { rootOnly } from '../support/netns.ts';

const NOBODY = 65_534;
/** A group that the first process is in, to be left. */
const OTHER_GROUP = 12;
const IDENTITY = new URL('../../src/native/identity.ts', import.meta.url).href;
/** What a Node.js does that was built with the libuv of its distribution. */
const REFUSE = `
  for (const name of ['setgroups', 'setgid', 'setuid', 'setegid', 'seteuid']) {
    const error = new Error(name + '() disabled: io_uring may be enabled.');
    process[name] = () => { throw Object.assign(error, { code: 'ERR_INVALID_STATE' }); };
  }`;
/** Every thread has an identity of its own in the kernel. */
const SAY = `
  import { readdirSync, readFileSync } from 'node:fs';
  const say = () => {
    const all = readdirSync('/proc/self/task').map((thread) => {
      const status = readFileSync('/proc/self/task/' + thread + '/status', 'utf8');
      return status.match(/^(Uid|Gid|Groups|CapPrm|CapEff):.*/gm).map((line) => line.trim().split(/\\s+/).join(' ')).join('; ');
    });
    console.log([...new Set(all)].join('\\n'));
  };
  const regain = () => {
    try { native.becomeUser(0, 0); } catch (error) { console.log(error.syscall, error.code); }
  };`;

/** Runs a program as root, in {@link OTHER_GROUP} too, with UV_USE_IO_URING as lanes have it; what it printed, line by line. */
function run(program: string, ioUring = '0'): string[] {
  const source = `
    import { setEffectiveGroup, setUser } from '${IDENTITY}';
    import { loadNative } from '${new URL('./load-native.ts', IDENTITY).href}';
    const native = loadNative();
    ${SAY}
    ${program}`;
  const args = [
    '--groups',
    String(OTHER_GROUP),
    process.execPath,
    '--import',
    'tsx',
    '--input-type=module',
    '-e',
    source,
  ];
  const env = { PATH: process.env['PATH'], UV_USE_IO_URING: ioUring };
  const cwd = fileURLToPath(new URL('../../', import.meta.url));
  return execFileSync('setpriv', args, { encoding: 'utf8', cwd, env }).trim().split('\n');
}

const BECAME = [65_534, 65_534, 65_534, 65_534].join(' ');
const NO_RIGHTS = 'CapPrm: 0000000000000000; CapEff: 0000000000000000';

describe('the identity of a process', { skip: rootOnly('setpriv') }, () => {
  for (const [node, before] of [
    ['a Node.js that changes it', ''],
    ['a Node.js that refuses to', REFUSE],
  ] as const) {
    test(`with ${node}: user, group and every other group are left for good, by every thread`, () => {
      const said = run(`${before}; say(); setUser(${NOBODY}, ${NOBODY}); say(); regain();`);
      assert.match(said[0] ?? '', /^Uid: 0 0 0 0; Gid: 0 0 0 0; Groups: 12; CapPrm: [0-9a-f]*[1-9a-f]/);
      assert.deepEqual(said.slice(1), [
        `Uid: ${BECAME}; Gid: ${BECAME}; Groups:; ${NO_RIGHTS}`,
        // It is left and cannot be had again.
        'setgroups EPERM',
      ]);
    });

    test(`with ${node}: the effective group is changed and changed back`, () => {
      const said = run(`${before};
        for (const group of [${SEND_GROUP}, 0]) { setEffectiveGroup(group); console.log(process.getegid(), process.getgid()); }`);
      assert.deepEqual(said, [`${SEND_GROUP} 0`, '0 0']);
    });
  }

  test('with a Node.js that refuses because io_uring is wanted nothing is changed', () => {
    const said = run(
      `${REFUSE}; try { setUser(${NOBODY}, ${NOBODY}); } catch (error) { console.log(error.message); } say();`,
      '1',
    );
    assert.match(
      said[0] ?? '',
      /^this Node\.js refuses \(setgroups\(\) disabled.*\); start it with UV_USE_IO_URING=0$/,
    );
    assert.match(said[1] ?? '', /^Uid: 0 0 0 0/);
  });

  test('what the kernel refuses is not tried again', () => {
    const said = run(`
      setUser(${NOBODY}, ${NOBODY});
      for (const change of [() => setEffectiveGroup(0), () => setUser(0, 0)]) {
        try { change(); } catch (error) { console.log(error.code, error.syscall); }
      }`);
    assert.deepEqual(said, ['EPERM setegid', 'EPERM setgroups']);
  });
});

describe('io_uring', () => {
  test('is not in use where it was switched off, and by default since libuv 1.49', () => {
    for (const [wanted, uv] of [
      ['0', '1.46.0'],
      ['', '1.48.0'],
      ['no', '1.48.0'],
      [undefined, '1.49.0'],
      [undefined, '1.51.0'],
      [undefined, '2.0.0'],
    ] as const) {
      assert.equal(mayUseIoUring(wanted, uv), false, `${wanted} ${uv}`);
    }
  });

  test('may be in use before, and where it was asked for', () => {
    for (const [wanted, uv] of [
      [undefined, '1.48.0'],
      [undefined, '1.46.1'],
      ['1', '1.51.0'],
      ['1', '1.46.0'],
    ] as const) {
      assert.equal(mayUseIoUring(wanted, uv), true, `${wanted} ${uv}`);
    }
  });
});
