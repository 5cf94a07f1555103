/**
 * The attaches of a daemon and their locks.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLab, rootOnly } from '../../support/netns.ts';

const LOCK_HALF = fileURLToPath(new URL('./lock-half.ts', import.meta.url));

test('a bridge whose second port is busy holds neither, and gets both when it is free', {
  skip: rootOnly(),
}, async (t) => {
  const { ns } = await createLab(t, {
    namespaces: { a: {} },
    links: [
      [
        { in: 'a', name: 'p0' },
        { in: 'a', name: 'q0' },
      ],
    ],
  });
  const { stdout, stderr } = await ns.a.run(process.execPath, ['--import', 'tsx', LOCK_HALF]);
  assert.equal(stdout, 'FIREHOOK_ATTACH_BUSY q0\nlocked\n', stderr);
});
