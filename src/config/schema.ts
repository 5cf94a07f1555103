/**
 * The keys of the configuration file: names, types, ranges, defaults and what each refusal says.
 *
 * Floor 1. Rule: one place. The types, the defaults, the JSON schema (`config/firehook.schema.json`) and the table of
 * `docs/configuration.md` follow from here or are tested against it. Objects are strict: an unknown key is refused.
 * The message of every issue is the whole sentence that follows the key: `"maybe" is not valid; expected drop or forward`.
 *
 * @module
 */

import * as z from 'zod';
import { closestKey } from './closest-key.ts';
import { type FaultsInForce, faultsInForce } from './faults.ts';
import type { HookModule } from './hook-module.ts';
import { driversWith, LIVE_DRIVER_NAMES, liveDriver } from './live-drivers.ts';
import { LOOPBACK_EXPECTED, parseLoopback, WEB_EXPECTED } from './loopback-address.ts';
import type { OptionPlaces } from './option-places.ts';
import { parseServer, SERVER_EXAMPLE } from './server-address.ts';

/** Longest value that is quoted whole in a message, in characters. */
const SHOWN_LENGTH = 60;

/** Largest ring, in MiB. Each lane has one for each way. */
export const MAX_RING_MIB = 1024;

/** Largest CPU number that Linux has been built for (NR_CPUS of x86-64, less one). */
const MAX_CPU = 8191;

/** Levels of the log, the most talkative first. */
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/**
 * What the kernel takes as an interface name (net/core/dev.c, dev_valid_name: 15 octets, no `/`, no `:`, no white space),
 * less what would need quoting in an nftables rule or is a wildcard there.
 */
const INTERFACE_NAME = /^(?!\.{1,2}$)(?!.*[/:"'\\*])[!-~]{1,15}$/;

/** A path of the operator's own. */
function path(what: string): z.ZodString {
  const text = expected(`the path of ${what}`);
  return z.string(text).min(1, text);
}

const interfaceName = z
  .string(expected('an interface name'))
  .regex(
    INTERFACE_NAME,
    expected('an interface name: 1 to 15 characters, no white space, none of / : * \\ and no quotes'),
  );

/** What may take frames before firehook does: tc filters, XDP programs, macvlan and ipvlan devices, a bridge or bond. */
const EARLIER_TAKERS = ['tc', 'xdp', 'macvlan', 'ipvlan', 'master'] as const;

const tolerate = z
  .array(
    oneOf(...EARLIER_TAKERS),
    expected(`a list of ${EARLIER_TAKERS.slice(0, -1).join(', ')} and ${EARLIER_TAKERS.at(-1)}`),
  )
  .optional()
  .describe(
    'What may take frames of the port before firehook does. It is warned of, and refused where it is not named.',
  );

const attach = z.union(
  [
    object({
      bridge: z
        .tuple([interfaceName, interfaceName], expected('two interfaces, for example [lan0, wan0]'))
        .describe('Two ports; the lane stands between them and every frame passes through it.'),
      enforce: z
        .boolean(expected('true or false'))
        .optional()
        .describe('false: frames go on as they came, and what the hooks say of them is counted. Default: true.'),
      tolerate,
    }),
    object({
      host: interfaceName.describe("The unicast IP traffic of this host's own interface, both directions."),
      tolerate,
    }),
    object({ tap: interfaceName.describe('A passive look: verdicts are counted, the traffic is not touched.') }),
  ],
  expected('one of bridge: [a, b], host: name or tap: name'),
);

const hook = object({
  module: z
    .string(expected('the path of a hook module or of a folder of them, or the name of an npm package'))
    .min(1, expected('the path of a hook module or of a folder of them, or the name of an npm package'))
    .describe(
      'Path of a hook module or of a folder of them, relative to the configuration file; or the name of an npm package.',
    ),
  name: z
    .string(expected('1 to 64 letters, digits and dashes'))
    .regex(/^[A-Za-z0-9-]{1,64}$/, expected('1 to 64 letters, digits and dashes'))
    .optional()
    .describe(
      'What it is called in logs and counters; wins over the name the module gives itself. For a module that stands here twice.',
    ),
  priority: z
    .int(expected('a whole number'))
    .optional()
    .describe('Larger runs first; wins over the priority the module gives itself.'),
  options: z
    .record(z.string(), z.unknown(), expected('a mapping of option names to values'))
    .optional()
    .describe("The hook's own, which it checks."),
  mode: oneOf('enforce', 'shadow')
    .default('enforce')
    .describe(
      'shadow: the hook is called with live packets, what it says is counted and compared with what happened, and nothing of it is done.',
    ),
  allow: object({
    files: z
      .array(path('a file or folder'), expected('a list of files and folders'))
      .default([])
      .describe('Files and folders that the hook may read, relative to the configuration file.'),
    network: z
      .array(
        z.string(expected(SERVER_EXAMPLE)).refine((text) => parseServer(text) !== null, expected(SERVER_EXAMPLE)),
        expected(`a list of servers, for example ${SERVER_EXAMPLE}`),
      )
      .default([])
      .describe(
        'Servers that the hook may speak to, by address and port. What it says to them does not meet the hooks.',
      ),
    interfaces: z
      .array(interfaceName, expected('a list of interfaces'))
      .default([])
      .describe(
        'Interfaces beside those of the attaches that the hook may send frames out of, a port with an analyser for example.',
      ),
  })
    .prefault({})
    .describe(
      'What the hook may use beside packets; it asks for it by needs. Everything else is refused by the kernel.',
    ),
});

/** What firehook itself can tell of. */
export const OWN_EVENTS = ['drop', 'flow', 'stats', 'engine'] as const;

/** What a table may be called: hooks name it. */
const TABLE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,62}$/;

/** Tables of a configuration. */
const MOST_TABLES = 32;

/** Largest number that a prefix can have. */
const MOST_PREFIX_VALUE = 2 ** 30 - 1;

const table = object({
  file: path('a list of prefixes').describe(
    'A file with one address, prefix or range a line, relative to the configuration file.',
  ),
  every: integer(0, 86_400)
    .default(60)
    .describe('Seconds between two looks at the file, which is read again where it has changed; 0 for none.'),
  values: z
    .record(z.string(), integer(0, MOST_PREFIX_VALUE), expected('a mapping of words to numbers'))
    .optional()
    .describe('The number of each word that stands behind a prefix; any other word is 0.'),
});

/** The configuration as a zod schema: what is written in the file goes in, with defaults filled in it comes out. */
export const configSchema = object({
  attach: z
    .array(attach, expected('a list with one or more of bridge: [a, b], host: name, tap: name'))
    .min(1, expected('a list with one or more of bridge: [a, b], host: name, tap: name'))
    .superRefine(refuseSecondUse)
    .describe('Where packets are taken from. One or more.'),
  driver: z
    .enum(LIVE_DRIVER_NAMES, expected(driversWith(() => true)))
    .default(LIVE_DRIVER_NAMES[0])
    .describe('What reads and writes frames.'),
  lanes: integer(1, 64)
    .default(1)
    .describe('Processes that run hooks. More than 1 needs a driver that can share a port.'),
  ring: object({
    mib: integer(1, MAX_RING_MIB)
      .optional()
      .describe('Memory of each ring of afpacket, in MiB; 32 where neither this nor ring.ms is given.'),
    ms: integer(1, 10_000)
      .optional()
      .describe("The same in milliseconds of the port's line rate: the longest stall of a lane that loses nothing."),
  })
    .prefault({})
    .superRefine(refuseBothSizes)
    .describe('The rings that driver: afpacket reads from, one a way and lane.'),
  hooks: z
    .array(hook, expected('a list of hooks, each with module:'))
    .default([])
    .describe('The hooks. Larger priority runs first; ties in this order.'),
  tables: z
    .record(z.string(), table, expected('a mapping of names to tables, each with file:'))
    .default({})
    .superRefine(refuseTableNames)
    .describe('Tables of prefixes, which hooks look addresses up in. Built outside of the lanes, and shared by them.'),
  trustWritable: z
    .boolean(expected('true or false'))
    .default(false)
    .describe('Loads hooks and this file also where users other than root may write them.'),
  reload: object({
    onChange: z
      .boolean(expected('true or false'))
      .default(false)
      .describe('Reloads when this file or one that a hook is made of has changed and stays so for a second.'),
  })
    .prefault({})
    .describe('When configuration and hooks are loaded anew, beside firehook reload and SIGHUP.'),
  policy: object({
    onDown: oneOf('drop', 'forward')
      .default('drop')
      .describe('What becomes of traffic while no lane answers: killed, hung, starting.'),
    onStop: oneOf('undo', 'hold')
      .default('undo')
      .describe('After SIGTERM: take everything back, or leave onDown in force until the next start.'),
    keepSession: oneOf('none', 'ssh')
      .default('none')
      .describe(
        'ssh: on host, the TCP connection of the SSH session that firehookd is started from does not meet the hooks.',
      ),
    nonIp: oneOf('drop', 'forward')
      .default('forward')
      .describe('What becomes of frames that are known to carry no IP: ARP, LLDP, STP and others.'),
    unreadable: oneOf('drop', 'forward')
      .default('drop')
      .describe('What becomes of frames in which IP may be and firehook does not find it: MACsec, TRILL and others.'),
  })
    .prefault({})
    .describe('What happens when no hook decides.'),
  faults: object({
    all: oneOf('drop', 'forward')
      .optional()
      .describe('The master switch: wins over every fault that something can be declared for, policy.onDown included.'),
    default: oneOf('drop', 'forward')
      .default('drop')
      .describe('What becomes of traffic with which something is at fault, where nothing is said of that fault.'),
    hookThrows: oneOf('drop', 'forward').optional().describe('A hook throws. Default: faults.default.'),
    noVerdict: oneOf('drop', 'forward').optional().describe('A hook returns no verdict. Default: faults.default.'),
    misuse: oneOf('drop', 'forward')
      .optional()
      .describe('A hook leaves what cannot be sent, or misuses the pool. Default: faults.default.'),
    overTime: oneOf('drop', 'forward')
      .optional()
      .describe('A hook lets a packet pass after its budget. Default: faults.default.'),
    breakerOpen: oneOf('drop', 'forward')
      .optional()
      .describe(
        'A packet meets a hook that was taken out: it is dropped, or goes on without. Default: faults.default.',
      ),
    heldTooLong: oneOf('hook', 'drop', 'forward')
      .optional()
      .describe('A packet was held for longer than it may be. Default: hook, what the hook says with hold.onTimeout.'),
    budgetMicroseconds: integer(0, 10_000_000)
      .default(0)
      .describe('Longest call of a hook with a packet. 0: nobody looks, which costs nothing.'),
    breaker: object({
      faults: integer(0, 10_000)
        .default(0)
        .describe('Faults of a hook within the window after which it is taken out; 0: it never is.'),
      windowSeconds: integer(1, 3600).default(10).describe('The window.'),
      retrySeconds: integer(0, 86_400)
        .default(30)
        .describe('After so long it is tried again; 0: by firehook hook NAME --close-breaker only.'),
      trialPackets: integer(1, 1_000_000)
        .default(100)
        .describe('Packets without a fault after which it is back. The first fault takes it out again.'),
    })
      .prefault({})
      .describe('When a hook is taken out.'),
  })
    .prefault({})
    .describe('What becomes of traffic when something is at fault.'),
  icmp: object({
    code: integer(0, 15).default(13).describe('Code of the type 3 message that ICMP_ON_DROP sends over IPv4.'),
    ratePerSecond: integer(0)
      .default(1000)
      .describe('Most ICMP errors for ICMP_ON_DROP in a second, for each way of a lane; 0 sends none.'),
    perPrefix: integer(0).default(50).describe('Most of them to one IPv4 /24 or IPv6 /64.'),
    perAddress: integer(0).default(10).describe('Most of them to one address.'),
    tooBig: object({
      ratePerSecond: integer(0)
        .default(1000)
        .describe('The same for packets longer than the way out, which have budgets of their own.'),
      perPrefix: integer(0).default(500).describe('Most of them to one IPv4 /24 or IPv6 /64.'),
      perAddress: integer(0).default(100).describe('Most of them to one address.'),
    })
      .prefault({})
      .describe('ICMP errors for packets that are too long and may not be cut.'),
  })
    .prefault({})
    .describe('ICMP errors: what is sent, and how many.'),
  lane: object({
    user: z
      .string(expected('a user name'))
      .regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?$/, expected('a user name'))
      .default('firehook')
      .describe('The unprivileged user that hooks run as. Files that hooks read must be readable by it.'),
    cpus: z
      .array(integer(0, MAX_CPU), expected('a list of CPU numbers, for example [0, 1]'))
      .min(1, expected('a list of CPU numbers, for example [0, 1]'))
      .optional()
      .describe('CPUs that lanes are pinned to, one each, taken in turn; without it they run on any.'),
    memoryMiB: integer(256, 65_536)
      .default(2048)
      .describe(
        'Most memory that a lane may write to, in MiB: heap, buffers of hooks, pool, stacks. The rings come on top.',
      ),
    confine: oneOf('required', 'best')
      .optional()
      .describe(
        'What to do where the kernel cannot confine the hooks: refuse to start, or go on with what it can. Default: required where it can.',
      ),
  })
    .prefault({})
    .describe('The process that runs the hooks.'),
  control: object({
    socket: z
      .string(expected('an absolute path'))
      // sun_path of unix(7) holds 108 octets with the final zero.
      .regex(/^\/[!-~]{1,106}$/, expected('an absolute path of at most 107 characters without white space'))
      .default('/run/firehook/firehook.sock')
      .describe('Path of the control socket.'),
    mode: z
      .string(expected('an octal file mode in quotes, for example "0600"'))
      .regex(/^0?[0-7]{3}$/, expected('an octal file mode in quotes, for example "0600"'))
      .default('0600')
      .describe('File mode of the control socket, octal, in quotes.'),
    devices: z
      .boolean(expected('true or false'))
      .default(false)
      .describe('Lets firehook ioctl reach the devices of drivers: whoever may ask may then change what they do.'),
  })
    .prefault({})
    .describe('The socket that the firehook command talks to.'),
  log: object({
    level: oneOf(...LOG_LEVELS)
      .default('info')
      .describe('Least level that is written.'),
  })
    .prefault({})
    .describe('The log, on standard error.'),
  pool: object({
    limitMiB: integer(1, 4096).default(64).describe('Most memory that hooks and the runtime hold in the pool, in MiB.'),
  })
    .prefault({})
    .describe('The buffer pool behind IPAllocBuff and ExAllocatePoolWithTag, one for each lane.'),
  flows: object({
    most: integer(1, 4_194_304)
      .default(65_536)
      .describe('Most flows that a lane keeps at a time: about 200 octets each.'),
    timeouts: object({
      tcpNew: seconds().describe('A TCP connection whose handshake is not complete. Default: 120.'),
      tcpEstablished: seconds().describe('A TCP connection that is open. Default: 7440.'),
      tcpClosing: seconds().describe('A TCP connection that one end has closed. Default: 120.'),
      tcpClosed: seconds().describe('A TCP connection that is closed. Default: 10.'),
      udpNew: seconds().describe('UDP without an answer. Default: 30.'),
      udpEstablished: seconds().describe('UDP with an answer. Default: 120.'),
      icmp: seconds().describe('A query of ICMP. Default: 30.'),
      other: seconds().describe('Any other protocol. Default: 600.'),
    })
      .prefault({})
      .describe('Seconds without a packet after which a flow ends.'),
  })
    .prefault({})
    .describe('The table of flows of a lane; there is one where a hook asks for it.'),
  events: object({
    file: path('a file for events')
      .optional()
      .describe('A file, relative to the configuration file, that gets a line of JSON for each event.'),
    rotate: object({
      mib: integer(0, 1_048_576)
        .default(0)
        .describe('The file is renamed when it has so many MiB, and another one begun; 0 for never.'),
      keep: integer(1, 1000).default(5).describe('Renamed files that are kept, the youngest with .1 behind its name.'),
    })
      .prefault({})
      .describe(
        'When firehookd itself renames the file. One that something else renames is followed by another in any case.',
      ),
    socket: path('a unix socket that a reader of events listens on')
      .optional()
      .describe(
        'A unix stream socket, relative to the configuration file, that firehookd connects to and writes the lines to.',
      ),
    stdout: z
      .boolean(expected('true or false'))
      .default(false)
      .describe('Writes the lines to standard output, for a journal or a container; the log is on standard error.'),
    types: z
      .array(oneOf(...OWN_EVENTS), expected(`a list of ${OWN_EVENTS.slice(0, -1).join(', ')} and ${OWN_EVENTS.at(-1)}`))
      .default([])
      .describe(
        'What firehook itself tells of: packets that did not go on, flows that ended, its numbers, what happened to it. Events that hooks make are written in any case.',
      ),
    sample: object({
      oneIn: integer(1, 1_000_000).default(1).describe('Of how many one is told; the first of a kind always.'),
      perSecond: integer(0, 1_000_000)
        .default(100)
        .describe('Most of a kind in a second, of each lane; 0 for no limit.'),
    })
      .prefault({})
      .describe(
        'How many of drop and flow are told, of each hook and reason. What is left out is counted in the next one.',
      ),
    statsSeconds: integer(1, 86_400).default(10).describe('Seconds from one event of type stats to the next.'),
  })
    .prefault({})
    .superRefine(refuseEventsForNobody)
    .describe('Events, in the envelope of EVE of Suricata. Without file, socket and stdout they are counted only.'),
  metrics: object({
    listen: z
      .string(expected(LOOPBACK_EXPECTED))
      .refine((text) => parseLoopback(text) !== null, expected(LOOPBACK_EXPECTED))
      .optional()
      .describe(
        'An address of the loopback interface that tells the numbers to Prometheus, 127.0.0.1:9477 for example; without it the control socket alone does.',
      ),
  })
    .prefault({})
    .describe('The numbers of the daemon for Prometheus.'),
  web: object({
    listen: z
      .string(expected(WEB_EXPECTED))
      .refine((text) => parseLoopback(text) !== null, expected(WEB_EXPECTED))
      .optional()
      .describe(
        'An address of the loopback interface that shows the page, 127.0.0.1:9478 for example; without it there is none.',
      ),
    tokenFile: z
      .string(expected('the path of a file'))
      .min(1, expected('the path of a file'))
      .optional()
      .describe(
        'A file whose first line is the token of the page; without it another one at each start, which the log says.',
      ),
  })
    .prefault({})
    .describe('The page: what the daemon does, in a browser on this machine.'),
  verifier: object({
    chains: oneOf('whole', 'header', 'random', 'octets')
      .default('whole')
      .describe('How the chain of a packet is cut for seven-argument callbacks.'),
    lowResources: z
      .number(expected('a share below 1, or from 1 on every how many requests'))
      .min(0, expected('a share below 1, or from 1 on every how many requests'))
      .default(0)
      .describe('Requests of hooks to the pool that fail: a share below 1, from 1 on every Nth; 0 for none.'),
    seed: integer(0, 0xffff_ffff)
      .optional()
      .describe('What chance is drawn from; without it another one at each start, which is said in the log.'),
    poison: z
      .boolean(expected('true or false'))
      .default(false)
      .describe('Fresh memory is 0xb0, freed memory 0xbd, and fresh descriptors hold no null.'),
    oldChain: oneOf('runtime', 'hook')
      .default('runtime')
      .describe('Who frees the chain that a replacement takes the place of.'),
    irql: z.boolean(expected('true or false')).default(true).describe('Levels and spin locks of drivers are checked.'),
  })
    .prefault({})
    .describe('For the development of hooks: makes what may happen on Windows happen here.'),
}).superRefine((config, context) => {
  const { sharesPort, rings } = liveDriver(config.driver);
  if (config.lanes > 1 && !sharesPort) {
    context.addIssue({
      code: 'custom',
      path: ['lanes'],
      message: `${config.lanes} needs a driver that can share a port by flow; driver: ${config.driver} cannot; use lanes: 1`,
    });
  }
  if (rings !== true && (config.ring.mib ?? config.ring.ms) !== undefined) {
    const having = driversWith((driver) => driver.rings === true);
    context.addIssue({
      code: 'custom',
      path: ['ring'],
      message: `is for driver: ${having}; ${rings.instead}; leave ring out, or use driver: ${having}`,
    });
  }
  if (config.policy.keepSession === 'ssh' && !config.attach.some((attach) => 'host' in attach)) {
    context.addIssue({
      code: 'custom',
      path: ['policy', 'keepSession'],
      message:
        'ssh is for attach: host; no session of this host goes through a bridge, and tap stops none; leave it out',
    });
  }
  refuseOutlets(config, context);
});

/** The configuration, checked, with every default filled in. In the loaded form the module paths are absolute. */
export type Config = Omit<z.output<typeof configSchema>, 'hooks' | 'faults'> & {
  readonly hooks: readonly HookEntry[];
  readonly faults: FaultsInForce;
};

/** An entry of `hooks`, with where the hook is and where its options stand in the file. */
export type HookEntry = z.output<typeof hook> & HookModule & { readonly places?: OptionPlaces | undefined };

/** The parts of a configuration that hooks and their lane live by. */
export type Settings = Pick<
  Config,
  'policy' | 'faults' | 'icmp' | 'lane' | 'log' | 'pool' | 'flows' | 'tables' | 'verifier'
>;

/** The settings of a configuration that says nothing of them: for `firehook replay` without one. */
export function defaultSettings(): Settings {
  const { policy, faults, icmp, lane, log, pool, flows, tables, verifier } = configSchema.shape;
  return {
    policy: policy.parse(undefined),
    faults: faultsInForce(faults.parse(undefined)),
    icmp: icmp.parse(undefined),
    lane: lane.parse(undefined),
    log: log.parse(undefined),
    pool: pool.parse(undefined),
    flows: flows.parse(undefined),
    tables: tables.parse(undefined),
    verifier: verifier.parse(undefined),
  };
}

/** One of the places where packets are taken from. */
export type AttachConfig = z.output<typeof attach>;

/** What may take frames before firehook does, where the configuration allows it. */
export type EarlierTakerName = (typeof EARLIER_TAKERS)[number];

/** What may take frames of the ports of an attach before firehook does; a tap takes nothing, so nothing comes before it. */
export function attachTolerates(attach: AttachConfig): readonly EarlierTakerName[] {
  return 'tap' in attach ? [] : (attach.tolerate ?? []);
}

/** What hooks say is done to the packets of this attach. */
export function isEnforced(attach: AttachConfig): boolean {
  return 'tap' in attach ? false : !('bridge' in attach) || attach.enforce !== false;
}

/** One of the tables. */
export type TableConfig = z.output<typeof table>;

/** One entry of the list of hooks. */
export type HookConfig = z.output<typeof hook>;

/** The JSON schema of the configuration file, for editors. */
export function configJsonSchema(): object {
  return { title: 'firehook configuration', ...z.toJSONSchema(configSchema, { io: 'input' }) };
}

/** The interfaces of an attach, in the order they are written. */
export function attachInterfaces(attach: AttachConfig): readonly string[] {
  if ('bridge' in attach) return attach.bridge;
  return 'host' in attach ? [attach.host] : [attach.tap];
}

/** The message of every issue of a schema: what was found, and what was expected instead. */
function expected(what: string): { error: (issue: { readonly input?: unknown }) => string } {
  return { error: (issue) => `${found(issue.input)}; expected ${what}` };
}

function found(value: unknown): string {
  if (value === undefined) return 'is missing';
  if (value === null) return 'is empty';
  // JSON has no infinity and YAML does (.inf).
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return `${text.length > SHOWN_LENGTH ? `${text.slice(0, SHOWN_LENGTH)}...` : text} is not valid`;
}

function integer(minimum: number, maximum = Number.MAX_SAFE_INTEGER) {
  const range = maximum === Number.MAX_SAFE_INTEGER ? `${minimum} or more` : `from ${minimum} to ${maximum}`;
  const words = expected(`a whole number, ${range}`);
  return z.int(words).min(minimum, words).max(maximum, words);
}

/** Up to ten days. */
function seconds() {
  return integer(1, 864_000).optional();
}

function oneOf<const Value extends string>(...values: readonly [Value, ...Value[]]) {
  return z.enum(values, expected(`${values.slice(0, -1).join(', ')} or ${values.at(-1)}`));
}

function object<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  const keys = Object.keys(shape);
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== 'unrecognized_keys') return expected(`a mapping with ${keys.join(', ')}`).error(issue);
      // One line for each key, in the order of `issue.keys`: the reader of the issue takes them apart again.
      return issue.keys.map((key) => unknownKey(key, keys)).join('\n');
    },
  });
}

function unknownKey(typed: string, keys: readonly string[]): string {
  const near = closestKey(typed, keys);
  return near === undefined ? `unknown key; expected ${keys.join(', ')}` : `unknown key; did you mean ${near}?`;
}

/** Two sizes of one ring: neither can be the one that was meant. */
function refuseBothSizes(
  ring: { readonly mib?: number | undefined; readonly ms?: number | undefined },
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string; input: unknown }): void },
): void {
  if (ring.mib === undefined || ring.ms === undefined) return;
  const message = `mib: ${ring.mib} and ms: ${ring.ms} are two sizes of one ring; expected one of them`;
  context.addIssue({ code: 'custom', path: [], message, input: ring });
}

/** Events that are asked for and go nowhere. */
function refuseEventsForNobody(
  events: {
    readonly file?: string | undefined;
    readonly socket?: string | undefined;
    readonly stdout: boolean;
    readonly types: readonly string[];
    readonly rotate: { readonly mib: number };
  },
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string; input: unknown }): void },
): void {
  if (events.rotate.mib > 0 && events.file === undefined)
    context.addIssue({
      code: 'custom',
      path: ['rotate'],
      message: 'is for events.file, which is missing',
      input: events,
    });
  if (events.types.length === 0 || events.stdout || (events.file ?? events.socket) !== undefined) return;
  const message = 'are asked for and go nowhere; expected events.file, events.socket or events.stdout: true beside it';
  context.addIssue({ code: 'custom', path: ['types'], message, input: events });
}

/** A name is written in hooks too, and in messages. */
function refuseTableNames(
  tables: Readonly<Record<string, TableConfig>>,
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string; input: unknown }): void },
): void {
  const names = Object.keys(tables);
  for (const name of names) {
    if (TABLE_NAME.test(name)) continue;
    const message = 'is no name; expected a letter, then letters, digits, - and _, at most 63 characters';
    context.addIssue({ code: 'custom', path: [name], message, input: tables });
  }
  if (names.length <= MOST_TABLES) return;
  const message = `has ${names.length} tables; expected ${MOST_TABLES} at most`;
  context.addIssue({ code: 'custom', path: [], message, input: tables });
}

/** A copy that goes where packets go would be one of them; and where everything is a tap nothing is sent. */
function refuseOutlets(
  { attach: attaches, hooks }: { readonly attach: readonly AttachConfig[]; readonly hooks: readonly HookConfig[] },
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string; input?: unknown }): void },
): void {
  const attached = new Set(attaches.flatMap(attachInterfaces));
  const isOnlyTap = attaches.every((one) => 'tap' in one);
  for (const [index, { allow }] of hooks.entries()) {
    for (const [place, name] of allow.interfaces.entries()) {
      const isAttached = attached.has(name);
      if (!isAttached && !isOnlyTap) continue;
      const why = isAttached
        ? 'is a port of an attach, whose packets the hooks meet; expected another interface'
        : 'is of no use: every attach is a tap, and where there are only taps nothing is sent';
      const message = `${JSON.stringify(name)} ${why}`;
      context.addIssue({ code: 'custom', path: ['hooks', index, 'allow', 'interfaces', place], message });
    }
  }
}

/** Every interface that some hook may send frames out of, beside those of the attaches. */
export function outletNames(hooks: readonly { readonly allow: Pick<HookConfig['allow'], 'interfaces'> }[]): string[] {
  return [...new Set(hooks.flatMap(({ allow }) => allow.interfaces))].sort();
}

/** Two attaches that share an interface would steal each other's packets. */
function refuseSecondUse(
  attaches: readonly AttachConfig[],
  context: { addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string; input: unknown }): void },
): void {
  const firstUse = new Map<string, number>();
  attaches.forEach((attach, index) => {
    for (const name of attachInterfaces(attach)) {
      const first = firstUse.get(name);
      if (first !== undefined) {
        const message = `${JSON.stringify(name)} is named twice (attach[${first}] has it); an interface is attached once`;
        context.addIssue({ code: 'custom', path: [index], message, input: attach });
      }
      firstUse.set(name, index);
    }
  });
}
