/**
 * The trial of hooks: its packets are sound and of every kind, each hook meets all of them, and what it does wrong is said once.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { defaultSettings } from '../../../src/config/schema.ts';
import { FRAME_SUPER } from '../../../src/drivers/frame.ts';
import { MORE } from '../../../src/hook/stream/stream-contract.ts';
import { loadChain } from '../../../src/lane/load-chain.ts';
import { NO_GRANT } from '../../../src/lane/messages.ts';
import { sampleConnection, sampleFrames } from '../../../src/lane/sample-frames.ts';
import { FaultNotes, tryOnSamples } from '../../../src/lane/trial.ts';
import { fillChecksums } from '../../../src/wire/datagram.ts';
import { ipv4, ipv6 } from '../../../src/wire/index.ts';
import { IpLayout, parseIpLayout } from '../../../src/wire/ip-layout.ts';
import { loadedHook } from '../../support/loaded-hook.ts';

const ETHERNET = 14;
const frames = sampleFrames();
const layouts = [...frames, ...sampleConnection(80)].map(({ bytes }) => {
  const datagram = Buffer.from(bytes.subarray(ETHERNET));
  const layout = new IpLayout();
  assert.ok(parseIpLayout(datagram, 0, datagram.length, datagram.length, layout), datagram.toString('hex', 0, 60));
  return { layout, datagram };
});

describe('the packets of a trial', () => {
  test('are well formed, with right checksums', () => {
    for (const { layout, datagram } of layouts) {
      const filled = Buffer.from(datagram);
      if (fillChecksums(filled, filled.length)) assert.deepEqual(filled, datagram);
      else assert.ok(layout.isFragment || layout.fragmentOffset > 0, 'only a fragment has no checksum of its own');
    }
  });

  test('are of every kind, in both versions', () => {
    const kinds = new Set(
      layouts.map(({ layout }) => {
        const part = !layout.isFragment ? 'whole' : layout.fragmentOffset === 0 ? 'first' : 'later';
        return `${layout.version} ${layout.protocol} ${part}`;
      }),
    );
    for (const version of [4, 6]) {
      for (const protocol of [ipv4.PROTOCOL_TCP, ipv4.PROTOCOL_UDP, 47, 132])
        assert.ok(kinds.has(`${version} ${protocol} whole`), `${version} ${protocol}`);
      for (const part of ['first', 'later']) assert.ok(kinds.has(`${version} 17 ${part}`), `${version} ${part}`);
    }
    assert.ok(kinds.has(`4 ${ipv4.PROTOCOL_ICMP} whole`) && kinds.has(`6 ${ipv6.NEXT_ICMPV6} whole`));
    assert.ok(
      layouts.some(({ layout }) => layout.version === 4 && layout.headerLength > 20),
      'IPv4 options',
    );
    assert.ok(
      layouts.some(({ layout }) => layout.version === 6 && layout.transportOffset > 40),
      'extension headers',
    );
    assert.equal(frames.filter(({ flags }) => flags === FRAME_SUPER).length, 2);
  });
});

test('a hook that reads streams is shown one of its port in each version, and blamed for what it does with it', async () => {
  for (const from of ['client', 'server'] as const) {
    const texts: string[] = [];
    const hook = loadedHook({
      name: 'reader',
      stream: { ports: [2525], from, most: 4000 },
      onStream: (stream) => {
        texts.push(`${stream.length}${stream.isEnded ? ' ended' : ''}`);
        if (stream.isEnded) throw new Error('oh');
        return MORE;
      },
    });
    const notes = new FaultNotes();
    const loaded = await loadChain({
      hooks: [
        { bundle: { path: 'reader.ts', code: '', map: '' }, priority: undefined, options: undefined, allow: NO_GRANT },
      ],
      loader: { load: () => hook, describeError: (error) => (error as Error).message },
      folder: '/',
      log: () => undefined,
      onFault: (name, text) => notes.note(name, text()),
      onHookError: 'drop',
      poolLimitMiB: 1,
      trackChanges: false,
      send: () => false,
    });
    const { faults } = await tryOnSamples(loaded, defaultSettings(), notes);
    loaded.teardown();
    assert.deepEqual(texts.sort(), ['1437', '1437', '1437 ended', '1437 ended', '37', '37']);
    assert.deepEqual(faults, [{ hook: 'reader', text: 'threw: oh', times: 2 }]);
  }
});

test('what is said of a hook is bounded, however much it has to be blamed for', () => {
  const notes = new FaultNotes();
  for (let index = 0; index < 1000; index++) {
    notes.note('loud', `threw ${index}: ${'x'.repeat(5000)}`);
    notes.note('quiet', 'threw');
    notes.note(`hook${index}`, 'threw');
  }
  const { list } = notes;
  assert.ok(list.length <= 48 && JSON.stringify(list).length < 64 * 1024);
  const loud = list.filter(({ hook }) => hook === 'loud');
  assert.deepEqual(
    loud.map(({ times }) => times),
    [1, 1, 1, 997],
  );
  assert.equal(loud.at(-1)?.text, 'and more of other kinds');
  assert.deepEqual(
    list.filter(({ hook }) => hook === 'quiet'),
    [{ hook: 'quiet', text: 'threw', times: 1000 }],
  );
});
