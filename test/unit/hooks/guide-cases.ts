/**
 * What each example of the guide does with packets: for a hook by its file, for a configuration by its place in the guide.
 *
 * ```
 *   'drop-telnet.ts'  ─ packets in order ─> what becomes of each
 * ```
 * Rule: the page is the source, and this table is what it promises. An example that stands here and not there, or the other way round,
 * fails the test.
 *
 * @module
 */

import {
  ACK,
  type Fate,
  fields,
  fragments,
  icmpv4,
  ipv4,
  ipv6,
  type LabOptions,
  type PacketCheck,
  RST,
  type SendOptions,
  SYN,
  tcp,
  udp,
} from '../../../src/testing/index.ts';
import { clientHello, records } from '../../support/client-hello.ts';

/** One packet and what becomes of it. */
export interface Step {
  readonly datagram: Uint8Array;
  readonly verdict: Fate;
  /** The hook that gave the verdict. */
  readonly by?: string;
  readonly from?: SendOptions['from'];
  /** Of what left: forwarded, or back to who sent it. */
  readonly check?: PacketCheck;
  /** Of each datagram that the hook sent itself. */
  readonly sent?: readonly PacketCheck[];
  /** Milliseconds that go by first. */
  readonly afterMs?: number;
}

/** A lab and the packets that go through it. */
export interface Case extends Pick<LabOptions, 'options' | 'attach' | 'allow'> {
  readonly steps: readonly Step[];
  /** So much time goes by at the end, and what the hook sends meanwhile. */
  readonly later?: { readonly ms: number; readonly sent: readonly PacketCheck[] };
}

type More = Omit<Step, 'datagram' | 'verdict'>;
const passes = (datagram: Uint8Array, more: More = {}): Step => ({ datagram, verdict: 'forwarded', ...more });
const dropped = (datagram: Uint8Array, more: More = {}): Step => ({ datagram, verdict: 'dropped', ...more });
const rejected = (datagram: Uint8Array, more: More = {}): Step => ({ datagram, verdict: 'rejected', ...more });

const held = (datagram: Uint8Array): Step => ({ datagram, verdict: 'held' });

const toTcp = (destinationPort: number, more: object = {}): Uint8Array => ipv4({}, tcp({ destinationPort, ...more }));
const toUdp = (destinationPort: number, payload = 'text'): Uint8Array => ipv4({}, udp({ destinationPort }, payload));

/** A segment of a client whose SYN has the number 0. */
const says = (
  destinationPort: number,
  at: number,
  octets: Uint8Array | string,
  verdict: Fate,
  sourcePort = 50_000,
): Step => ({
  datagram: ipv4({}, tcp({ sourcePort, destinationPort, flags: ACK, seq: at + 1, ack: 1 }, octets)),
  verdict,
});

/** The SYN of a client and its answer. */
const opens = (port: number, client = 50_000): readonly Step[] => [
  passes(ipv4({}, tcp({ sourcePort: client, destinationPort: port, flags: SYN, seq: 0 }))),
  passes(
    ipv4(
      { source: '198.51.100.2', destination: '192.0.2.1' },
      tcp({ sourcePort: port, destinationPort: client, flags: SYN | ACK, seq: 0, ack: 1 }),
    ),
    { from: 'b' },
  ),
];

/** A DNS query (RFC 1035) for one name. */
function query(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [label.length, ...Buffer.from(label)]);
  return Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

const asks = (name: string): Uint8Array => ipv4({}, udp({ destinationPort: 53 }, query(name)));

/** By the file of the hook. */
export const HOOKS: Readonly<Record<string, Case>> = {
  'second-look.ts': {
    steps: [held(toUdp(53)), { ...held(toUdp(53)), afterMs: 10 }, passes(toUdp(53), { afterMs: 51 })],
  },
  'old-services.ts': {
    steps: [dropped(toTcp(23), { by: 'old-services' }), { datagram: toTcp(514), verdict: 'reset' }, passes(toTcp(80))],
  },
  'late.ts': { steps: [held(toUdp(53)), held(toTcp(80))] },
  'ask-policy.ts': { steps: [held(toUdp(53))] },
  'drop-telnet.ts': { steps: [dropped(toTcp(23), { by: 'drop-telnet' }), passes(toTcp(80)), passes(toUdp(23))] },
  'packet-quota.ts': {
    options: { packets: 2 },
    steps: [passes(toTcp(80)), passes(toUdp(53)), dropped(toTcp(80)), dropped(ipv6({}, udp()))],
  },
  'foo.ts': { steps: [passes(toUdp(53)), dropped(toUdp(53, 'x'.repeat(513))), passes(toUdp(54, 'x'.repeat(513)))] },
  'http-methods.ts': {
    steps: [
      ...opens(80),
      says(80, 5, 'index.html HTTP/1.1\r\n', 'forwarded'),
      says(80, 0, 'GET /', 'forwarded'),
      ...opens(80, 50_001),
      says(80, 0, 'DELETE /', 'forwarded', 50_001),
      says(80, 8, ' HTTP/1.1\r\n', 'reset', 50_001),
      says(80, 8, ' HTTP/1.1\r\n', 'dropped', 50_001),
    ],
  },
  'from-a-file.ts': {
    options: { file: 'address.txt' },
    allow: { files: ['address.txt'] },
    steps: [dropped(ipv4({ source: '192.0.2.66' }, udp())), passes(ipv4({ source: '192.0.2.67' }, udp()))],
  },
  'watch-dns.ts': { steps: [passes(toUdp(53)), passes(toUdp(53, 'a longer text')), passes(toTcp(80))] },
  'count-dns.ts': { steps: [passes(toUdp(53)), passes(toTcp(80))] },
  'echo.ts': {
    steps: [
      {
        datagram: ipv4({ source: '192.0.2.9' }, udp({ sourcePort: 4000, destinationPort: 7 }, 'hello')),
        verdict: 'replied',
        check: fields({ destination: '192.0.2.9', sourcePort: 7, destinationPort: 4000, text: 'hello' }),
      },
      passes(toUdp(8)),
    ],
  },
  'telnet-trap.ts': {
    steps: [
      passes(toTcp(80)),
      dropped(toTcp(23), { by: 'telnet-trap' }),
      dropped(toTcp(80)),
      passes(ipv4({ source: '192.0.2.77' }, tcp({ destinationPort: 80 }))),
      passes(toTcp(80), { afterMs: 600_000 }),
    ],
  },
  'inside-out.ts': {
    steps: [
      dropped(ipv4({ source: '198.51.100.2', destination: '192.0.2.1' }, tcp({ sourcePort: 80 })), { from: 'b' }),
      passes(
        ipv4({ source: '192.0.2.1', destination: '198.51.100.2' }, tcp({ sourcePort: 4000, destinationPort: 80 })),
      ),
      passes(
        ipv4(
          { source: '198.51.100.2', destination: '192.0.2.1' },
          tcp({ sourcePort: 80, destinationPort: 4000, flags: SYN | ACK, seq: 7, ack: 2 }),
        ),
        { from: 'b' },
      ),
    ],
  },
  'one-to-one.ts': {
    steps: [
      passes(ipv4({ source: '192.168.1.10' }, udp()), {
        check: fields({ source: '203.0.113.10', checksumsRight: true }),
      }),
      passes(ipv4({ destination: '203.0.113.10' }, tcp()), { check: fields({ destination: '192.168.1.10' }) }),
      passes(
        ipv4(
          { destination: '203.0.113.10' },
          icmpv4({ type: 3 }, ipv4({ source: '203.0.113.10', destination: '198.51.100.2' }, udp())),
        ),
        {
          check: fields({
            destination: '192.168.1.10',
            icmp: { quoted: { source: '192.168.1.10' } },
            checksumsRight: true,
          }),
        },
      ),
    ],
  },
  'empty-udp.ts': {
    steps: [
      passes(toUdp(53, 'to be cut off'), { check: fields({ text: '', checksumsRight: true }) }),
      passes(toTcp(80)),
    ],
  },
  'late-answer.ts': {
    steps: [dropped(toUdp(5300, 'question'), { sent: [] }), passes(toUdp(5301))],
    later: { ms: 501, sent: [fields({ sourcePort: 5300, text: 'later', checksumsRight: true })] },
  },
  // What it does with a SYN needs a name server: test/integration/shipped/named-only.test.ts.
  'named-only.ts': {
    attach: 'host',
    steps: [passes(toTcp(80)), passes(toUdp(53), { from: 'out' }), passes(toTcp(80, { flags: ACK }), { from: 'out' })],
  },
};

const BLOCKED = [dropped(ipv4({ source: '192.0.2.7' }, udp())), passes(ipv4({ source: '192.0.2.8' }, udp()))];
const BLOCKED_BY_SOURCE = [
  ...BLOCKED,
  dropped(ipv6({ source: '2001:db8:bad::9' }, tcp())),
  passes(ipv4({ source: '192.0.2.8', destination: '198.51.100.7' }, udp())),
];
const client = (port: number, more: More = {}): Step => dropped(toTcp(port), { afterMs: 10, ...more });

/** By the place of the configuration. */
export const CONFIGURATIONS: Readonly<Record<string, Case>> = {
  'hooks/README.md yaml 0': { steps: [dropped(toTcp(23), { by: 'drop-telnet' }), passes(toTcp(24))] },
  'hooks/README.md yaml 1': {
    steps: [dropped(toTcp(23), { by: 'drop-port' }), dropped(toUdp(69), { by: 'drop-port-udp' }), passes(toTcp(69))],
  },
  'docs/hook-rights.md yaml 0': {
    steps: [dropped(ipv4({ source: '192.0.2.66' }, udp())), passes(ipv4({ source: '192.0.2.67' }, udp()))],
  },
  'docs/hook-packages.md yaml 0': { steps: [dropped(toUdp(53, 'x'.repeat(513)), { by: 'foo' }), passes(toUdp(53))] },
  'docs/hook-packet-changes.md yaml 0': {
    attach: 'host',
    steps: [passes(toTcp(80)), passes(toUdp(53), { from: 'out' })],
  },
  // Nothing is lost by chance with this seed.
  'docs/hooks/impair.md yaml 0': { options: { seed: 305_419_896 }, steps: [held(toTcp(80)), held(ipv6({}, udp()))] },
  'docs/hooks/pass-all.md yaml 0': { steps: [passes(toTcp(23)), passes(ipv6({}, udp()))] },
  'docs/hooks/drop-port.md yaml 0': {
    steps: [
      dropped(toTcp(23)),
      dropped(ipv6({}, tcp({ destinationPort: 6063 }))),
      passes(toTcp(6064)),
      passes(toUdp(23)),
    ],
  },
  'docs/hooks/reject-port.md yaml 0': {
    steps: [rejected(toUdp(137)), rejected(ipv4({}, udp({ sourcePort: 138 }))), passes(toTcp(137))],
  },
  'docs/hooks/block-list.md yaml 0': { steps: BLOCKED_BY_SOURCE },
  'docs/hooks/block-list.md yaml 1': { steps: BLOCKED_BY_SOURCE },
  'docs/hooks/packet-filter.md yaml 0': {
    steps: [
      passes(ipv4({ source: '192.0.2.10' }, tcp({ destinationPort: 22 }))),
      dropped(ipv4({ source: '192.0.2.12' }, tcp({ destinationPort: 22 }))),
      ...fragments(ipv4({ source: '192.0.2.12' }, udp({}, 'x'.repeat(2000))), 1500).map((one) => dropped(one)),
      rejected(ipv4({ source: '192.0.2.12', destination: '192.0.2.80' }, tcp({ destinationPort: 81 }))),
      dropped(ipv4({}, icmpv4({ type: 5 }))),
      dropped(ipv4({}, tcp({ flags: 0 }))),
      passes(ipv4({ source: '203.0.113.1' }, udp({ sourcePort: 4000 }))),
      dropped(ipv4({ source: '203.0.113.1' }, udp({ sourcePort: 53 }))),
    ],
  },
  'docs/hooks/dns-filter.md yaml 0': {
    steps: [
      { datagram: asks('www.ads.example'), verdict: 'replied', check: fields({ sourcePort: 53 }) },
      passes(asks('www.example')),
      passes(toTcp(443)),
    ],
  },
  'docs/hooks/tls-name-filter.md yaml 0': {
    steps: [
      ...opens(443),
      says(443, 0, records(clientHello({ name: 'www.example', keyOctets: 32 })), 'forwarded'),
      ...opens(443, 50_001),
      says(443, 0, records(clientHello({ name: 'a.ads.example', keyOctets: 32 })), 'reset', 50_001),
      rejected(toUdp(443)),
    ],
  },
  'docs/hooks/nat.md yaml 0': {
    steps: [
      passes(ipv4({ source: '10.0.0.7' }, udp()), { check: fields({ source: '203.0.113.7', checksumsRight: true }) }),
      passes(ipv6({ source: 'fd00:1::7' }, udp()), { check: fields({ source: '2001:db8:77::7' }) }),
      passes(ipv4({ destination: '203.0.113.7' }, udp()), { from: 'b', check: fields({ destination: '10.0.0.7' }) }),
      passes(ipv4({ destination: '203.0.114.1' }, tcp({ destinationPort: 8080 })), {
        from: 'b',
        check: fields({ destination: '10.1.0.5', destinationPort: 80 }),
      }),
    ],
  },
  'docs/hooks/port-knock.md yaml 0': {
    steps: [
      client(22),
      client(7000),
      client(8000),
      client(9000),
      passes(toTcp(22, { sourcePort: 50_000 }), { afterMs: 10 }),
    ],
  },
  'docs/hooks/syn-guard.md yaml 0': {
    steps: [
      ...Array.from({ length: 2_000 }, (_, index) => passes(toTcp(443, { sourcePort: 1_000 + index }), { from: 'b' })),
      { datagram: toTcp(443), verdict: 'replied', from: 'b', check: fields({ sourcePort: 443, checksumsRight: true }) },
      passes(toTcp(22), { from: 'b' }),
      passes(toTcp(80, { flags: ACK }), { from: 'b' }),
      passes(toTcp(80)),
    ],
  },
  'docs/hooks/rate-limit.md yaml 0': {
    steps: [
      ...Array.from({ length: 40 }, () => passes(toUdp(53))),
      dropped(toUdp(53)),
      passes(toUdp(54)),
      passes(toUdp(53), { afterMs: 60 }),
      dropped(toUdp(53)),
    ],
  },
  'docs/hooks/rate-limit.md yaml 1': {
    steps: [
      ...Array.from({ length: 500 }, () => passes(toTcp(80))),
      dropped(toTcp(80)),
      passes(toTcp(80, { flags: ACK })),
      passes(toTcp(80, { flags: RST })),
    ],
  },
  'docs/hooks/clamp-mss.md yaml 0': {
    steps: [
      passes(toTcp(80, { mss: 1460 }), { check: fields({ tcp: { mss: 1432 }, checksumsRight: true }) }),
      passes(toTcp(80, { mss: 1400 }), { check: fields({ tcp: { mss: 1400 } }) }),
    ],
  },
  'docs/hooks/mirror.md yaml 0': {
    steps: [
      passes(toTcp(80), { sent: [fields({ destinationPort: 80 })] }),
      passes(toTcp(81), { sent: [] }),
      passes(toUdp(53), { sent: [fields({ text: 'text', checksumsRight: true })] }),
    ],
  },
  'docs/hooks/rewrite-payload.md yaml 0': {
    steps: [
      passes(toUdp(5060, 'via 10.0.0.7'), { check: fields({ text: 'via 203.0.113.40', checksumsRight: true }) }),
      passes(toUdp(5061, 'via 10.0.0.7'), { check: fields({ text: 'via 10.0.0.7' }) }),
    ],
  },
};
