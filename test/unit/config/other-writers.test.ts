/**
 * Who beside root may change a file: each part of the path, links and where they lead.
 *
 * Rule under test: real files with real owners and modes. The checkout's own owner is trusted, so the tests need root to be somebody else.
 *
 * @module
 */

import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { fileId, OtherWriters } from '../../../src/config/other-writers.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root: it gives files away';
/** Numbers that nobody has. */
const [ALICE, TEAM] = [47_201, 47_202];

/** `folder/etc/hooks/hook.ts`, of root, 0755 and 0644. */
function stage(t: TestContext): { readonly folder: string; readonly at: (...names: string[]) => string } {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-writers-'));
  t.after(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  const at = (...names: string[]) => path.join(folder, ...names);
  for (const name of ['etc', 'etc/hooks', 'accounts']) {
    mkdirSync(at(name));
    chmodSync(at(name), 0o755);
  }
  writeFileSync(at('etc/hooks/hook.ts'), '');
  chmodSync(at('etc/hooks/hook.ts'), 0o644);
  writeFileSync(
    at('accounts/passwd'),
    `root:x:0:0::/:\nalice:x:${ALICE}:${ALICE}::/:\nbob:x:47203:47203::/:\ncarol:x:47204:47202::/:\n`,
  );
  writeFileSync(at('accounts/group'), `root:x:0:\nalice:x:${ALICE}:\nteam:x:${TEAM}:alice,bob\n`);
  return { folder, at };
}

const look = (at: (...names: string[]) => string, environment: Record<string, string> = {}, id = '') =>
  new OtherWriters({ environment, accounts: at('accounts') }).problemOf(at('etc/hooks/hook.ts'), id);

describe('a file is loaded', { skip }, () => {
  test('when it and every folder on the way belong to root, and nobody else may write', (t) => {
    assert.equal(look(stage(t).at), null);
  });

  test('when it lies in a folder of root inside one that everybody may write, with the sticky bit', (t) => {
    const { at } = stage(t);
    chmodSync(at('etc'), 0o1777);
    assert.equal(look(at), null);
  });

  test('when the group of root may write to it', (t) => {
    const { at } = stage(t);
    chmodSync(at('etc/hooks/hook.ts'), 0o664);
    assert.equal(look(at), null);
  });

  test('when it belongs to who called sudo, also with a umask of 002 and a group of his own', (t) => {
    const { at } = stage(t);
    for (const name of ['etc/hooks', 'etc/hooks/hook.ts']) chownSync(at(name), ALICE, ALICE);
    chmodSync(at('etc/hooks'), 0o775);
    chmodSync(at('etc/hooks/hook.ts'), 0o664);
    assert.equal(look(at, { SUDO_UID: String(ALICE), SUDO_USER: 'alice' }), null);
    // Another user has sudo called.
    assert.match(look(at, { SUDO_UID: '47203', SUDO_USER: 'bob' })?.reason ?? '', /belongs to the user alice/);
    // Words are no users, and root's number is no news.
    assert.match(look(at, { SUDO_UID: 'alice', SUDO_USER: 'alice' })?.reason ?? '', /belongs to the user alice/);
  });

  test('when it is part of this package', () => {
    const own = fileURLToPath(new URL('../../../hooks/drop-port.ts', import.meta.url));
    assert.equal(new OtherWriters().problemOf(own), null);
  });
});

describe('a file is refused', { skip }, () => {
  const cases: Readonly<
    Record<string, readonly [(at: (...names: string[]) => string) => void, string, RegExp, RegExp]>
  > = {
    'that everybody may write': [
      (at) => chmodSync(at('etc/hooks/hook.ts'), 0o666),
      'etc/hooks/hook.ts',
      /^every user may write to it \(mode 0666\)$/,
      /^chmod go-w \/.*hook\.ts$/,
    ],
    'that a group may write': [
      (at) => {
        chownSync(at('etc/hooks/hook.ts'), 0, TEAM);
        chmodSync(at('etc/hooks/hook.ts'), 0o664);
      },
      'etc/hooks/hook.ts',
      /^the group team may write to it \(mode 0664\)$/,
      /^chmod g-w \/.*hook\.ts$/,
    ],
    'that belongs to another user': [
      (at) => chownSync(at('etc/hooks/hook.ts'), ALICE, 0),
      'etc/hooks/hook.ts',
      /^it belongs to the user alice, and not to root$/,
      /^chown root \/.*hook\.ts$/,
    ],
    'in a folder that everybody may write': [
      (at) => chmodSync(at('etc/hooks'), 0o777),
      'etc/hooks',
      /^every user may write to it \(mode 0777\)$/,
      /^chmod go-w \/.*etc\/hooks$/,
    ],
    'below a folder of another user': [
      (at) => chownSync(at('etc'), ALICE, ALICE),
      'etc',
      /^it belongs to the user alice/,
      /^chown root \/.*etc$/,
    ],
    'in a sticky folder of another user': [
      (at) => {
        chownSync(at('etc'), 47_299, 0);
        chmodSync(at('etc'), 0o1777);
      },
      'etc',
      /^it belongs to user 47299, and not to root$/,
      /^chown root/,
    ],
    'of another user in a sticky folder': [
      (at) => {
        chmodSync(at('etc/hooks'), 0o1777);
        chownSync(at('etc/hooks/hook.ts'), ALICE, 0);
      },
      'etc/hooks/hook.ts',
      /^it belongs to the user alice/,
      /^chown root/,
    ],
    'behind a link of another user': [
      (at) => {
        rmSync(at('etc/hooks/hook.ts'));
        writeFileSync(at('etc/real.ts'), '');
        symlinkSync('../real.ts', at('etc/hooks/hook.ts'));
        lchownSync(at('etc/hooks/hook.ts'), ALICE, 0);
      },
      'etc/hooks/hook.ts',
      /^it belongs to the user alice/,
      /^chown -h root/,
    ],
    'behind a link to a file that everybody may write': [
      (at) => {
        rmSync(at('etc/hooks/hook.ts'));
        writeFileSync(at('etc/real.ts'), '');
        chmodSync(at('etc/real.ts'), 0o666);
        symlinkSync(at('etc/real.ts'), at('etc/hooks/hook.ts'));
      },
      'etc/real.ts',
      /^every user may write to it/,
      /^chmod go-w \/.*real\.ts$/,
    ],
    'behind a link into a folder that everybody may write': [
      (at) => {
        mkdirSync(at('open'));
        rmSync(at('etc/hooks/hook.ts'));
        writeFileSync(at('open/real.ts'), '');
        chmodSync(at('open'), 0o777);
        symlinkSync('../../open/real.ts', at('etc/hooks/hook.ts'));
      },
      'open',
      /^every user may write to it/,
      /^chmod go-w \/.*open$/,
    ],
    'of a link that leads to itself': [
      (at) => {
        rmSync(at('etc/hooks/hook.ts'));
        symlinkSync('hook.ts', at('etc/hooks/hook.ts'));
      },
      'etc/hooks/hook.ts',
      /^cannot be looked at: .*too many symbolic links$/,
      /./,
    ],
    'that is gone': [(at) => rmSync(at('etc/hooks/hook.ts')), 'etc/hooks/hook.ts', /^cannot be looked at: ENOENT/, /./],
  };
  for (const [title, [change, where, reason, advice]] of Object.entries(cases)) {
    test(title, (t) => {
      const { at } = stage(t);
      change(at);
      const problem = look(at);
      assert.equal(problem?.path, at(where));
      assert.match(problem?.reason ?? '', reason);
      assert.match(problem?.advice ?? '', advice);
    });
  }

  test('that a group may write which others are in, whoever called sudo', (t) => {
    const { at } = stage(t);
    chownSync(at('etc/hooks/hook.ts'), ALICE, TEAM);
    chmodSync(at('etc/hooks/hook.ts'), 0o664);
    const problem = look(at, { SUDO_UID: String(ALICE), SUDO_USER: 'alice' });
    assert.match(problem?.reason ?? '', /^the group team may write to it/);
  });

  test('that was changed after it was read', (t) => {
    const { at } = stage(t);
    const id = fileId(statSync(at('etc/hooks/hook.ts'), { bigint: true }));
    assert.equal(look(at, {}, id), null);
    appendFileSync(at('etc/hooks/hook.ts'), '// more');
    assert.equal(look(at, {}, id)?.reason, 'it was changed while it was read');
  });
});
