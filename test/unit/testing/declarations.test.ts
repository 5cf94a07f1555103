/**
 * The declarations of `firehook/testing` compile where `@types/node` is not installed, and mistakes in a test are found.
 *
 * They are made from the source, as the build makes them; no `dist` is looked at.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import ts from 'typescript';
import { ROOT } from '../../support/documents.ts';

const CONSUMER = `import { DROP, defineHook, FORWARD } from 'firehook';
import {
  ACK, assertDropped, assertForwarded, assertLost, assertNoAllocation, assertPacket, assertRejected, differsOnlyIn, ethernet, extension, fields,
  fragments, icmpv4, icmpv6, ipv4, ipv6, type Lab, openLab, type Outcome, type PacketCheck, readFrame, readPacket, sameAs, SYN, tcp, transport, udp,
} from 'firehook/testing';

const hook = defineHook<{ port: number }>({
  name: 'mine',
  needs: (options) => ({ files: [String(options.port)] }),
  setup: ({ port }) => ({ onPacket: (packet) => (packet.destinationPort === port ? DROP : FORWARD) }),
});
const isShort: PacketCheck = (datagram) => (datagram.readUInt16BE(2) < 100 ? [] : ['too long']);

export async function run(): Promise<number> {
  const lab: Lab = await openLab([hook, { hook, name: 'again', options: { port: 24 }, allow: 'everything' }], { attach: 'host' });
  const datagram = ipv4({ ttl: 3 }, tcp({ flags: SYN | ACK, mss: 1460 }, 'text'));
  const outcome: Outcome = await lab.send(ethernet({ tags: [{ id: 7 }] }, datagram), { frame: true, from: 'out' });
  assertDropped(outcome, 'mine');
  assertForwarded(outcome, fields({ ip: { ttl: 3 }, text: /^t/, payload: 'text', tcp: null }), sameAs(datagram), isShort);
  assertRejected(outcome);
  assertLost(outcome, 'lostTooLong');
  assertPacket(datagram, differsOnlyIn(ipv6({ extensions: [extension(60)] }, icmpv6()), 'ip.ttl'));
  assertNoAllocation(lab, fragments(ipv4({}, udp({}, new Uint8Array(2000))), 1500));
  const octet: number = readPacket(ipv4({}, icmpv4({}, transport(1, 'x').build(() => 0))))?.payload.readUInt8(0) ?? -1;
  const { departures, faults } = await lab.tick(10);
  await lab.close();
  return octet + departures.length + faults.length + lab.counters('mine').seen + (readFrame(datagram)?.tags.length ?? 0);
}
`;

/** What each of them says of the consumer. */
const MISTAKES: readonly (readonly [string, string, RegExp])[] = [
  ['ttl: 3 }, tcp', 'tttl: 3 }, tcp', /'tttl' does not exist/],
  ["'mine');", '7);', /'number' is not assignable/],
  ['text: /^t/', 'text: 5', /'number' is not assignable/],
  ["'lostTooLong'", "'lostToLong'", /'"lostToLong"' is not assignable/],
  ["from: 'out'", "from: 'c'", /'"c"' is not assignable/],
];

describe('the declarations of firehook/testing', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-declarations-'));
  const types = path.join(folder, 'types');

  before(() => {
    const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
    const roots = ['src/index.ts', 'src/testing/index.ts'].map((file) => path.join(ROOT, file));
    const program = ts.createProgram(roots, {
      ...options,
      noEmit: false,
      declaration: true,
      emitDeclarationOnly: true,
      rootDir: path.join(ROOT, 'src'),
      outDir: types,
      allowImportingTsExtensions: false,
      rewriteRelativeImportExtensions: true,
      paths: {},
    });
    assert.deepEqual(program.emit().diagnostics, []);
    writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  });
  after(() => rmSync(folder, { recursive: true }));

  /** What the compiler says of these files, without any declarations of Node.js: `number of the file: problem`. */
  function problems(texts: readonly string[], resolution: 'Bundler' | 'NodeNext'): string[] {
    const files = texts.map((text, index) => {
      const file = path.join(folder, `${index}.ts`);
      writeFileSync(file, text);
      return file;
    });
    const isBundler = resolution === 'Bundler';
    const program = ts.createProgram(files, {
      target: ts.ScriptTarget.ES2022,
      lib: ['lib.es2023.d.ts'],
      module: isBundler ? ts.ModuleKind.ESNext : ts.ModuleKind.NodeNext,
      moduleResolution: isBundler ? ts.ModuleResolutionKind.Bundler : ts.ModuleResolutionKind.NodeNext,
      types: [],
      typeRoots: [],
      strict: true,
      noEmit: true,
      skipLibCheck: false,
      paths: {
        firehook: [path.join(types, 'index.d.ts')],
        'firehook/testing': [path.join(types, 'testing/index.d.ts')],
      },
    });
    return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
      const name = path.basename(file?.fileName ?? '', '.ts');
      return `${name}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  }

  test('compile as they are, however modules are resolved', () => {
    assert.deepEqual(problems([CONSUMER], 'Bundler'), []);
    assert.deepEqual(problems([CONSUMER], 'NodeNext'), []);
  });

  test('name the mistakes of a test', () => {
    const texts = MISTAKES.map(([right, wrong]) => CONSUMER.replace(right, wrong));
    for (const text of texts) assert.notEqual(text, CONSUMER);
    const said = problems(texts, 'Bundler');
    for (const [index, [, , expected]] of MISTAKES.entries()) {
      const own = said.filter((line) => line.startsWith(`${index}: `));
      assert.equal(own.length, 1, said.join('\n'));
      assert.match(own[0] ?? '', expected);
    }
  });
});
