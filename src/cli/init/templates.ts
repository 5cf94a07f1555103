/**
 * What stands in the files of a new package.
 *
 * Rule: a hook, its options, its test and its configuration belong together: the test counts what the hook does with the capture under
 * this configuration. What is written here is what an author reads first, so it says why.
 *
 * @module
 */

/** What the texts differ by. */
export interface PackageFacts {
  /** As npm has it: `@me/firehook-hook-telnet`. */
  readonly name: string;
  /** As logs and counters have it: `telnet`. */
  readonly hook: string;
  readonly language: 'TypeScript' | 'JavaScript';
  /** Versions that the package is made with. */
  readonly versions: { readonly firehook: string; readonly zod: string; readonly typescript: string };
}

/** The files of a package but for its capture: name to text. */
export function textFiles(facts: PackageFacts): ReadonlyMap<string, string> {
  const isTyped = facts.language === 'TypeScript';
  return new Map([
    ['package.json', packageJson(facts, isTyped)],
    ...(isTyped ? ([['tsconfig.json', TSCONFIG]] as const) : []),
    [hookFile(facts), hookText(facts)],
    ['hook.test.js', CAPTURE_TEST],
    [isTyped ? 'packets.test.ts' : 'packets.test.js', packetsTest(facts, isTyped)],
    ['firehook.yaml', configText(facts)],
    ['README.md', readme(facts, isTyped)],
    ['.gitignore', gitignore(isTyped)],
  ]);
}

/** `hook.ts` or `hook.js`. */
export function hookFile({ language }: PackageFacts): string {
  return language === 'TypeScript' ? 'hook.ts' : 'hook.js';
}

function packageJson({ name, versions }: PackageFacts, isTyped: boolean): string {
  const firehook = `^${versions.firehook}`;
  const value = {
    name,
    version: '0.1.0',
    description: 'A hook for firehook.',
    keywords: ['firehook', 'firehook-hook'],
    type: 'module',
    exports: isTyped ? { '.': { types: './dist/hook.d.ts', default: './dist/hook.js' } } : './hook.js',
    files: [isTyped ? 'dist' : 'hook.js'],
    scripts: {
      test: 'node --test',
      check: 'firehookd -c firehook.yaml --check --no-interfaces',
      replay: 'firehook replay capture.pcap -c firehook.yaml',
      ...(isTyped ? { build: 'tsc', prepack: 'npm run build' } : {}),
    },
    dependencies: { zod: `^${versions.zod}` },
    peerDependencies: { firehook },
    // npm would install a second firehook where the hook is used.
    peerDependenciesMeta: { firehook: { optional: true } },
    devDependencies: { firehook, ...(isTyped ? { typescript: `^${versions.typescript}` } : {}) },
  };
  return `${JSON.stringify(value, null, 2)}\n`;
}

const TSCONFIG = `{
  "compilerOptions": {
    "target": "ES2022",
    "lib": ["ES2023"],
    "module": "NodeNext",
    "types": [],
    "strict": true,
    "noUncheckedIndexedAccess": true,
    "verbatimModuleSyntax": true,
    "skipLibCheck": true,
    "declaration": true,
    "outDir": "dist"
  },
  "include": ["hook.ts"]
}
`;

function hookText({ hook }: PackageFacts): string {
  return `import { DROP, defineHook, FORWARD } from 'firehook';
import * as z from 'zod';

const TCP = 6;

export default defineHook({
  // Version of the hook interface that this hook is written for: the number itself, which stays what it is when firehook is updated.
  api: 1,
  name: '${hook}',
  // setup does nothing that is seen outside, so firehookd --check may call it, and try the hook with sample packets.
  checkable: true,
  // What the configuration may say. firehook checks it before it calls setup, and names the line of what is wrong.
  options: z.strictObject({
    ports: z.array(z.int().min(1).max(65_535)).min(1),
  }),
  setup({ ports }) {
    const closed = new Set(ports);
    return {
      // For each packet, so it makes no object, array or text. protocol and ports are found behind IPv6 extension headers too.
      onPacket({ protocol, destinationPort }) {
        return protocol === TCP && closed.has(destinationPort) ? DROP : FORWARD;
      },
    };
  },
});
`;
}

function configText(facts: PackageFacts): string {
  return `# Runs the hook from its source. A machine that has the package installed names it: module: "${facts.name}"
attach:
  - bridge: [lan0, wan0] # two ports of your machine; replay and --no-interfaces do not look for them
hooks:
  - module: ./${hookFile(facts)}
    options: { ports: [23] }
policy:
  onDown: drop # while no hook can run: drop or forward
`;
}

const CAPTURE_TEST = `// The capture through the hook, as a replay. In JavaScript, so that every Node.js that firehook runs on runs it without a build.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const FIREHOOK = fileURLToPath(new URL('bin/firehook', import.meta.resolve('firehook/package.json')));
const at = (name) => fileURLToPath(new URL(name, import.meta.url));

test('of the capture TCP to port 23 is dropped, over IPv4 and IPv6, and everything else goes on', () => {
  const args = [FIREHOOK, 'replay', at('capture.pcap'), '-c', at('firehook.yaml'), '--json'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const [hook] = JSON.parse(stdout).hooks;
  assert.equal(hook.dropped, 2);
  assert.equal(hook.forwarded, hook.seen - 2);
  assert.equal(hook.faults, 0);
});

`;

function packetsTest(facts: PackageFacts, isTyped: boolean): string {
  const age = isTyped ? ' Node.js from 22.18 on runs it with the others, older ones leave it out.' : '';
  return `// Packets that the test makes, through the hook in a lane on a desk.${age}
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertDropped, assertForwarded, ipv4, ipv6, openLab, sameAs, tcp, udp } from 'firehook/testing';
import hook from './${hookFile(facts)}';

test('TCP to a port of the options is dropped, over IPv4 and IPv6', async (t) => {
  const lab = await openLab(hook, { options: { ports: [23] } });
  t.after(() => lab.close());
  assertDropped(await lab.send(ipv4({}, tcp({ destinationPort: 23 }))));
  assertDropped(await lab.send(ipv6({}, tcp({ destinationPort: 23 }))));
});

test('everything else goes on as it came', async (t) => {
  const lab = await openLab(hook, { options: { ports: [23] } });
  t.after(() => lab.close());
  for (const content of [tcp({ destinationPort: 80 }), tcp({ sourcePort: 23 }), udp({ destinationPort: 23 })]) {
    const packet = ipv4({}, content);
    assertForwarded(await lab.send(packet), sameAs(packet));
  }
});

test('options that are not right are refused, with the key', async () => {
  for (const options of [{}, { ports: [] }, { ports: ['23'] }, { ports: [23], port: 23 }]) {
    await assert.rejects(openLab(hook, { options }), /options/);
  }
});
`;
}

function gitignore(isTyped: boolean): string {
  const own = '# It would name the folder of this machine that node_modules/firehook leads to.\npackage-lock.json\n';
  return `node_modules/\n${isTyped ? 'dist/\n' : ''}${own}`;
}

function readme(facts: PackageFacts, isTyped: boolean): string {
  const { name, hook } = facts;
  const build = isTyped
    ? `
\`npm run build\` compiles it to \`dist/\`, which is what is published; it needs the compiler, which \`npm install\` brings. firehook itself reads
TypeScript: the three commands above need no build.
`
    : '';
  return `# ${name}

A hook for [firehook](https://github.com/firehook/firehook), which takes live packets out of the kernel's path and hands each one to hooks.
It drops TCP packets to the ports that its options name.

\`\`\`sh
npm test          # packets that the tests make, and those of capture.pcap, through the hook
npm run check     # what firehookd finds before it starts: the options, and a hundred packets of every common kind
npm run replay    # shows what the hook does with the capture
\`\`\`

The hook is in \`${hookFile(facts)}\`, its options in \`firehook.yaml\`. \`node_modules/firehook\` leads to the firehook that made this package; in a fresh
clone \`npm install\` brings it, or \`npm link firehook\` where it is installed on the machine.
${build}
## Use it

On the machine with the ports, beside the configuration of firehookd:

\`\`\`sh
cd /etc/firehook
npm install --ignore-scripts ${name}
\`\`\`

\`\`\`yaml
hooks:
  - module: "${name}"
    options: { ports: [23] }
\`\`\`

| option  | what it is                                        |
| ------- | ------------------------------------------------- |
| \`ports\` | list of TCP ports, 1 to 65535; \`${hook}\` drops what goes to one of them |
`;
}
