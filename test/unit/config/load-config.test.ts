/**
 * The configuration file: what a good one becomes, what a bad one is told, and where.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConfigError, loadConfig, parseConfig } from '../../../src/config/load-config.ts';
import { isFirehookError } from '../../../src/errors.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Two lines that are a whole configuration; what is under test starts on line 3. */
const BRIDGE = 'attach:\n  - bridge: [lan0, wan0]\n';

const parse = (text: string) => parseConfig(text, '/etc/firehook', 'firehook.yaml');

function problemsOf(text: string): readonly string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    assert.ok(error.message.includes(`firehook.yaml: ${error.problems[0]}`));
    return error.problems;
  }
  return [];
}

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'firehook-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

describe('a good configuration', () => {
  test('needs nothing but an attach: every other key has its default', () => {
    assert.deepEqual(parse(BRIDGE).config, {
      attach: [{ bridge: ['lan0', 'wan0'] }],
      driver: 'afpacket',
      lanes: 1,
      ring: {},
      hooks: [],
      tables: {},
      trustWritable: false,
      reload: { onChange: false },
      policy: { onDown: 'drop', onStop: 'undo', keepSession: 'none', nonIp: 'forward', unreadable: 'drop' },
      faults: {
        default: 'drop',
        hookThrows: 'drop',
        noVerdict: 'drop',
        misuse: 'drop',
        overTime: 'drop',
        breakerOpen: 'drop',
        heldTooLong: 'hook',
        budgetMicroseconds: 0,
        breaker: { faults: 0, windowSeconds: 10, retrySeconds: 30, trialPackets: 100 },
      },
      icmp: {
        code: 13,
        ratePerSecond: 1000,
        perPrefix: 50,
        perAddress: 10,
        tooBig: { ratePerSecond: 1000, perPrefix: 500, perAddress: 100 },
      },
      lane: { user: 'firehook', memoryMiB: 2048 },
      control: { socket: '/run/firehook/firehook.sock', mode: '0600', devices: false },
      log: { level: 'info' },
      pool: { limitMiB: 64 },
      flows: { most: 65_536, timeouts: {} },
      metrics: {},
      web: {},
      events: {
        rotate: { mib: 0, keep: 5 },
        stdout: false,
        types: [],
        sample: { oneIn: 1, perSecond: 100 },
        statsSeconds: 10,
      },
      verifier: { chains: 'whole', lowResources: 0, poison: false, oldChain: 'runtime', irql: true },
    });
  });

  test('may set the ring of afpacket in either way, and the CPUs of lanes', () => {
    const { config } = parse(`${BRIDGE}driver: afpacket\nring: { ms: 20 }\nlane: { cpus: [3, 0, 3] }`);
    assert.deepEqual([config.ring, config.lane.cpus], [{ ms: 20 }, [3, 0, 3]]);
    assert.deepEqual(parse(`${BRIDGE}driver: afpacket\nring: { mib: 1024 }`).config.ring, { mib: 1024 });
  });

  test('may set every key of driver: pcap', () => {
    const { config } = parse(`
attach:
  - bridge: [lan0, wan0]
  - host: eth0
  - tap: br-1.20@x
driver: pcap
lanes: 1
hooks:
  - module: hooks/a.ts
    name: first
    priority: -5
    options: { ports: [23, "6000-6063"], deep: { list: [null, true] } }
    mode: shadow
    allow: { files: [list.txt, /srv/lists], network: ['tcp://192.0.2.7:443', 'udp://[2001:db8::53]:53'], interfaces: [ids0] }
  - module: ../b
  - module: /srv/hooks/c.js
tables:
  blocked: { file: lists/blocked.txt }
  country-2: { file: /srv/country.csv, every: 0, values: { DE: 1, "64496": 0 } }
trustWritable: true
reload: { onChange: true }
policy: { onDown: forward, onStop: hold, nonIp: drop, unreadable: forward }
faults: { default: forward, hookThrows: drop, noVerdict: drop, misuse: drop, overTime: forward, breakerOpen: forward, heldTooLong: drop, budgetMicroseconds: 9, breaker: { faults: 8, windowSeconds: 7, retrySeconds: 6, trialPackets: 5 } }
icmp: { code: 0, ratePerSecond: 0, perPrefix: 4, perAddress: 3, tooBig: { ratePerSecond: 7, perPrefix: 6, perAddress: 5 } }
lane: { user: nobody, cpus: [1], memoryMiB: 512, confine: best }
control: { socket: /tmp/x.sock, mode: "660", devices: true }
log: { level: silent }
pool: { limitMiB: 1 }
flows: { most: 9, timeouts: { tcpNew: 1, tcpEstablished: 2, tcpClosing: 3, tcpClosed: 4, udpNew: 5, udpEstablished: 6, icmp: 7, other: 8 } }
metrics: { listen: '[::1]:9477' }
events: { file: log/events.json, rotate: { mib: 9, keep: 2 }, socket: /run/eve.sock, stdout: true, types: [drop, flow, stats, engine], sample: { oneIn: 100, perSecond: 0 }, statsSeconds: 60 }
verifier: { chains: octets, lowResources: 0.5, seed: 7, poison: true, oldChain: hook, irql: false }
`);
    assert.deepEqual(config, {
      attach: [{ bridge: ['lan0', 'wan0'] }, { host: 'eth0' }, { tap: 'br-1.20@x' }],
      driver: 'pcap',
      lanes: 1,
      hooks: [
        {
          module: '/etc/firehook/hooks/a.ts',
          name: 'first',
          priority: -5,
          options: { ports: [23, '6000-6063'], deep: { list: [null, true] } },
          mode: 'shadow',
          places: {
            file: 'firehook.yaml',
            lines: {
              '[]': 9,
              '["ports"]': 12,
              '["ports","0"]': 12,
              '["ports","1"]': 12,
              '["deep"]': 12,
              '["deep","list"]': 12,
              '["deep","list","0"]': 12,
              '["deep","list","1"]': 12,
            },
          },
          allow: {
            files: ['/etc/firehook/list.txt', '/srv/lists'],
            network: ['tcp://192.0.2.7:443', 'udp://[2001:db8::53]:53'],
            interfaces: ['ids0'],
          },
        },
        { module: '/etc/b', mode: 'enforce', allow: { files: [], network: [], interfaces: [] } },
        { module: '/srv/hooks/c.js', mode: 'enforce', allow: { files: [], network: [], interfaces: [] } },
      ],
      tables: {
        blocked: { file: '/etc/firehook/lists/blocked.txt', every: 60 },
        'country-2': { file: '/srv/country.csv', every: 0, values: { DE: 1, '64496': 0 } },
      },
      trustWritable: true,
      reload: { onChange: true },
      policy: { onDown: 'forward', onStop: 'hold', keepSession: 'none', nonIp: 'drop', unreadable: 'forward' },
      faults: {
        default: 'forward',
        hookThrows: 'drop',
        noVerdict: 'drop',
        misuse: 'drop',
        overTime: 'forward',
        breakerOpen: 'forward',
        heldTooLong: 'drop',
        budgetMicroseconds: 9,
        breaker: { faults: 8, windowSeconds: 7, retrySeconds: 6, trialPackets: 5 },
      },
      icmp: {
        code: 0,
        ratePerSecond: 0,
        perPrefix: 4,
        perAddress: 3,
        tooBig: { ratePerSecond: 7, perPrefix: 6, perAddress: 5 },
      },
      ring: {},
      lane: { user: 'nobody', cpus: [1], memoryMiB: 512, confine: 'best' },
      control: { socket: '/tmp/x.sock', mode: '660', devices: true },
      log: { level: 'silent' },
      pool: { limitMiB: 1 },
      flows: {
        most: 9,
        timeouts: {
          tcpNew: 1,
          tcpEstablished: 2,
          tcpClosing: 3,
          tcpClosed: 4,
          udpNew: 5,
          udpEstablished: 6,
          icmp: 7,
          other: 8,
        },
      },
      metrics: { listen: '[::1]:9477' },
      web: {},
      events: {
        file: '/etc/firehook/log/events.json',
        rotate: { mib: 9, keep: 2 },
        socket: '/run/eve.sock',
        stdout: true,
        types: ['drop', 'flow', 'stats', 'engine'],
        sample: { oneIn: 100, perSecond: 0 },
        statsSeconds: 60,
      },
      verifier: { chains: 'octets', lowResources: 0.5, seed: 7, poison: true, oldChain: 'hook', irql: false },
    });
  });

  for (const name of ['bridge', 'host', 'tap']) {
    test(`is each of the examples: config/${name}.yaml`, () => {
      const { config } = loadConfig(path.join(ROOT, 'config', `${name}.yaml`));
      assert.ok(name in (config.attach[0] ?? {}));
      assert.ok(config.hooks.length > 0);
      for (const hook of config.hooks) assert.equal(path.dirname(hook.module), path.join(ROOT, 'hooks'));
    });
  }
});

describe('a bad configuration', () => {
  const anAttach = 'expected one of bridge: [a, b], host: name or tap: name';
  const attaches = 'expected a list with one or more of bridge: [a, b], host: name, tap: name';
  const aName = 'expected an interface name: 1 to 15 characters, no white space, none of / : * \\ and no quotes';
  const keys =
    'attach, driver, lanes, ring, hooks, tables, trustWritable, reload, policy, faults, icmp, lane, control, log, pool, flows, events, metrics, web, verifier';
  const refusals: readonly (readonly [text: string, ...problems: string[]])[] = [
    ['', `attach: is missing; ${attaches} (line 1)`],
    ['just text', `"just text" is not valid; expected a mapping with ${keys} (line 1)`],
    [
      `${BRIDGE}events: { types: [drop] }`,
      'events.types: are asked for and go nowhere; expected events.file, events.socket or events.stdout: true beside it (line 3)',
    ],
    [
      `${BRIDGE}events: { rotate: { mib: 1 }, socket: x }`,
      'events.rotate: is for events.file, which is missing (line 3)',
    ],
    [
      `${BRIDGE}events: { stdout: true, types: [drops] }`,
      'events.types[0]: "drops" is not valid; expected drop, flow, stats or engine (line 3)',
    ],
    [
      `${BRIDGE}tables: [blocked]`,
      'tables: ["blocked"] is not valid; expected a mapping of names to tables, each with file: (line 3)',
    ],
    [`${BRIDGE}tables: { a: }`, 'tables.a: is empty; expected a mapping with file, every, values (line 3)'],
    [
      `${BRIDGE}tables: { a: { every: 5 } }`,
      'tables.a.file: is missing; expected the path of a list of prefixes (line 3)',
    ],
    [`${BRIDGE}tables:\n  a: { file: x, ever: 5 }`, 'tables.a.ever: unknown key; did you mean every? (line 4)'],
    [
      `${BRIDGE}tables:\n  a: { file: x }\n  a b: { file: x }\n  '': { file: x }`,
      'tables.a b: is no name; expected a letter, then letters, digits, - and _, at most 63 characters (line 5)',
      'tables.: is no name; expected a letter, then letters, digits, - and _, at most 63 characters (line 6)',
    ],
    [
      `${BRIDGE}tables:\n  a: { file: x, every: 86401, values: { DE: 1073741824, FR: one } }`,
      'tables.a.every: 86401 is not valid; expected a whole number, from 0 to 86400 (line 4)',
      'tables.a.values.DE: 1073741824 is not valid; expected a whole number, from 0 to 1073741823 (line 4)',
      'tables.a.values.FR: "one" is not valid; expected a whole number, from 0 to 1073741823 (line 4)',
    ],
    [
      `${BRIDGE}tables:\n${Array.from({ length: 33 }, (_, index) => `  t${index}: { file: x }\n`).join('')}`,
      'tables: has 33 tables; expected 32 at most (line 3)',
    ],
    [
      `${BRIDGE}hooks:\n  - module: a.ts\n    allow: { interfaces: [ids0, lan0] }`,
      'hooks[0].allow.interfaces[1]: "lan0" is a port of an attach, whose packets the hooks meet; expected another interface (line 5)',
    ],
    [
      'attach: [{ tap: eth0 }]\nhooks:\n  - module: a.ts\n    allow: { interfaces: [ids0] }',
      'hooks[0].allow.interfaces[0]: "ids0" is of no use: every attach is a tap, and where there are only taps nothing is sent (line 4)',
    ],
    [
      `${BRIDGE}hooks: [{ module: a.ts, allow: { interfaces: [a/b] } }]`,
      `hooks[0].allow.interfaces[0]: "a/b" is not valid; ${aName} (line 3)`,
    ],
    [`${BRIDGE}tables:\n  a: { file: x }\n  a: { file: y }`, 'Map keys must be unique (line 5, column 3)'],
    ['attach:', `attach: is empty; ${attaches} (line 1)`],
    ['attach: []', `attach: [] is not valid; ${attaches} (line 1)`],
    ['attach:\n  - eth0', `attach[0]: "eth0" is not valid; ${anAttach} (line 2)`],
    ['attach:\n  - {}', `attach[0]: {} is not valid; ${anAttach} (line 2)`],
    ['attach:\n  - hots: eth0', `attach[0]: {"hots":"eth0"} is not valid; ${anAttach} (line 2)`],
    [
      'attach:\n  - host: eth0\n    tap: eth1',
      `attach[0]: {"host":"eth0","tap":"eth1"} is not valid; ${anAttach} (line 2)`,
    ],
    [
      'attach:\n  - bridge: [lan0]',
      'attach[0].bridge: ["lan0"] is not valid; expected two interfaces, for example [lan0, wan0] (line 2)',
    ],
    ['attach:\n  - bridge:\n    - lan0\n    - wan/0', `attach[0].bridge[1]: "wan/0" is not valid; ${aName} (line 4)`],
    ['attach:\n  - host: ""', `attach[0].host: "" is not valid; ${aName} (line 2)`],
    ['attach:\n  - host: a234567890123456', `attach[0].host: "a234567890123456" is not valid; ${aName} (line 2)`],
    ['attach:\n  - tap: "eth 0"', `attach[0].tap: "eth 0" is not valid; ${aName} (line 2)`],
    [
      'attach:\n  - host: eth0\n    tolerate: [tc, bpf]',
      'attach[0].tolerate[1]: "bpf" is not valid; expected tc, xdp, macvlan, ipvlan or master (line 3)',
    ],
    [
      'attach:\n  - bridge: [lan0, wan0]\n    tolerate: tc',
      'attach[0].tolerate: "tc" is not valid; expected a list of tc, xdp, macvlan, ipvlan and master (line 3)',
    ],
    ['attach:\n  - tap: eth0\n    tolerate: [tc]', 'attach[0].tolerate: unknown key; expected tap (line 3)'],
    ['attach:\n  - tap: ".."', `attach[0].tap: ".." is not valid; ${aName} (line 2)`],
    ['attach:\n  - tap: eth*', `attach[0].tap: "eth*" is not valid; ${aName} (line 2)`],
    ["attach:\n  - tap: 'e\"t'", `attach[0].tap: "e\\"t" is not valid; ${aName} (line 2)`],
    [
      'attach:\n  - bridge: [lan0, lan0]',
      'attach[0]: "lan0" is named twice (attach[0] has it); an interface is attached once (line 2)',
    ],
    [
      `${BRIDGE}  - host: eth0\n  - tap: wan0`,
      'attach[2]: "wan0" is named twice (attach[0] has it); an interface is attached once (line 4)',
    ],
    [`${BRIDGE}driver: xdp`, 'driver: "xdp" is not valid; expected afpacket or pcap (line 3)'],
    [
      `${BRIDGE}lanes: 2\ndriver: pcap`,
      'lanes: 2 needs a driver that can share a port by flow; driver: pcap cannot; use lanes: 1 (line 3)',
    ],
    [
      `${BRIDGE}driver: afpacket\nring:\n  mib: 32\n  ms: 20`,
      'ring: mib: 32 and ms: 20 are two sizes of one ring; expected one of them (line 4)',
    ],
    [
      `${BRIDGE}ring: { mib: 8 }\ndriver: pcap`,
      'ring: is for driver: afpacket; the buffers of driver: pcap have 32 MiB; leave ring out, or use driver: afpacket (line 3)',
    ],
    [
      `${BRIDGE}driver: afpacket\nring: { mib: 1025 }`,
      'ring.mib: 1025 is not valid; expected a whole number, from 1 to 1024 (line 4)',
    ],
    [
      `${BRIDGE}driver: afpacket\nring: { ms: 0.5 }`,
      'ring.ms: 0.5 is not valid; expected a whole number, from 1 to 10000 (line 4)',
    ],
    [
      `${BRIDGE}lane: { cpus: [] }`,
      'lane.cpus: [] is not valid; expected a list of CPU numbers, for example [0, 1] (line 3)',
    ],
    [
      `${BRIDGE}lane: { cpus: 0-1 }`,
      'lane.cpus: "0-1" is not valid; expected a list of CPU numbers, for example [0, 1] (line 3)',
    ],
    [
      `${BRIDGE}lane:\n  cpus: [0, -1]`,
      'lane.cpus[1]: -1 is not valid; expected a whole number, from 0 to 8191 (line 4)',
    ],
    [`${BRIDGE}lanes: 0`, 'lanes: 0 is not valid; expected a whole number, from 1 to 64 (line 3)'],
    [`${BRIDGE}lanes: 1.5`, 'lanes: 1.5 is not valid; expected a whole number, from 1 to 64 (line 3)'],
    [`${BRIDGE}lanes: "1"`, 'lanes: "1" is not valid; expected a whole number, from 1 to 64 (line 3)'],
    [
      `${BRIDGE}hooks:\n  - ./a.ts`,
      'hooks[0]: "./a.ts" is not valid; expected a mapping with module, name, priority, options, mode, allow (line 4)',
    ],
    [
      `${BRIDGE}hooks:\n  - priority: 1`,
      'hooks[0].module: is missing; expected the path of a hook module or of a folder of them, or the name of an npm package (line 4)',
    ],
    [
      `${BRIDGE}hooks:\n  - module: a.ts\n    priority: high\n    options: [1]\n    nam: x`,
      'hooks[0].priority: "high" is not valid; expected a whole number (line 5)',
      'hooks[0].options: [1] is not valid; expected a mapping of option names to values (line 6)',
      'hooks[0].nam: unknown key; did you mean name? (line 7)',
    ],
    [`${BRIDGE}policy:\n  onDown: "maybe"`, 'policy.onDown: "maybe" is not valid; expected drop or forward (line 4)'],
    [
      `${BRIDGE}policy:\n  ondown: drop\n  nonip: drop\n  other: 1`,
      'policy.ondown: unknown key; did you mean onDown? (line 4)',
      'policy.nonip: unknown key; did you mean nonIp? (line 5)',
      'policy.other: unknown key; expected onDown, onStop, keepSession, nonIp, unreadable (line 6)',
    ],
    [
      `${BRIDGE}policy:`,
      'policy: is empty; expected a mapping with onDown, onStop, keepSession, nonIp, unreadable (line 3)',
    ],
    [`${BRIDGE}icmp: { code: 16 }`, 'icmp.code: 16 is not valid; expected a whole number, from 0 to 15 (line 3)'],
    [
      `${BRIDGE}icmp:\n  ratePerSecond: .inf`,
      'icmp.ratePerSecond: Infinity is not valid; expected a whole number, 0 or more (line 4)',
    ],
    [`${BRIDGE}lane: { user: "a b" }`, 'lane.user: "a b" is not valid; expected a user name (line 3)'],
    [
      `${BRIDGE}control: { mode: 0600 }`,
      'control.mode: 600 is not valid; expected an octal file mode in quotes, for example "0600" (line 3)',
    ],
    [
      `${BRIDGE}control: { socket: firehook.sock }`,
      'control.socket: "firehook.sock" is not valid; expected an absolute path of at most 107 characters without white space (line 3)',
    ],
    [
      `${BRIDGE}log: { level: verbose }`,
      'log.level: "verbose" is not valid; expected trace, debug, info, warn, error, fatal or silent (line 3)',
    ],
    [
      `${BRIDGE}pool: { limitMiB: 0 }`,
      'pool.limitMiB: 0 is not valid; expected a whole number, from 1 to 4096 (line 3)',
    ],
    [`${BRIDGE}__proto__: { polluted: 1 }`, `__proto__: unknown key; expected ${keys} (line 3)`],
  ];
  for (const [text, ...problems] of refusals) {
    test(`is told: ${problems[0]}`, () => assert.deepEqual(problemsOf(text), problems));
  }

  test('has its first problem in the message and the number of the others', () => {
    assert.throws(() => parse('driver: xdp\nlanes: 0\nattach: 1'), {
      code: 'FIREHOOK_CONFIG_INVALID',
      exitCode: 2,
      message: /firehook\.yaml: attach: 1 is not valid; .*\(line 3\) \(and 2 more\)$/,
    });
  });

  test('is cut short in a message where a value is long', () => {
    const [problem = ''] = problemsOf(`${BRIDGE}log: { level: "${'x'.repeat(5000)}" }`);
    assert.ok(problem.length < 200, problem);
  });
});

describe('text that is not YAML', () => {
  const refusals: readonly (readonly [text: string, problem: string | RegExp])[] = [
    [`${BRIDGE}lanes: 1\nlanes: 1`, 'Map keys must be unique (line 4, column 1)'],
    [`${BRIDGE}policy: {`, /\(line 3, column 10\)$/],
    [`attach:\n\t- host: eth0`, /\(line 2, column 1\)$/],
    [`${BRIDGE}---\nlanes: 1`, /multiple documents.* \(line 3, column 1\)$/],
    [`${BRIDGE}lanes: !secret 1`, /Unresolved tag.* \(line 3, column 8\)$/],
    [`${BRIDGE}policy: *nowhere`, /Unresolved alias.*nowhere/],
  ];
  for (const [text, problem] of refusals) {
    test(`is told: ${problem}`, () => {
      const [first = ''] = problemsOf(text);
      if (typeof problem === 'string') assert.equal(first, problem);
      else assert.match(first, problem);
      assert.throws(() => parse(text), { code: 'FIREHOOK_CONFIG_SYNTAX', exitCode: 2 });
    });
  }

  test('is refused when its aliases stand for too much', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const item = level === 0 ? 'x' : `*l${level - 1}`;
      return `l${level}: &l${level} [${Array.from({ length: 9 }, () => item).join(', ')}]`;
    });
    assert.throws(() => parse(levels.join('\n')), { code: 'FIREHOOK_CONFIG_SYNTAX', message: /alias/ });
  });

  test('an alias in bounds stands for its value, and a problem in it has the line of the value', () => {
    const text = `${BRIDGE}hooks:\n  - module: a.ts\n    options: &shared { on: true }\n  - module: b.ts\n    options: *shared\n`;
    assert.deepEqual(parse(text).config.hooks[1]?.options, { on: true });
    assert.deepEqual(problemsOf(`${BRIDGE}icmp: &bad\n  code: 99\nlane: *bad`), [
      'icmp.code: 99 is not valid; expected a whole number, from 0 to 15 (line 4)',
      'lane.code: unknown key; expected user, cpus, memoryMiB, confine (line 4)',
    ]);
  });
});

describe('a configuration file', () => {
  test('that is not there is refused by name', () => {
    assert.throws(() => loadConfig('/nonexistent/firehook.yaml'), {
      code: 'FIREHOOK_CONFIG_UNREADABLE',
      exitCode: 2,
      message:
        'cannot read the configuration: /nonexistent/firehook.yaml: no such file; check the path and its permissions',
    });
  });

  test('that is a folder is refused', () => {
    assert.throws(() => loadConfig(ROOT), { code: 'FIREHOOK_CONFIG_UNREADABLE', message: /not a regular file/ });
  });

  test('above one MiB is refused with its size', (t) => {
    const file = path.join(temporaryFolder(t), 'large.yaml');
    writeFileSync(file, `${BRIDGE}${'#'.repeat(1024 * 1024)}`);
    assert.throws(() => loadConfig(file), {
      code: 'FIREHOOK_CONFIG_UNREADABLE',
      message: /1048609 octets; at most 1048576 are read/,
    });
  });

  test('that is no UTF-8 text is refused', (t) => {
    const file = path.join(temporaryFolder(t), 'binary.yaml');
    writeFileSync(file, Buffer.from([0x61, 0xff, 0xfe]));
    assert.throws(() => loadConfig(file), { code: 'FIREHOOK_CONFIG_UNREADABLE', message: /not UTF-8 text/ });
  });

  test('finds its hooks, files and folders, beside itself and refuses the first that is missing', (t) => {
    const folder = temporaryFolder(t);
    const file = path.join(folder, 'firehook.yaml');
    writeFileSync(path.join(folder, 'a.ts'), '');
    writeFileSync(file, `${BRIDGE}hooks:\n  - module: ./a.ts\n  - module: .\n`);
    assert.deepEqual(
      loadConfig(path.relative(process.cwd(), file)).config.hooks.map((hook) => hook.module),
      [path.join(folder, 'a.ts'), folder],
    );
    writeFileSync(file, `${BRIDGE}hooks:\n  - module: ./a.ts\n  - module: ./b.ts\n`);
    assert.throws(
      () => loadConfig(file),
      (error) => {
        assert.ok(isFirehookError(error));
        assert.equal(error.code, 'FIREHOOK_HOOK_UNREADABLE');
        assert.equal(error.hook, path.join(folder, 'b.ts'));
        assert.match(error.message, /b\.ts: no such file; module paths are relative to the config file$/);
        return true;
      },
    );
  });

  test('that may not be read is refused for that reason', (t) => {
    const file = path.join(temporaryFolder(t), 'secret.yaml');
    writeFileSync(file, BRIDGE);
    chmodSync(file, 0);
    // Root may read every file, unless it has lost that right.
    const asRoot = process.geteuid?.() === 0 ? ['setpriv', '--bounding-set', '-dac_override,-dac_read_search'] : [];
    const program = `import { loadConfig } from '${new URL('src/config/load-config.ts', `file://${ROOT}`).href}';
      try { loadConfig(process.argv[1]); } catch ({ code, message }) { console.log(code, message); }`;
    const [command = '', ...args] = [
      ...asRoot,
      process.execPath,
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      program,
      file,
    ];
    const said = execFileSync(command, args, { encoding: 'utf8', cwd: ROOT });
    assert.match(said, /^FIREHOOK_CONFIG_UNREADABLE .*permission denied/);
  });
});

describe('an operator is warned', () => {
  const HOOKS = 'hooks:\n  - module: a.ts\n';
  const warningsOf = (text: string) => parse(text).warnings;

  test('of nothing where nothing surprises', () => {
    assert.deepEqual(warningsOf(BRIDGE + HOOKS), []);
    assert.deepEqual(warningsOf(`attach:\n  - tap: eth0\n${HOOKS}policy: { nonIp: drop, onDown: forward }`), []);
  });

  test('that without hooks everything passes', () => {
    assert.deepEqual(warningsOf(BRIDGE), ['hooks: there are none, so every IP packet is forwarded.']);
  });

  test('that dropping non-IP frames on a bridge stops ARP, but not the neighbour discovery of IPv6', () => {
    const [unread] = warningsOf(`${BRIDGE}${HOOKS}policy: { unreadable: forward }`);
    assert.match(unread ?? '', /^policy\.unreadable: forward lets frames pass in which IP may be/);
    assert.deepEqual(warningsOf(`attach:\n  - tap: eth0\n${HOOKS}policy: { unreadable: forward }`), []);
    const [warning, ...others] = warningsOf(`${BRIDGE}${HOOKS}policy: { nonIp: drop }`);
    assert.match(warning ?? '', /^policy\.nonIp: drop stops ARP on the bridge lan0-wan0: IPv4 hosts .*IPv6 finds/);
    assert.deepEqual(others, []);
  });

  test('that a host whose lane is down can lock its administrator out, with the way back', () => {
    assert.deepEqual(warningsOf(`attach:\n  - host: eth0\n${HOOKS}`), [
      'policy.onDown: drop on host eth0 can lock an administrator out; the way back: firehookd --undo from the console.',
    ]);
  });

  test('that onDown: forward lets packets pass unchecked', () => {
    assert.deepEqual(warningsOf(`attach:\n  - host: eth0\n${HOOKS}policy: { onDown: forward }`), [
      'policy.onDown: forward lets packets pass unchecked while no lane answers.',
    ]);
  });
});
