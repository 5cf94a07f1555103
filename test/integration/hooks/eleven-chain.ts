/**
 * Eleven hooks that people write, as one chain of one daemon.
 *
 * ```
 *   300 syn-guard ─> event-log ─> block-list ─> port-knock ─> dns-filter ─> tls-name-filter ─> http-guard ─> ask-policy ─> nat ─> packet-filter
 *                                                                            impair, for what the packet filter only passes <───────────┘
 * ```
 * Rules: what arrives meets the guard first, so that nobody else sees a forged SYN. `nat` stands in front of the packet filter, whose rules are
 * about the addresses inside for what arrives, and those outside for what leaves. **To `flows` a translated connection is two, and its answers are of none**,
 * so that addresses that are translated have rules without a state. `impair` is last; the packet filter accepts whatever is
 * not to be late, and no later hook sees that.
 *
 * @module
 */

import { stockHook } from '../../support/live.ts';

/** Prefixes of the block list. */
export const PREFIXES = 500_000;
/** Milliseconds that `impair` holds a packet, in each direction. */
export const DELAY_MS = 25;
/** An address inside and the one that stands for it outside, for each family. */
export const TRANSLATED = [
  ['192.0.2.7', '198.51.100.7'],
  ['fd99::7', '2001:db8:77::7'],
] as const;
/** An address outside that is on the block list, for each family. */
export const LISTED = ['198.18.0.66', '2001:db8:66::66'] as const;
/** The prefixes that these are in. */
const LISTED_PREFIXES = ['198.18.0.64/26', '2001:db8:66::/48'];

/** Counts connections, and writes down what looks like an attack and each connection that has ended. */
const EVENT_LOG = `
  import { defineHook, FORWARD } from 'firehook';
  const ATTACK = Buffer.from('ATTACK');
  export default defineHook({
    name: 'event-log',
    flows: true,
    setup(_options, runtime) {
      const starts = runtime.counter('flow_starts', 'Packets that would begin a flow.');
      const alerts = runtime.counter('alerts', 'Packets with an attack.');
      return {
        onPacket(packet) {
          if (packet.flow?.isNew) starts.add();
          if (packet.payload.indexOf(ATTACK) < 0) return FORWARD;
          alerts.add();
          runtime.event('alert', packet, { signature: 'an attack' });
          return FORWARD;
        },
        onFlowEnd: (flow) => runtime.event('flow', flow, { packets: flow.packets, octets: flow.octets, reason: flow.reason }),
      };
    },
  });`;

/** Requests without the header never reach the server. To put the header into them would need other octets in the stream. */
const HTTP_GUARD = `
  import { ACCEPT, defineHook, MORE, RESET } from 'firehook';
  const END = Buffer.from('\\r\\n\\r\\n');
  export default defineHook({
    name: 'http-guard',
    stream: { ports: [8080], from: 'client', most: 8192, gate: true },
    onStream(stream) {
      const end = stream.indexOf(END);
      if (end < 0) return MORE;
      return /\\r\\nx-token: /i.test(stream.text(0, end)) ? ACCEPT : RESET;
    },
  });`;

/** Asks a server about each destination of port 9001. */
const ASK_POLICY = `
  import { defineHook, FORWARD, RESET } from 'firehook';
  export default defineHook({
    name: 'ask-policy',
    checkable: true,
    tables: { decided: { most: 10_000, ttlMs: 600_000 } },
    hold: { packets: 256, mib: 4, timeoutMs: 20_000 },
    needs: ({ server }) => ({ network: ['tcp://' + server] }),
    setup({ server }, runtime) {
      const decided = runtime.decisions('decided', async (address, signal) => {
        const answer = await fetch('http://' + server + '/' + encodeURIComponent(address), { signal });
        return answer.ok ? FORWARD : RESET;
      });
      return { onPacket: (packet) => (packet.destinationPort === 9001 ? decided.of(packet, packet.destination) : FORWARD) };
    },
  });`;

/** Half a million prefixes, and among them the two of the lab. */
function listOfPrefixes(): string {
  const lines = [...LISTED_PREFIXES];
  for (let index = 0; lines.length < PREFIXES; index++) {
    const number = index * 7;
    lines.push(
      index % 4 === 3
        ? `2400:${(number >> 16).toString(16)}:${(number & 0xffff).toString(16)}::/48`
        : `${32 + (number >> 24)}.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
    );
  }
  return lines.join('\n');
}

/** The rules of the stateful firewall. */
function rulesOf(kind: 'bridge' | 'host'): string[] {
  const [inside, outside] = [0, 1].map((side) => TRANSLATED.map((pair) => pair[side]).join(', '));
  return [
    'pass udp to port 5007',
    'pass udp from port 5007',
    'accept icmpv6 type 133-137',
    'accept state established, related',
    `accept ${kind === 'bridge' ? 'on lan0' : 'out'} state new`,
    'accept tcp to port 2222, 8090',
    `accept tcp to { ${inside} }`,
    `accept tcp from { ${outside} }`,
    'default reject count refused',
  ];
}

/** The configuration and its files, but for attach, driver and lanes. */
export function elevenHooks(kind: 'bridge' | 'host', policyServer: string) {
  const stock = (name: string, priority: number, options: Readonly<Record<string, unknown>>) => ({
    ...stockHook(name, options),
    priority,
  });
  const hooks = [
    stock('syn-guard', 300, { ports: 8090, remember: 3600 }),
    { module: './event-log.ts', priority: 290 },
    stock('block-list', 250, { table: 'blocked' }),
    stock('port-knock', 200, { port: 2222, sequence: [7001, 7002, 7003], patience: 60, open: 60 }),
    stock('dns-filter', 150, { names: ['bad.example'] }),
    stock('tls-name-filter', 140, { names: ['bad.example'] }),
    { module: './http-guard.ts', priority: 130 },
    {
      module: './ask-policy.ts',
      priority: 100,
      options: { server: policyServer },
      allow: { network: [`tcp://${policyServer}`] },
    },
    stock('nat', 60, { oneToOne: Object.fromEntries(TRANSLATED) }),
    stock('packet-filter', 50, { rules: rulesOf(kind) }),
    stock('impair', -1000, { delayMs: DELAY_MS, lossPercent: 20, seed: 11 }),
  ];
  return {
    config: {
      hooks,
      tables: { blocked: { file: 'blocked.txt' } },
      events: { file: 'events.json' },
      flows: { most: 4000, timeouts: { tcpClosed: 1 } },
    },
    files: {
      'event-log.ts': EVENT_LOG,
      'http-guard.ts': HTTP_GUARD,
      'ask-policy.ts': ASK_POLICY,
      'blocked.txt': listOfPrefixes(),
    },
  };
}
