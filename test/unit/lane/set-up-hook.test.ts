/**
 * Set-up of hooks that are loaded from files: schemas of options, handlers that `setup` returns, and what of them is refused.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parseConfig } from '../../../src/config/load-config.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { type LoadedChain, loadChain } from '../../../src/lane/load-chain.ts';
import { columnOf, HOOK_COUNTERS } from '../../../src/telemetry/counters.ts';
import { ROOT } from '../../support/documents.ts';
import { frameOf } from '../../support/frame-of.ts';
import { ethernet, ipv4, udp } from '../../support/packet-builder.ts';
import { quietLane } from './lane-rig.ts';

const HEAD = `attach: [{ host: eth0 }]\nhooks:\n`;

const FORWARDED = columnOf(HOOK_COUNTERS, 'forwarded');
const DROPPED = columnOf(HOOK_COUNTERS, 'dropped');

interface Given {
  /** Text of each module. */
  readonly modules: Readonly<Record<string, string>>;
  /** The entries of `hooks`. */
  readonly config: string;
  readonly mode?: 'live' | 'check';
}

async function load(
  t: TestContext,
  { modules, config, mode = 'live' }: Given,
): Promise<LoadedChain & { lines: string[] }> {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-set-up-'));
  t.after(() => rmSync(folder, { recursive: true }));
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  for (const [name, text] of Object.entries(modules))
    writeFileSync(path.join(folder, name), `import { defineHook, DROP, FORWARD } from 'firehook';\n${text}`);
  const parsed = parseConfig(HEAD + config, folder, 'firehook.yaml').config;
  const hooks = [];
  for (const { module, ...rest } of parsed.hooks) {
    const [bundle] = await bundleHooks(module, HOOK_MODULE_NAMES);
    assert.ok(bundle !== undefined);
    hooks.push({ ...rest, bundle, priority: rest.priority, options: rest.options });
  }
  const lines: string[] = [];
  const log = (level: string, hook: string, message: string | (() => string)): void => {
    lines.push(`${level} ${hook}: ${typeof message === 'string' ? message : message()}`);
  };
  const chain = await loadChain({
    hooks,
    folder,
    mode,
    log,
    onHookError: 'drop',
    poolLimitMiB: 1,
    trackChanges: false,
    send: () => false,
  });
  return { ...chain, lines };
}

function pass(chain: LoadedChain, ports: readonly number[]): void {
  const lane = quietLane(chain.chain);
  for (const destinationPort of ports) lane.onFrame(frameOf(ethernet({}, ipv4({}, udp({ destinationPort })))));
}

/** Said by each library in its own words. */
const SCHEMAS: Readonly<Record<string, readonly [string, RegExp]>> = {
  zod: [
    `import * as z from 'zod'; const schema = z.object({ port: z.int().max(65535), names: z.array(z.string()).default([]) });`,
    /expected number/,
  ],
  valibot: [
    `import * as v from 'valibot';
     const schema = v.object({ port: v.pipe(v.number(), v.integer()), names: v.optional(v.array(v.string()), []) });`,
    /Expected number/,
  ],
  arktype: [
    `import { type } from 'arktype'; const schema = type({ port: 'number.integer < 65536', names: type('string[]').default(() => []) });`,
    /must be a number|must be an integer/,
  ],
};
const MEETS = `export default defineHook({
  name: 'meets', options: schema,
  setup: ({ port, names }, { log }) => {
    log('info', JSON.stringify([port, names]));
    return { onPacket: (packet) => (packet.destinationPort === port ? DROP : FORWARD) };
  },
});`;

describe('options', () => {
  for (const [library, [schema, said]] of Object.entries(SCHEMAS)) {
    test(`are checked by a schema of ${library}, and what is wrong is told with file, line, hook and key`, async (t) => {
      const modules = { 'a.ts': `${schema}\n${MEETS}` };
      const right = await load(t, { modules, config: '  - module: a.ts\n    options: { port: 53 }' });
      assert.deepEqual(right.lines, ['info meets: [53,[]]']);
      pass(right, [53, 80, 53]);
      assert.deepEqual([right.chain.counters[0], right.chain.counters[FORWARDED]], [3, 1]);
      const config =
        '  - module: a.ts\n    name: named\n    options:\n      port: http\n      names:\n        - one\n        - 2';
      await assert.rejects(load(t, { modules, config }), ({ code, message }: NodeJS.ErrnoException) => {
        assert.equal(code, 'FIREHOOK_HOOK_OPTIONS');
        assert.match(
          message,
          /firehook\.yaml: hook named: options\.port: .*\(line 6\); options\.names\[1\]: .*\(line 9\)$/,
        );
        assert.match(message, said);
        return true;
      });
      const missing = load(t, { modules, config: '  - module: a.ts\n    options:\n      names: []' });
      await assert.rejects(missing, /options\.port: .*\(line 3\)$/, 'the line of the entry that it is missing in');
    });
  }

  test('are {} where the configuration has none, and may be checked by a promise', async (t) => {
    const schema = `const schema = { '~standard': { version: 1, vendor: 'own', validate: async (value) => ({ value: { ...value, port: 7, names: [] } }) } };`;
    const loaded = await load(t, { modules: { 'a.ts': `${schema}\n${MEETS}` }, config: '  - module: a.ts' });
    assert.deepEqual(loaded.lines, ['info meets: [7,[]]']);
  });

  test('of a schema that throws, or is none, refuse the hook', async (t) => {
    const throwing = `const schema = { '~standard': { version: 1, vendor: 'own', validate() { throw new Error('of its own'); } } };`;
    await assert.rejects(load(t, { modules: { 'a.ts': `${throwing}\n${MEETS}` }, config: '  - module: a.ts' }), {
      code: 'FIREHOOK_HOOK_SETUP',
      message: /its schema of options threw: of its own$/,
    });
    for (const schema of ['{ port: 1 }', '7', '{ "~standard": { version: 2, validate() {} } }'])
      await assert.rejects(
        load(t, { modules: { 'a.ts': `const schema = ${schema};\n${MEETS}` }, config: '  - module: a.ts' }),
        {
          code: 'FIREHOOK_HOOK_INVALID',
          message: /options: is no schema with the interface Standard Schema/,
        },
      );
  });
});

describe('columns', () => {
  const text = (columns: string): string => `export default defineHook({
    name: 'counts', flows: { columns: ${columns} },
    setup(options, { column, log }) {
      const times = column('times'), last = column('last');
      return {
        onPacket({ flow, destinationPort }) {
          if (flow === null) return DROP;
          times.add(flow, 1);
          log('info', [times.get(flow), last.get(flow)].join(' '));
          last.set(flow, destinationPort + 0.5);
          return FORWARD;
        },
        onFlowEnd: () => undefined,
      };
    },
  });`;

  test('are kept with each flow, of their type, for each hook by itself', async (t) => {
    const modules = {
      'a.ts': text("{ times: 'int32', last: 'float64' }"),
      'b.ts': text("{ times: 'float64', last: 'int32' }"),
    };
    const loaded = await load(t, { modules, config: '  - module: a.ts\n  - module: b.ts\n    name: second' });
    pass(loaded, [53, 53, 80]);
    assert.deepEqual(
      loaded.lines.filter((line) => line.includes('counts')).map((line) => line.split(': ')[1]),
      ['1 0', '2 53.5', '1 0'],
    );
    assert.deepEqual(
      loaded.lines.filter((line) => line.includes('second')).map((line) => line.split(': ')[1]),
      ['1 0', '2 53', '1 0'],
    );
  });

  for (const [definition, message] of [
    [
      "flows: { columns: { times: 'int32' } }, setup: (o, { column }) => column('other')",
      /column "other" is not declared/,
    ],
    ["setup: (o, { column }) => column('times')", /column "times" is not declared; say flows/],
    [
      "flows: { columns: { times: 'int64' } }, onPacket: () => 0",
      /flows\.columns\.times: "int64" is not valid; expected int32 or float64/,
    ],
    ['flows: 1, onPacket: () => 0', /flows: 1 is not valid; expected true or \{ columns \}/],
    ['flows: { column: {} }, onPacket: () => 0', /flows\.column: did you mean columns\?/],
    ['setup: () => ({ onFlow: () => 0 })', /returned onFlow or onFlowEnd; say flows: true/],
    ['onFlow: async () => 0', /onFlow: is an async function/],
    ['flows: true, onFlowEnd: () => 0', /onPacket: is missing/],
  ] as const) {
    test(`are refused: ${definition}`, async (t) => {
      const modules = { 'a.ts': `export default defineHook({ name: 'x', ${definition} } as never);` };
      await assert.rejects(load(t, { modules, config: '  - module: a.ts' }), { message });
    });
  }
});

describe('handlers that setup returns', () => {
  const COUNTER = `export default defineHook({
    name: 'counter',
    async setup(options, runtime) {
      let seen = 0;
      return {
        onPacket: () => ((seen += 1) > options.most ? DROP : FORWARD),
        teardown: () => runtime.log('info', runtime.name + ' saw ' + seen),
      };
    },
  });`;

  test('have their state for themselves where the module stands in the configuration twice', async (t) => {
    const config = [
      '  - module: a.ts\n    options: { most: 2 }\n    priority: 1',
      '  - module: a.ts\n    name: second\n    options: { most: 1 }',
    ].join('\n');
    const loaded = await load(t, { modules: { 'a.ts': COUNTER }, config });
    pass(loaded, [1, 2, 3]);
    loaded.teardown();
    assert.deepEqual(
      loaded.hooks.map(({ name }) => name),
      ['counter', 'second'],
    );
    assert.deepEqual(loaded.lines, ['info counter: counter saw 3', 'info second: second saw 2']);
  });

  test('may be an instance of a class', async (t) => {
    const text = `class Counter { seen = 0; onPacket() { this.seen += 1; return this.seen > 1 ? DROP : FORWARD; } }
      export default defineHook({ name: 'instance', setup: () => new Counter() });`;
    const loaded = await load(t, { modules: { 'a.ts': text }, config: '  - module: a.ts' });
    pass(loaded, [1, 2, 3]);
    assert.equal(loaded.chain.counters[DROPPED], 2);
  });

  const refused: readonly (readonly [string, RegExp])[] = [
    ['{ name: "x", setup: () => 7 }', /setup: returned 7; expected handlers/],
    ['{ name: "x", setup: () => undefined }', /setup: returned undefined; expected handlers/],
    ['{ name: "x", setup: async () => null }', /setup: returned null; expected handlers/],
    ['{ name: "x", setup: () => ({}) }', /setup: returned onPacket: is missing/],
    [
      '{ name: "x", setup: () => ({ onPacket: () => 0, onPakcet: 1 }) }',
      /setup: returned onPakcet: did you mean onPacket\?/,
    ],
    ['{ name: "x", setup: () => ({ onPacket: async () => 0 }) }', /setup: returned onPacket: is an async function/],
    ['{ name: "x", setup: () => ({ onPacket: 0 }) }', /setup: returned onPacket: is not a function/],
    ['{ name: "x", setup: () => ({ onPacket: () => 0, teardown: 1 }) }', /setup: returned teardown: is not a function/],
    ['{ name: "x", onPacket: () => 0, setup: () => ({ onPacket: () => 0 }) }', /handlers stand in one place/],
    ['{ name: "x", setup: () => ({ onPacket: () => 0 }), teardown() {} }', /onPacket: is missing/],
    ['{ name: "x", checkable: 1, onPacket: () => 0 }', /checkable: 1 is not valid/],
  ];
  for (const [definition, message] of refused) {
    test(`are refused: ${definition}`, async (t) => {
      const given = {
        modules: { 'a.ts': `export default defineHook(${definition} as never);` },
        config: '  - module: a.ts',
      };
      await assert.rejects(load(t, given), { code: 'FIREHOOK_HOOK_INVALID', message });
    });
  }

  test('are not made by a check unless the hook says that they may be', async (t) => {
    const text = (more: string): string => `export default defineHook({
      name: 'cautious', ${more}
      setup(options, { log, mode }) { log('info', 'set up for ' + mode); return { onPacket: () => DROP }; },
    });`;
    const config = '  - module: a.ts';
    for (const more of ['', 'checkable: false,']) {
      const spared = await load(t, { modules: { 'a.ts': text(more) }, config, mode: 'check' });
      assert.deepEqual(spared.lines, [
        'info cautious: was loaded, its options checked, and not tried; write checkable: true into the hook if its setup may be called in a check',
      ]);
      const live = await load(t, { modules: { 'a.ts': text(more) }, config });
      assert.deepEqual(live.lines, ['info cautious: set up for live']);
    }
    const asked = await load(t, { modules: { 'a.ts': text('checkable: true,') }, config, mode: 'check' });
    assert.deepEqual(asked.lines, ['info cautious: set up for check']);
  });

  test('that stand in the definition are tried by a check: there is nothing to set up', async (t) => {
    const text = "export default defineHook({ name: 'plain', onPacket: () => DROP });";
    const plain = await load(t, { modules: { 'a.ts': text }, config: '  - module: a.ts', mode: 'check' });
    assert.deepEqual(plain.lines, []);
    pass(plain, [53]);
    assert.deepEqual([plain.chain.counters[0], plain.chain.counters[FORWARDED]], [1, 0]);
  });
});
