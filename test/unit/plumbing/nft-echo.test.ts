/**
 * What nft prints when a lease is in force.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NftEcho } from '../../../src/plumbing/nft-echo.ts';

describe('the echo of nft', () => {
  const lease = (port: number) =>
    `add element netdev firehook_${port} alive { "p${port}" }\n` +
    `add element netdev firehook_${port} alive { "p${port}" timeout 1s expires 998ms }\n`;
  const end = '# new generation 5 by process 24324 (nft)\n';
  const transactions = (...pieces: string[]) => {
    const echo = new NftEcho();
    return pieces.flatMap((piece) => echo.read(piece)).map((ports) => [...ports]);
  };

  test('gives the ports of each transaction once it has ended, however it is cut', () => {
    const text = `${lease(7)}${lease(8)}${end}${lease(7)}${end}`;
    assert.deepEqual(transactions(text), [[7, 8], [7]]);
    assert.deepEqual(transactions(...text), [[7, 8], [7]]);
    assert.deepEqual(transactions(lease(7)), []);
  });

  test('takes no line for the word of the kernel that is only what nft was told', () => {
    const told = 'add element netdev firehook_7 alive { 7 }; add element netdev firehook_7 alive { 7 timeout 1s }\n';
    assert.deepEqual(transactions(told, end), [[]]);
  });

  test('takes neither other tables nor other sets for a lease', () => {
    const other = 'add element netdev firehook_7 other { "p7" timeout 1s expires 1s }\n';
    const foreign = 'add element netdev mine_7 alive { "p7" timeout 1s expires 1s }\n';
    assert.deepEqual(transactions(other, foreign, end), [[]]);
  });
});
