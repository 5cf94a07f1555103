/**
 * What a replay writes that was never in the capture: datagrams of hooks and ICMP errors, by the command on real files.
 *
 * Rule: the output is read back record by record; numbers of the report are compared with it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import { ROOT } from '../../support/documents.ts';
import { ethernet, ipv4, ipv6, udp } from '../../support/packet-builder.ts';
import { type CapturedFrame, composeCapture, readCapture, type Variant } from '../wire/savefile-captures.ts';
import { runFirehook } from './run-firehook.ts';

const PCAP: Variant = { title: '', format: 'pcap', bigEndian: false, resolution: 6 };
const PCAPNG: Variant = { title: '', format: 'pcapng', bigEndian: true, resolution: 9 };
const ETHERNET = 1;
const RAW = 101;
const ICMP = 1;

const folder = mkdtempSync(path.join(tmpdir(), 'firehook-sends-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Buffer): string {
  const full = path.join(folder, name);
  writeFileSync(full, content);
  return full;
}

function datagram(source: string, destination: string, port = 1): Buffer {
  return ipv4({ source, destination }, udp({ destinationPort: port }, Buffer.from('data')));
}

/** Rejects port 7. */
const REJECT = file(
  'reject.ts',
  `import { defineHook, FORWARD, ICMP_ON_DROP } from 'firehook';
   export default defineHook({ name: 'reject', onPacket: (packet) => (packet.destinationPort === 7 ? ICMP_ON_DROP : FORWARD) });`,
);

/** Sends what is in its text for each packet to port 7. */
function sending(name: string, datagram: Buffer): string {
  return file(
    `${name}.ts`,
    `import { defineHook, FORWARD } from 'firehook';
     const datagram = Buffer.from('${datagram.toString('hex')}', 'hex');
     let send;
     export default defineHook({
       name: '${name}',
       setup(_options, runtime) { send = runtime.send; console.log('early ' + send(datagram)); },
       onPacket(packet) { if (packet.destinationPort === 7) console.log('sent ' + send(datagram)); return FORWARD; },
     });`,
  );
}

interface Replayed {
  readonly report: ReplayReport;
  readonly frames: readonly CapturedFrame[];
  readonly stderr: string;
}

let outputs = 0;

function replay(input: string, ...args: string[]): Replayed {
  const output = path.join(folder, `out-${++outputs}`);
  const { code, stdout, stderr } = runFirehook('replay', input, '-w', output, '--json', ...args);
  assert.equal(code, 0, stderr);
  const report = JSON.parse(stdout) as ReplayReport;
  assert.deepEqual([report.addsUp, report.problems], [true, []]);
  const { frames, error } = readCapture(readFileSync(output));
  assert.equal(error, null);
  assert.equal(report.written, frames.length);
  return { report, frames, stderr };
}

/** The comment of a packet block of a big-endian section. */
function comment({ options }: CapturedFrame): string {
  if (options.length === 0) return '';
  assert.equal(options.readUInt16BE(0), 1, 'opt_comment');
  return options.toString('utf8', 4, 4 + options.readUInt16BE(2));
}

const client = '192.0.2.10';
const server = '198.51.100.1';
const frames = [datagram(client, server), datagram(client, server, 7), datagram(server, client)].map((one) =>
  ethernet({ source: Buffer.from('02000000000a', 'hex'), destination: Buffer.from('02000000000b', 'hex') }, one),
);
const records = frames.map((bytes, index) => ({ bytes, interfaceId: 1, high: 411_492, low: 1000 * (index + 1) }));
const ng = file('three.pcapng', composeCapture(PCAPNG, records, ETHERNET));
const pcap = file(
  'three.pcap',
  composeCapture(
    PCAP,
    records.map(({ bytes }, index) => ({ bytes: bytes.subarray(14), high: 1000 + index, low: 5 })),
    RAW,
  ),
);

describe('an ICMP error', () => {
  test('stands where the packet was, with its time, turned addresses and the number of the packet in a comment', () => {
    const { report, frames: out } = replay(ng, '--hook', REJECT);
    assert.deepEqual(
      out.map(({ interfaceId, low }) => [interfaceId, low]),
      [
        [1, 1000],
        [1, 2000],
        [1, 3000],
      ],
    );
    assert.deepEqual(out.map(comment), ['', 'firehook: ICMP error in answer to packet 2', '']);
    const error = out[1]?.bytes ?? Buffer.alloc(0);
    assert.equal(error.toString('hex', 0, 14), '02000000000a02000000000b0800');
    assert.equal(error[14 + 9], ICMP);
    assert.ok(error.subarray(14 + 12, 14 + 20).equals(Buffer.from([198, 51, 100, 1, 192, 0, 2, 10])));
    const { icmpErrors, icmpWouldBe, injected, rejected, sent } = report.total;
    assert.deepEqual([icmpErrors, icmpWouldBe, injected, rejected, sent], [1, 0, 0, 1, 3]);
  });

  test('is there in pcap without a mark, of a link type without a header', () => {
    const { frames: out } = replay(pcap, '--hook', REJECT);
    assert.deepEqual(
      out.map(({ high, low, bytes }) => [high, low, bytes[9]]),
      [
        [1000, 5, 17],
        [1001, 5, ICMP],
        [1002, 5, 17],
      ],
    );
  });

  test('leaves a bridge by the interface that the packet came from', () => {
    const input = file(
      'bridge.pcapng',
      composeCapture(PCAPNG, [{ bytes: frames[1] as Buffer, interfaceId: 0 }], ETHERNET),
    );
    const { frames: out } = replay(input, '--bridge', '--hook', REJECT);
    assert.deepEqual(
      out.map(({ interfaceId, bytes }) => [interfaceId, bytes[23]]),
      [[0, ICMP]],
    );
  });
});

describe('what a hook sends', () => {
  test('stands before the packet at hand, with its time, and the name of the hook in a comment', () => {
    const made = datagram('203.0.113.1', '203.0.113.2');
    const { report, frames: out, stderr } = replay(ng, '--hook', sending('sender', made));
    assert.match(stderr, /^early false$/m);
    assert.match(stderr, /^sent true$/m);
    assert.deepEqual(
      out.map(({ low }) => low),
      [1000, 2000, 2000, 3000],
    );
    assert.deepEqual(out.map(comment), ['', 'firehook: sent by hook sender', '', '']);
    const sent = out[1]?.bytes ?? Buffer.alloc(0);
    assert.equal(sent.toString('hex', 0, 14), '02000000000a02000000000b0800', 'back to where the packet came from');
    assert.ok(sent.subarray(14).equals(made));
    assert.deepEqual([report.total.injected, report.total.injectRefused, report.total.forwarded], [1, 0, 3]);
  });

  test('for the destination of the packet at hand goes where that goes, also in a bridge', () => {
    const input = file(
      'onward.pcapng',
      composeCapture(PCAPNG, [{ bytes: frames[1] as Buffer, interfaceId: 0 }], ETHERNET),
    );
    const made = datagram('203.0.113.1', server);
    const { frames: out } = replay(input, '--bridge', '--hook', sending('onward', made));
    assert.deepEqual(
      out.map(({ interfaceId }) => interfaceId),
      [1, 1],
    );
    assert.equal(out[0]?.bytes.toString('hex', 0, 14), '02000000000b02000000000a0800');
  });

  test('may be of the other IP version', () => {
    const made = ipv6({}, udp({}, Buffer.from('six')));
    const { frames: out } = replay(ng, '--hook', sending('six', made));
    assert.equal(out[1]?.bytes.readUInt16BE(12), 0x86dd);
    assert.ok(out[1]?.bytes.subarray(14).equals(made));
  });

  test('counts the same where nothing is written, and is in the text of the report', () => {
    const hook = sending('silent', datagram('203.0.113.1', '203.0.113.2'));
    const { report } = replay(ng, '--hook', hook, '--hook', REJECT);
    const { stdout } = runFirehook('replay', ng, '--hook', hook, '--hook', REJECT, '--json');
    assert.deepEqual((JSON.parse(stdout) as ReplayReport).total, report.total);
    const text = runFirehook('replay', ng, '--hook', hook, '--hook', REJECT).stdout;
    assert.match(text, /^ {2}ICMP errors: 1$/m);
    assert.match(text, /^ {2}sent by hooks: 1$/m);
  });

  test('that is no IP datagram is refused, and counted as that', () => {
    const { report, stderr } = replay(ng, '--hook', sending('wrong', Buffer.from('Ehello')));
    assert.match(stderr, /^sent false$/m);
    assert.deepEqual([report.total.injected, report.total.injectRefused], [0, 1]);
  });

  test('between two packets has the link header and the time of the last one', () => {
    const hook = file(
      'later.ts',
      `import { defineHook, FORWARD } from 'firehook';
       const datagram = Buffer.from('${datagram('203.0.113.1', '203.0.113.2').toString('hex')}', 'hex');
       const wait = new Int32Array(new SharedArrayBuffer(4));
       let send, seen = 0;
       export default defineHook({
         name: 'later',
         setup(_options, runtime) { send = runtime.send; },
         onPacket() {
           if (++seen === 2) setImmediate(() => send(datagram));
           // The replay lets timers run every 20 milliseconds.
           if (seen === 2) Atomics.wait(wait, 0, 0, 50);
           return FORWARD;
         },
       });`,
    );
    const { frames: out } = replay(ng, '--hook', hook);
    const at = out.findIndex((one) => comment(one) === 'firehook: sent by hook later');
    assert.ok(at >= 2, 'behind the packet that was at hand');
    assert.equal(out[at]?.low, out[at - 1]?.low);
    assert.ok(out[at]?.bytes.subarray(14).equals(datagram('203.0.113.1', '203.0.113.2')));
  });
});

describe('a frame of a hook', () => {
  const frame = ethernet({}, datagram('203.0.113.1', '203.0.113.2'));
  const sends = (name: string, what: string): string =>
    file(
      `${name}.ts`,
      `import { defineHook, FORWARD } from 'firehook';
       const frame = Buffer.from('${frame.toString('hex')}', 'hex');
       export default defineHook({
         name: '${name}',
         setup: (_options, { inject, mirror }) => ({
           onPacket(packet) { if (packet.destinationPort === 7) console.log('sent ' + ${what}); return FORWARD; },
         }),
       });`,
    );

  test('is written to the interface that it names, as it is, before the packet at hand', () => {
    const { report, frames: out } = replay(ng, '--hook', sends('injects', "inject(frame, 'interface 0')"));
    assert.deepEqual(
      out.map(({ interfaceId, low }) => [interfaceId, low]),
      [
        [1, 1000],
        [0, 2000],
        [1, 2000],
        [1, 3000],
      ],
    );
    assert.ok(out[1]?.bytes.equals(frame));
    assert.equal(comment(out[1] as CapturedFrame), 'firehook: sent by hook injects, out of interface 0');
    assert.deepEqual([report.total.injected, report.total.injectRefused], [1, 0]);
  });

  test('is a copy of the packet at hand, whatever the link type, where the hook mirrors', () => {
    for (const [input, offset] of [
      [ng, 0],
      [pcap, 14],
    ] as const) {
      const { report, frames: out } = replay(input, '--hook', sends('mirrors', "mirror('interface 0')"));
      // Of the capture with two interfaces the packets are at the other one, of the same kind.
      assert.equal(out.length, 4);
      assert.deepEqual(out[1]?.bytes, frames[1]?.subarray(offset));
      assert.deepEqual(out[2]?.bytes, out[1]?.bytes);
      assert.equal(report.total.injected, 1);
      if (input === ng)
        assert.equal(
          comment(out[1] as CapturedFrame),
          'firehook: copy of packet 2 by hook mirrors, out of interface 0',
        );
    }
  });

  test('of Ethernet is refused where the capture has no Ethernet, and so is an interface that is none', () => {
    const { report, stderr } = replay(pcap, '--hook', sends('refused', "inject(frame, 'interface 0')"));
    assert.match(stderr, /^sent false$/m);
    assert.deepEqual([report.total.injected, report.total.injectRefused], [0, 1]);
    const { code, stderr: said } = runFirehook('replay', ng, '--hook', sends('unknown', "inject(frame, 'ids0')"));
    assert.equal(code, 1);
    assert.match(said, /"ids0" is no interface that this hook may send frames out of/);
  });

  test('goes, by the stock hook mirror and its configuration, to where the packet came from', () => {
    const module = path.join(ROOT, 'hooks/mirror.ts');
    const hooks = [{ module, options: { to: 'ids0', filter: 'dst port 7' }, allow: { interfaces: ['ids0'] } }];
    const config = file('mirror.yaml', JSON.stringify({ attach: [{ bridge: ['lan0', 'wan0'] }], hooks }));
    const { report, frames: out } = replay(ng, '-c', config);
    assert.equal(out.length, 4);
    assert.equal(comment(out[1] as CapturedFrame), 'firehook: copy of packet 2 by hook mirror, out of ids0');
    assert.equal(out[1]?.interfaceId, 1);
    assert.equal(report.total.injected, 1);
  });
});
