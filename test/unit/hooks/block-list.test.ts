/**
 * Promises of the stock hook `block-list`, above all that it agrees with a matcher too simple to be wrong.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import fc from 'fast-check';
import blockList from '../../../hooks/block-list.ts';
import { DROP, FORWARD, ICMP_ON_DROP } from '../../../src/firewall/constants.ts';
import { buildPrefixTable } from '../../../src/prefix/build-table.ts';
import { exchangeTable, PrefixTable } from '../../../src/prefix/prefix-table.ts';
import { formatAddress, parseCidr } from '../../../src/wire/address.ts';
import { ipv4, ipv6, octets, tcp } from '../../support/packet-builder.ts';
import { driveHook, refusal } from './drive-hook.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-block-list-'));
after(() => rmSync(folder, { recursive: true }));

function drive(list: string, options: object = {}) {
  writeFileSync(path.join(folder, 'list.txt'), list);
  return driveHook(blockList, { file: 'list.txt', ...options }, folder);
}

/** Octets as one number, for the simple matcher. */
function toNumber(bytes: Uint8Array): bigint {
  return bytes.reduce((number, octet) => (number << 8n) | BigInt(octet), 0n);
}

function toBytes(number: bigint, length: number): Uint8Array {
  return Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex');
}

interface NaivePrefix {
  readonly network: bigint;
  readonly prefixLength: number;
}

/** Prefixes of a family in a narrow part of its space, so that nests, neighbours and repeats are common. */
function prefixes(length: 4 | 16) {
  const bits = length * 8;
  return fc.array(
    fc
      .tuple(fc.uint8Array({ minLength: length, maxLength: length }), fc.integer({ min: 0, max: bits }))
      .map(([bytes, prefixLength]): NaivePrefix => {
        const hostBits = BigInt(bits - prefixLength);
        return { network: (toNumber(narrow(bytes)) >> hostBits) << hostBits, prefixLength };
      }),
    { maxLength: 40 },
  );
}

function narrow(bytes: Uint8Array): Uint8Array {
  return bytes.map((octet) => (octet < 64 ? 0 : octet > 192 ? 0xff : octet & 0x81));
}

describe('block-list', () => {
  for (const [family, length, build] of [
    ['IPv4', 4, (source: string) => ipv4({ source }, tcp())],
    ['IPv6', 16, (source: string) => ipv6({ source }, tcp())],
  ] as const) {
    test(`agrees with a naive matcher on any list of ${family} prefixes`, async () => {
      const bits = length * 8;
      const address = fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => toNumber(narrow(bytes)));
      await fc.assert(
        fc.asyncProperty(prefixes(length), fc.array(address, { maxLength: 20 }), async (list, others) => {
          const lines = list.map(
            (prefix) => `${formatAddress(toBytes(prefix.network, length))}/${prefix.prefixLength}`,
          );
          const hook = await drive(lines.join('\n'), { match: 'source' });
          const edges = list.flatMap(({ network, prefixLength }) => {
            const size = 1n << BigInt(bits - prefixLength);
            return [network - 1n, network, network + size - 1n, network + size];
          });
          for (const number of [...others, ...edges]) {
            if (number < 0n || number >= 1n << BigInt(bits)) continue;
            const isListed = list.some(
              ({ network, prefixLength }) => (number ^ network) >> BigInt(bits - prefixLength) === 0n,
            );
            const text = formatAddress(toBytes(number, length));
            assert.equal(hook.verdict(build(text)), isListed ? DROP : FORWARD, text);
          }
        }),
      );
    });
  }

  test('reads addresses, prefixes, comments and blank lines, with either line ending', async () => {
    const hook = await drive('# bad ones\r\n\r\n192.0.2.7 # a host\r\n  198.51.100.0/24\r\n2001:db8:bad::/48');
    const to = { destination: '203.0.113.1' };
    assert.equal(hook.verdict(ipv4({ source: '192.0.2.7', ...to }, tcp())), DROP);
    assert.equal(hook.verdict(ipv4({ source: '192.0.2.8', ...to }, tcp())), FORWARD);
    assert.equal(hook.verdict(ipv4({ source: '198.51.100.255', ...to }, tcp())), DROP);
    assert.equal(hook.verdict(ipv6({ source: '2001:db8:bad:ffff::1' }, tcp())), DROP);
    assert.equal(hook.verdict(ipv6({ source: '2001:db8:bae::1' }, tcp())), FORWARD);
    assert.deepEqual(hook.log, ['info: list.txt: 3 entries, 2 IPv4 and 1 IPv6 ranges.']);
  });

  test('looks at both addresses unless it is told otherwise', async () => {
    const from = ipv4({ source: '192.0.2.7', destination: '203.0.113.1' }, tcp());
    const to = ipv4({ source: '203.0.113.1', destination: '192.0.2.7' }, tcp());
    for (const [match, onFrom, onTo] of [
      [undefined, DROP, DROP],
      ['either', DROP, DROP],
      ['source', DROP, FORWARD],
      ['destination', FORWARD, DROP],
    ] as const) {
      const hook = await drive('192.0.2.7', { match });
      assert.equal(hook.verdict(from), onFrom);
      assert.equal(hook.verdict(to), onTo);
    }
  });

  test('blocks later fragments too, and asks for an ICMP error when reject is set', async () => {
    const hook = await drive('192.0.2.0/24', { reject: true });
    assert.equal(hook.verdict(ipv4({ fragmentOffset: 800 }, octets(17, Buffer.alloc(8)))), ICMP_ON_DROP);
  });

  test('blocks everything of a family with a prefix of length 0, and nothing with an empty list', async () => {
    const all = await drive('0.0.0.0/0');
    assert.equal(all.verdict(ipv4({}, tcp())), DROP);
    assert.equal(all.verdict(ipv6({}, tcp())), FORWARD);
    const none = await drive('# nothing yet\n');
    assert.equal(none.verdict(ipv4({}, tcp())), FORWARD);
    assert.equal(none.verdict(ipv6({}, tcp())), FORWARD);
    assert.deepEqual(none.log, ['warn: list.txt: 0 entries, 0 IPv4 and 0 IPv6 ranges.']);
  });

  test('takes 100,000 prefixes and finds each of them', async () => {
    const hosts = Array.from({ length: 100_000 }, (_, index) => (0x0a00_0000 + index * 3) >>> 0);
    const text = (host: number) => formatAddress(toBytes(BigInt(host), 4));
    const hook = await drive(hosts.map(text).join('\n'), { match: 'source' });
    for (let index = 0; index < hosts.length; index += 997) {
      const host = hosts[index] ?? 0;
      assert.equal(hook.verdict(ipv4({ source: text(host) }, tcp())), DROP);
      assert.equal(hook.verdict(ipv4({ source: text(host + 1) }, tcp())), FORWARD);
    }
  });

  for (const [line, reason] of [
    ['192.0.2', 'is not an IPv4 or IPv6 address or prefix'],
    ['example.org', 'is not an IPv4 or IPv6 address or prefix'],
    ['192.0.2.1-192.0.2.9', 'is not an IPv4 or IPv6 address or prefix'],
    ['192.0.2.0/33', 'has no prefix length from 0 to 32'],
    ['192.0.2.0/', 'has no prefix length from 0 to 32'],
    ['192.0.2.0/024', 'has no prefix length from 0 to 32'],
    ['192.0.2.0/24/24', 'has no prefix length from 0 to 32'],
    ['2001:db8::/129', 'has no prefix length from 0 to 128'],
    ['10.0.0.0/3', 'has bits set after the prefix length'],
    ['2001:db8::1/64', 'has bits set after the prefix length'],
  ] as const) {
    test(`refuses the hook for the line ${line}, with file, line and reason`, async () => {
      writeFileSync(path.join(folder, 'bad.txt'), `192.0.2.1\n\n${line} # typed by hand\n`);
      assert.equal(await refusal(blockList, { file: 'bad.txt' }, folder), `bad.txt:3: "${line}" ${reason}`);
    });
  }

  for (const [options, message] of [
    [{}, 'file: is missing; expected the path of a list, or table with the name of one'],
    [{ table: 7 }, 'table: 7 is not valid; expected a string that is not empty'],
    [{ table: 'blocked', file: 'list.txt' }, 'table: stands beside file; expected one of them'],
    [{ table: 'bloked' }, 'prefixes: the configuration has no table "bloked"; did you mean blocked?'],
    [{ file: 7 }, 'file: 7 is not valid; expected a string that is not empty'],
    [{ file: 'list.txt', match: 'both' }, 'match: "both" is not valid; expected source or destination or either'],
    [{ file: 'list.txt', reject: 'yes' }, 'reject: "yes" is not valid; expected true or false'],
    [{ files: 'list.txt' }, 'files: unknown option; expected table, file, match, reject'],
  ] as const) {
    test(`refuses ${JSON.stringify(options)} with one exact line`, async () => {
      const tables = new Map([['blocked', new PrefixTable()]]);
      assert.equal(await refusal(blockList, options, folder, tables), message);
    });
  }

  test('looks a table of the configuration up, at either end, and follows it', async () => {
    const tableOf = (...lines: readonly (readonly [string, number])[]): ArrayBuffer =>
      buildPrefixTable(lines.map(([cidr, value]) => ({ ...(parseCidr(cidr) ?? assert.fail()), value })));
    const table = new PrefixTable(tableOf(['192.0.2.0/24', 1], ['192.0.2.128/25', 0], ['2001:db8:bad::/48', 9]));
    const tables = new Map([['blocked', table]]);
    const drop = await driveHook(blockList, { table: 'blocked' }, folder, tables);
    const reject = await driveHook(blockList, { table: 'blocked', match: 'source', reject: true }, folder, tables);
    const verdicts = (source: string, destination: string): unknown[] => {
      const packet = (source.includes(':') ? ipv6 : ipv4)({ source, destination }, tcp());
      return [drop.verdict(packet), reject.verdict(packet)];
    };
    assert.deepEqual(verdicts('192.0.2.7', '203.0.113.1'), [DROP, ICMP_ON_DROP]);
    assert.deepEqual(verdicts('203.0.113.1', '192.0.2.7'), [DROP, FORWARD]);
    // A hole in a wider prefix.
    assert.deepEqual(verdicts('192.0.2.200', '203.0.113.1'), [FORWARD, FORWARD]);
    assert.deepEqual(verdicts('2001:db8:bad::1', '2001:db8::1'), [DROP, ICMP_ON_DROP]);
    exchangeTable(table, tableOf(['203.0.113.0/24', 1]));
    assert.deepEqual(verdicts('192.0.2.7', '203.0.113.1'), [DROP, FORWARD]);
    assert.deepEqual(verdicts('2001:db8:bad::1', '2001:db8::1'), [FORWARD, FORWARD]);
    assert.deepEqual([drop.log, reject.log], [[], []]);
  });

  test('refuses a file that it cannot read, and says why', async () => {
    assert.match(await refusal(blockList, { file: 'none.txt' }, folder), /^file: cannot read "none\.txt": ENOENT/);
  });
});
