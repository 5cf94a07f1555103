/**
 * `firehookd --check` finds what would go wrong with the first packet, names it, and takes its time for no hook.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Ended, lines, runFirehook } from './run-firehook.ts';

const FIREHOOKD = fileURLToPath(new URL('../../../bin/firehookd', import.meta.url));
const STOCK = fileURLToPath(new URL('../../../hooks/', import.meta.url));
const TIMEOUT_MS = 120_000;
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-check-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

/** Writes a hook whose `onPacket` has this body, in the third line of the file. */
function hook(name: string, body: string, more = ''): object {
  const module = path.join(folder, `${name}.ts`);
  const text = [
    "import { DROP, defineHook, FORWARD } from 'firehook';",
    `export default defineHook({ name: '${name}', ${more} onPacket(packet: any, context: any): any {`,
    `  ${body}`,
    '} });',
    'export const used = [DROP, FORWARD];',
  ];
  writeFileSync(module, text.join('\n'));
  return { module };
}

function check(hooks: readonly object[], attach: object = { tap: 'nowhere0' }, ...args: string[]): Ended {
  return checkConfig({ attach: [attach], hooks }, ...args);
}

function checkConfig(content: object, ...args: string[]): Ended {
  const config = path.join(folder, 'firehook.yaml');
  writeFileSync(config, JSON.stringify(content));
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [FIREHOOKD, '-c', config, '--check', ...args], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  if (error !== undefined) throw error;
  return { code: status, stdout, stderr };
}

const AT_FAULT = 'firehookd: error [FIREHOOK_HOOK_FAULT]: a hook is at fault: ';

describe('firehookd --check', () => {
  test('lists every hook that is at fault with ordinary packets, where and how often, each met by all of them', () => {
    const stops = hook('stops-all', 'return DROP;', 'priority: 1000,');
    const { code, stdout, stderr } = check(
      [
        stops,
        hook('no-such-call', 'packet.nothing(); return FORWARD;'),
        hook('no-verdict', "return 'DROP';"),
        hook('no-such-field', 'return packet.dport === 23 ? DROP : FORWARD;'),
        hook('no-such-setting', 'context.sendInterface = 1; return FORWARD;'),
        hook('only-fragments', 'if (packet.isFragment) throw new Error("a part"); return FORWARD;'),
        hook('later', 'void Promise.reject(new Error("too late")); return FORWARD;'),
        { module: path.join(STOCK, 'drop-port.ts'), options: { protocol: 'tcp', ports: [23] } },
      ],
      undefined,
      '--no-interfaces',
    );
    assert.equal(code, 1, stderr);
    assert.equal(stdout, '');
    const said = lines(stderr);
    assert.ok(
      said.every((line) => line.startsWith(AT_FAULT)),
      stderr,
    );
    const faultOf = (name: string): string => said.find((line) => line.startsWith(`${AT_FAULT}${name}: `)) ?? stderr;
    const place = (name: string, column: number): string => `(${path.join(folder, `${name}.ts`)}:3:${column})`;
    assert.ok(faultOf('no-such-call').includes("a packet has no member 'nothing'; it has version, protocol"));
    assert.ok(faultOf('no-such-call').endsWith(`${place('no-such-call', 10)}; with 102 of 102 sample packets`));
    assert.match(
      faultOf('no-verdict'),
      /returned "DROP", which is no verdict \(.*no-verdict\.ts:2:\d+\); with 102 of 102/,
    );
    assert.ok(faultOf('no-such-field').includes("has no member 'dport'; did you mean destinationPort?"));
    assert.ok(faultOf('no-such-setting').includes("the context has no member 'sendInterface'; did you mean"));
    assert.match(faultOf('only-fragments'), /threw: a part \(.*\); with 8 of 102 sample packets$/);
    assert.match(faultOf('later'), /threw outside onPacket: too late \(.*later\.ts:3:\d+\); with 102 of 102/);
    assert.equal(said.length, 6, stderr);
  });

  test('names a hook that does not return', () => {
    const { code, stderr } = check([hook('endless', 'for (;;);')], undefined, '--no-interfaces');
    assert.equal(code, 1);
    assert.equal(stderr, `${AT_FAULT}hook endless was in onPacket and did not return: not done after 10 s\n`);
  });

  test('names the member of a definition that was probably meant', () => {
    const module = path.join(folder, 'typo.ts');
    writeFileSync(
      module,
      "import { defineHook } from 'firehook';\nexport default defineHook({ name: 'typo', onPackets: () => 0 } as any);\n",
    );
    const { code, stderr } = check([{ module }], undefined, '--no-interfaces');
    assert.equal(code, 2);
    assert.equal(
      stderr,
      `firehookd: error [FIREHOOK_HOOK_INVALID]: not a hook: ${module}: onPackets: did you mean onPacket?\n`,
    );
  });

  test('refuses interfaces that are not there, beside faults of hooks, or says that it did not look', () => {
    const bad = hook('bad', 'return 7;');
    const { code, stderr } = check([bad], { bridge: ['nowhere0', 'nowhere1'] });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^firehookd: error \[FIREHOOK_ATTACH_INTERFACE\]: cannot attach: "nowhere0": no such interface; ip link shows what there is\n/,
    );
    assert.match(stderr, /a hook is at fault: bad: returned 7, which is no verdict/);
    const good = hook('good', 'return FORWARD;');
    assert.equal(check([good]).code, 2);
    const elsewhere = check([good], undefined, '--no-interfaces');
    assert.equal(elsewhere.code, 0, elsewhere.stderr);
    const expected =
      'ok; hooks in running order: good (0); each met 102 sample packets; the interfaces were not looked at';
    assert.equal(elsewhere.stdout, `${path.join(folder, 'firehook.yaml')}: ${expected}\n`);
  });
});

/** A hook that drops what is in the table, and a configuration with that table and others. */
function withTables(lists: Readonly<Record<string, string>>): object {
  for (const [name, text] of Object.entries(lists)) writeFileSync(path.join(folder, name), text);
  const module = path.join(folder, 'by-table.ts');
  writeFileSync(
    module,
    `import { DROP, defineHook, FORWARD } from 'firehook';
    export default defineHook({ name: 'by-table', checkable: true, setup(_options, { prefixes }) {
      const table = prefixes('blocked');
      return { onPacket: ({ source }) => (table.lookup(source) === 0 ? FORWARD : DROP) };
    } });`,
  );
  const tables = Object.fromEntries(Object.keys(lists).map((name) => [name, { file: name, values: { DE: 1 } }]));
  return { attach: [{ tap: 'nowhere0' }], hooks: [{ module }], tables };
}

describe('the tables of a configuration', () => {
  test('are built for --check, which names each that is wrong, with file and line', () => {
    const good = checkConfig(withTables({ blocked: '10.0.0.0/8 DE\n', more: '# none\n' }), '--no-interfaces');
    assert.equal(good.code, 0, good.stderr);
    assert.match(good.stdout, /hooks in running order: by-table \(0\); each met \d+ sample packets/);
    assert.match(good.stderr, /^firehookd: warning: Table more: version 1 has 0 prefixes of .*more\.$/m);
    assert.match(good.stderr, /^firehookd: warning: Table more: no line of .*more has DE\.$/m);

    const bad = checkConfig(withTables({ blocked: '10.0.0.0/8\n10.0.0.1/8\n', more: '\n\nx\n' }), '--no-interfaces');
    assert.equal(bad.code, 2);
    const at = (name: string) => path.join(folder, name);
    assert.deepEqual(lines(bad.stderr), [
      `firehookd: error [FIREHOOK_TABLE_INVALID]: the list of a table is not valid: ${at('blocked')}:2: "10.0.0.1/8" has bits set after the prefix length`,
      `firehookd: error [FIREHOOK_TABLE_INVALID]: the list of a table is not valid: ${at('more')}:3: "x" is not an IPv4 or IPv6 address or prefix`,
    ]);
    assert.equal(bad.stdout, '');
  });

  test('are there in a replay before its first packet, with and without an output', () => {
    const demo = fileURLToPath(new URL('../../../config/demo.pcap', import.meta.url));
    const config = path.join(folder, 'replay.yaml');
    const replay = (...args: string[]) => {
      const { code, stdout, stderr } = runFirehook('replay', demo, '-c', config, '--json', ...args);
      assert.equal(code, 0, stderr);
      const { total } = JSON.parse(stdout) as { total: { dropped: number; forwarded: number } };
      return total;
    };
    writeFileSync(config, JSON.stringify(withTables({ blocked: '# none\n' })));
    const none = replay();
    assert.equal(none.dropped, 0);
    writeFileSync(config, JSON.stringify(withTables({ blocked: '0.0.0.0/0 DE\n::/0 DE\n' })));
    for (const args of [[], ['-w', path.join(folder, 'tables-out.pcap')]]) {
      const all = replay(...args);
      assert.ok(all.dropped > 20 && all.dropped + all.forwarded === none.forwarded, JSON.stringify(all));
    }
    writeFileSync(config, JSON.stringify(withTables({ blocked: 'x\n' })));
    const { code, stderr } = runFirehook('replay', demo, '-c', config);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^firehook: error \[FIREHOOK_TABLE_INVALID\]: .*blocked:1: "x" is not an IPv4 or IPv6 address or prefix$/m,
    );
  });
});

test('firehook replay ends with 1 and the last fault when a hook was at fault, and its output is whole', () => {
  const demo = fileURLToPath(new URL('../../../config/demo.pcap', import.meta.url));
  hook('replayed', 'if (packet.protocol === 17) throw new Error("no UDP"); return FORWARD;');
  const args = ['replay', demo, '--hook', path.join(folder, 'replayed.ts'), '-w', path.join(folder, 'out.pcap')];
  const { code, stdout, stderr } = runFirehook(...args);
  assert.equal(code, 1);
  assert.match(stdout, /The ledger adds up\.$/m);
  assert.match(
    lines(stderr).at(-1) ?? '',
    /^firehook: error \[FIREHOOK_HOOK_FAULT\]: a hook is at fault: \d+ faults of hooks, the last: replayed: threw: no UDP \(.*:3:\d+\)$/,
  );
});
