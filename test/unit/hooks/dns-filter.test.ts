/**
 * Promises of the stock hook `dns-filter`, in the lab that hook authors have.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import dnsFilter from '../../../hooks/dns-filter.ts';
import {
  assertDropped,
  assertForwarded,
  assertReplied,
  assertReset,
  extension,
  fields,
  fragments,
  ipv4,
  ipv6,
  type Lab,
  openLab,
  readPacket,
  tcp,
  udp,
} from '../../../src/testing/index.ts';
import { refusal } from './drive-hook.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-dns-filter-'));
after(() => rmSync(folder, { recursive: true }));

const wire = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.from(String.fromCharCode(label.length) + label, 'latin1')),
    Buffer.of(0),
  ]);

/** A query for a name, by text or in octets. */
function query(name: string | Buffer, { questions = 1, flags = 0x0100, more = Buffer.alloc(0) } = {}): Buffer {
  const header = Buffer.from('123400000000000000000000', 'hex');
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(questions, 4);
  return Buffer.concat([header, typeof name === 'string' ? wire(name) : name, Buffer.from('00010001', 'hex'), more]);
}

const asked = (message: Uint8Array, port = 53): Buffer =>
  ipv4({}, udp({ sourcePort: 4000, destinationPort: port }, message));
const overTcp = (...messages: Buffer[]): Buffer =>
  tcpTo(Buffer.concat(messages.flatMap((message) => [Buffer.of(message.length >> 8, message.length & 255), message])));
const tcpTo = (octets: Uint8Array): Buffer => ipv4({}, tcp({ destinationPort: 53, flags: 24 }, octets));

async function withLab(options: object, run: (lab: Lab) => Promise<void>): Promise<void> {
  const lab = await openLab(dnsFilter, { options, folder });
  try {
    await run(lab);
  } finally {
    await lab.close();
  }
}

describe('dns-filter', () => {
  test('answers for listed domains and what is in them, whatever the case, and lets others pass', async () => {
    await withLab({ names: ['bad.example', 'Ads.Example.'] }, async (lab) => {
      for (const name of ['bad.example', 'www.bad.example', 'a.b.BAD.eXample', 'ads.example'])
        assertReplied(await lab.send(asked(query(name))), 'dns-filter');
      for (const name of ['example', 'notbad.example', 'bad.example.org', 'xn--bad.example'])
        assertForwarded(await lab.send(asked(query(name))));
      assertReplied(
        await lab.send(ipv6({ extensions: [extension(60, 8)] }, udp({ destinationPort: 53 }, query('bad.example')))),
      );
      assertForwarded(await lab.send(asked(query('bad.example'), 5353)));
    });
  });

  for (const [answer, code] of [
    ['nxdomain', 3],
    ['refused', 5],
  ] as const) {
    test(`says ${answer}: the question comes back and nothing else`, async () => {
      await withLab({ names: ['bad.example'], answer }, async (lab) => {
        const edns = Buffer.from('0000291000000000000000', 'hex');
        const outcome = await lab.send(asked(query('www.Bad.example', { more: edns, flags: 0x0110 })));
        assertReplied(
          outcome,
          'dns-filter',
          fields({ sourcePort: 53, destinationPort: 4000, source: '198.51.100.2', destination: '192.0.2.1' }),
        );
        const [back] = outcome.back;
        assert.ok(back !== undefined && readPacket(back)?.checksumsRight === true);
        const expected = query('www.Bad.example', { flags: 0x8180 | code });
        assert.deepEqual(Buffer.from(back).subarray(28), expected);
      });
    });
  }

  test('drops instead, where it is told to', async () => {
    await withLab({ names: ['bad.example'], answer: 'drop' }, async (lab) => {
      assertDropped(await lab.send(asked(query('bad.example'))), 'dns-filter');
    });
  });

  test('does not pass what it cannot judge', async () => {
    await withLab({ names: ['bad.example'] }, async (lab) => {
      const compressed = Buffer.from('03777777c00c', 'hex');
      const odd = [
        query('ok.example', { questions: 0 }),
        query('ok.example', { questions: 2 }),
        query(compressed),
        query('ok.example').subarray(0, 20),
        query(Buffer.alloc(300, 1)),
        Buffer.alloc(5),
      ];
      for (const message of odd) assertDropped(await lab.send(asked(message)), 'dns-filter');
      const long = asked(query('ok.example', { more: Buffer.alloc(1400) }));
      for (const [index, part] of fragments(long, 600).entries()) {
        const outcome = await lab.send(part);
        if (index === 0) assertDropped(outcome, 'dns-filter');
        else assertForwarded(outcome);
      }
    });
  });

  test('lets answers pass, also to port 53', async () => {
    await withLab({ names: ['bad.example'] }, async (lab) => {
      assertForwarded(await lab.send(asked(query('bad.example', { flags: 0x8180 }))));
      assertForwarded(await lab.send(ipv4({}, udp({ sourcePort: 53, destinationPort: 4000 }, query('bad.example')))));
    });
  });

  test('resets TCP that asks for a listed name, or asks in pieces', async () => {
    await withLab({ names: ['bad.example'] }, async (lab) => {
      assertForwarded(await lab.send(ipv4({}, tcp({ destinationPort: 53, flags: 2 }))));
      assertForwarded(await lab.send(overTcp(query('ok.example'))));
      assertForwarded(await lab.send(overTcp(query('ok.example'), query('fine.example'))));
      assertReset(await lab.send(overTcp(query('bad.example'))), 'dns-filter');
      assertReset(await lab.send(overTcp(query('ok.example'), query('www.bad.example'))), 'dns-filter');
      const whole = Buffer.concat([Buffer.of(0, query('bad.example').length), query('bad.example')]);
      for (let cut = 1; cut < whole.length; cut++)
        assertReset(await lab.send(tcpTo(whole.subarray(0, cut))), 'dns-filter');
    });
  });

  test('reads a list from a file', async () => {
    writeFileSync(path.join(folder, 'names.txt'), '# a list\nbad.example # one\r\n\nworse.example.\n');
    await withLab({ file: 'names.txt' }, async (lab) => {
      assertReplied(await lab.send(asked(query('worse.example'))));
      assertForwarded(await lab.send(asked(query('good.example'))));
      assert.ok(lab.log.some((line) => JSON.stringify(line).includes('2 domains are listed')));
    });
    writeFileSync(path.join(folder, 'bad.txt'), 'ok.example\nnot a name\n');
    assert.equal(await refusal(dnsFilter, { file: 'bad.txt' }, folder), 'bad.txt:2: "not a name" is not a domain');
    assert.match(await refusal(dnsFilter, { file: 'none.txt' }, folder), /^file: cannot read "none.txt": ENOENT/);
  });

  for (const [options, message] of [
    [{}, 'names: is missing; expected names or file'],
    [{ names: 'a' }, 'names: "a" is not valid; expected a list of domains'],
    [{ names: ['a..b'] }, 'names: "a..b" is not valid; expected a domain such as example.org, in letters of DNS'],
    [{ names: ['.'] }, 'names: "." is not valid; expected a domain such as example.org, in letters of DNS'],
    [
      { names: ['x'.repeat(64)] },
      `names: "${'x'.repeat(64)}" is not valid; expected a domain such as example.org, in letters of DNS`,
    ],
    [{ names: ['a'], answer: 'no' }, 'answer: "no" is not valid; expected nxdomain or refused or drop'],
    [{ name: ['a'] }, 'name: unknown option; expected names, file, answer'],
  ] as const) {
    test(`refuses ${JSON.stringify(options).slice(0, 40)} with one exact line`, async () => {
      assert.equal(await refusal(dnsFilter, options), message);
    });
  }
});
