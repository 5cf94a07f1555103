/**
 * Streams where nothing can be held back: of a capture file, and at a `tap`, checksums may be those that a card had still to make.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RESET } from '../../../src/hook/contract.ts';
import { MORE } from '../../../src/hook/stream/stream-contract.ts';
import { loadedHook } from '../../support/loaded-hook.ts';
import { ethernet, ipv4, tcp } from '../../support/packet-builder.ts';
import { bridgeWay, layRig } from '../lane/lane-rig.ts';

const SYN = 2;
const ACK = 16;
const CLIENT = '192.0.2.1';
const SERVER = '198.51.100.2';
const ports = { sourcePort: 40_000, destinationPort: 80 };
const client = (fields: object, data = '') =>
  ethernet({}, ipv4({ source: CLIENT, destination: SERVER }, tcp({ ...ports, ...fields }, Buffer.from(data))));
const server = (fields: object) => {
  const back = { sourcePort: 80, destinationPort: 40_000 };
  return ethernet({}, ipv4({ source: SERVER, destination: CLIENT }, tcp({ ...back, ...fields })));
};

describe('a stream that is only looked at', () => {
  for (const [what, isLive, way] of [
    ['of a capture file', false, bridgeWay()],
    ['at a tap', true, bridgeWay({ outPort: -1, otherPort: -1, reject: 'count', rejectPort: -1 })],
    ['inline', true, bridgeWay()],
  ] as const) {
    test(`${what}: segments with a wrong checksum are ${what === 'inline' ? 'dropped' : 'read'}`, async (t) => {
      const texts: string[] = [];
      const hook = loadedHook({
        name: 'reader',
        stream: { ports: [80], most: 100, gate: true },
        onStream: (stream) => {
          texts.push(stream.text());
          return stream.length < 4 ? MORE : RESET;
        },
      });
      const rig = layRig(t, { ways: [way], isLive, hooks: () => [hook] });
      await rig.pass(
        client({ flags: SYN, sequence: 0 }),
        server({ flags: SYN | ACK, sequence: 0, acknowledgement: 1 }),
        client({ flags: ACK, sequence: 1, acknowledgement: 1, checksum: 0x1234 }, 'ab'),
        client({ flags: ACK, sequence: 3, acknowledgement: 1, checksum: 0x1234 }, 'cd'),
      );
      assert.deepEqual(texts, what === 'inline' ? [] : ['ab', 'abcd']);
      assert.equal(rig.row().reset, what === 'inline' ? 0 : 1);
      assert.equal(rig.row().dropped, what === 'inline' ? 2 : 0);
    });
  }
});
