/**
 * Reading streams leaves nothing on the heap: neither the segments of whole connections, one after the other, nor those that nobody reads.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ACCEPT } from '../../../src/hook/contract.ts';
import { defineHook } from '../../../src/hook/define-hook.ts';
import { MORE } from '../../../src/hook/stream/stream-contract.ts';
import { ACK, assertNoAllocation, connection, FIN, type Lab, openLab, SYN } from '../../../src/testing/index.ts';

const NEEDLE = Buffer.from('\r\n\r\n');

/** Segments of a connection that begins and ends: sent again and again, each time it is another one. */
function conversation(lab: Lab, serverPort: number): Uint8Array[] {
  const http = connection(lab, { serverPort, clientStart: 0xffff_f000, serverStart: 0x8000_0000 });
  const text = 'x'.repeat(1400);
  return [
    http.segment('client', '', { flags: SYN, at: -1 }),
    http.segment('server', '', { flags: SYN | ACK, at: -1 }),
    http.segment('client', '', { at: 0 }),
    http.segment('client', text, { at: 1400 }),
    http.segment('client', text, { at: 0 }),
    http.segment('server', 'answer', { at: 0, ack: 2800 }),
    http.segment('client', text, { at: 1400, ack: 6 }),
    http.segment('client', 'end\r\n\r\n', { at: 2800, ack: 6 }),
    http.segment('server', '', { at: 6, ack: 2807 }),
    http.segment('client', 'more', { at: 2807, ack: 6 }),
    http.segment('client', '', { flags: FIN | ACK, at: 2811, ack: 6 }),
    http.segment('server', '', { flags: FIN | ACK, at: 6, ack: 2812 }),
    http.segment('client', '', { at: 2812, ack: 7 }),
  ];
}

describe('a hook with streams', () => {
  for (const [what, port] of [
    ['that are read', 80],
    ['of another port', 81],
  ] as const)
    test(`leaves nothing on the heap for connections ${what}`, async () => {
      const hook = defineHook({
        name: 'reader',
        stream: { ports: [80], most: 4000, gate: true },
        onStream: (stream) =>
          stream.u16(0) === 0x7878 && stream.indexOf(NEEDLE, stream.length - 8) < 0 ? MORE : ACCEPT,
      });
      const lab = await openLab(hook);
      assertNoAllocation(lab, conversation(lab, port));
      const { opened, passed, cut } = lab.streams('reader');
      assert.equal(passed, opened);
      assert.ok(port === 80 ? opened > 1000 : opened === 0, `${opened} streams`);
      assert.equal(cut, 0);
      await lab.close();
    });
});
