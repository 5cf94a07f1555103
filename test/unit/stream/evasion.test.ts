/**
 * Ways to have somebody in between read another stream than the receiver does, as they are known since Ptacek and Newsham:
 * each one is found, or does not change what is read.
 *
 * The receiver here is any: one that takes the first of two octets, and one that takes the last. What is read in between has
 * to be what both of them read, or a contradiction is said.
 *
 * @see T. Ptacek and T. Newsham, "Insertion, Evasion, and Denial of Service: Eluding Network Intrusion Detection" (1998); U.
 *   Shankar and V. Paxson, "Active Mapping: Resisting NIDS Evasion Without Altering Traffic" (2003), for the overlaps
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  STREAM_DISAGREES,
  STREAM_ENDED,
  STREAM_GREW,
  STREAM_NO_START,
  STREAM_SAME,
  STREAM_WAITS,
} from '../../../src/stream/stream-counters.ts';
import { ACK, FIN, RST, SYN } from '../../../src/wire/tcp.ts';
import { randomNumbers } from '../flow/flow-rig.ts';
import { StreamRig } from './stream-rig.ts';

const ATTACK = 'GET /cgi-bin/phf HTTP/1.0';

function started(): StreamRig {
  const rig = new StreamRig();
  rig.syn();
  return rig;
}

/** A piece of the attack as the receiver is to have it. */
function piece(rig: StreamRig, from: number, to: number): number {
  return rig.data(from, ATTACK.slice(from, to));
}

describe('the stream is cut into pieces', () => {
  test('of one octet, in order, backwards and at random', () => {
    const random = randomNumbers(5);
    const forward = Array.from(ATTACK, (_, at) => at);
    const shuffled = [...forward].sort(() => random(3) - 1);
    for (const order of [forward, [...forward].reverse(), shuffled]) {
      const rig = started();
      for (const at of order) piece(rig, at, at + 1);
      assert.equal(rig.text(), ATTACK);
    }
  });

  test('that are sent several times, and overlap by an octet and agree', () => {
    const rig = started();
    for (let at = 0; at < ATTACK.length; at += 2) {
      for (let round = 0; round < 3; round++) piece(rig, Math.max(0, at - 1), at + 3);
    }
    assert.equal(rig.text(), ATTACK);
  });

  test('of which all but the first come first', () => {
    const rig = started();
    assert.equal(piece(rig, 1, ATTACK.length), STREAM_WAITS);
    assert.equal(rig.text(), '');
    assert.equal(piece(rig, 0, 1), STREAM_GREW);
    assert.equal(rig.text(), ATTACK);
  });
});

describe('octets are put in that the receiver does not take', () => {
  test('before the true ones, in order: by a wrong checksum, a short way, a missing ACK', () => {
    const rig = started();
    assert.equal(rig.data(0, 'GET /index.html  HTTP/1.0'), STREAM_GREW);
    assert.equal(piece(rig, 0, ATTACK.length), STREAM_DISAGREES);
  });

  test('behind a gap, where the true ones come in order', () => {
    const rig = started();
    assert.equal(rig.data(4, '/index.html '), STREAM_WAITS);
    assert.equal(piece(rig, 0, ATTACK.length), STREAM_DISAGREES);
  });

  test('in between, of zeroes, as often as there are true ones', () => {
    const rig = started();
    const results = Array.from(ATTACK, (letter, at) => [rig.data(at, '\0'), rig.data(at, letter)]).flat();
    assert.ok(results.slice(1).every((result) => result === STREAM_DISAGREES));
  });

  test('beyond the window of the receiver, which will be taken later', () => {
    const rig = started();
    piece(rig, 0, 5);
    assert.equal(rig.data(4_000, 'beyond the window'), STREAM_WAITS);
    assert.equal(rig.data(3_990, 'what the receiver takes in the end'), STREAM_DISAGREES);
  });

  test('in each of the ways in which two segments can overlap', () => {
    // From, length of the second one; the first is from 10 to 20.
    const overlaps: readonly (readonly [number, number])[] = [
      [10, 10],
      [5, 10],
      [15, 10],
      [5, 20],
      [12, 5],
      [10, 5],
      [15, 5],
      [10, 15],
      [5, 15],
    ];
    for (const [from, length] of overlaps) {
      for (const isInOrder of [true, false]) {
        const rig = started();
        const first = 'abcdefghijklmnopqrstuvwxyz';
        assert.equal(
          rig.data(isInOrder ? 0 : 10, first.slice(isInOrder ? 0 : 10, 20)),
          isInOrder ? STREAM_GREW : STREAM_WAITS,
        );
        assert.notEqual(rig.data(from, first.slice(from, from + length)), STREAM_DISAGREES, 'they agree');
        const changed = Array.from(first, (letter, at) => (at === Math.max(from, 10) ? '#' : letter)).join('');
        assert.equal(rig.data(from, changed.slice(from, from + length)), STREAM_DISAGREES, `${from}, ${length}`);
      }
    }
  });
});

describe('the connection seems to be another one', () => {
  test('by a FIN or a reset that the receiver does not take: what goes on contradicts it', () => {
    for (const flags of [FIN | ACK, RST, RST | ACK]) {
      const rig = started();
      piece(rig, 0, 4);
      assert.equal(rig.segment(4, '', flags), STREAM_ENDED);
      assert.equal(piece(rig, 4, ATTACK.length), STREAM_DISAGREES);
    }
  });

  test('by a FIN ahead of what has come', () => {
    const rig = started();
    piece(rig, 0, 4);
    assert.equal(rig.fin(8), STREAM_WAITS);
    assert.equal(piece(rig, 4, ATTACK.length), STREAM_DISAGREES);
  });

  test('by SYNs in between, with numbers of their own', () => {
    const rig = started();
    for (let at = 0; at < ATTACK.length; at++) {
      assert.equal(rig.segment(10_000 + 7 * at, at % 2 === 0 ? '' : 'x', SYN), STREAM_SAME);
      assert.equal(piece(rig, at, at + 1), STREAM_GREW);
    }
    assert.equal(rig.text(), ATTACK);
  });

  test('by a SYN with other data than what is sent behind the handshake', () => {
    const rig = new StreamRig();
    assert.equal(rig.syn('GET /index.html'), STREAM_GREW);
    assert.equal(piece(rig, 0, ATTACK.length), STREAM_DISAGREES);
  });

  test('by octets before any SYN, as if it were known already', () => {
    const rig = new StreamRig();
    assert.equal(rig.data(0, '\0\0\0\0'), STREAM_NO_START);
    assert.equal(rig.syn(), STREAM_SAME);
    assert.equal(piece(rig, 0, ATTACK.length), STREAM_GREW);
    assert.equal(rig.text(), ATTACK);
  });

  test('by what looks like a keep-alive, before the receiver has acknowledged the octet', () => {
    const rig = started();
    rig.data(0, 'GEX');
    rig.acknowledge(2);
    assert.equal(rig.data(2, 'T'), STREAM_DISAGREES);
  });

  test('by numbers half and whole circles away', () => {
    const rig = started();
    piece(rig, 0, 4);
    assert.equal(rig.data(-(2 ** 31), 'old'), STREAM_SAME);
    assert.equal(rig.data(4 - 2 ** 32, ATTACK.slice(4)), STREAM_GREW, 'a whole circle is the same place');
    assert.equal(rig.text(), ATTACK);
  });
});

test('what is read is what every receiver reads, or a contradiction is said: 20,000 pairs of readings', () => {
  const random = randomNumbers(6);
  let contradictions = 0;
  let read = 0;
  for (let round = 0; round < 20_000; round++) {
    const rig = new StreamRig({ most: 64, start: random(2 ** 32) });
    rig.syn();
    const first = new Map<number, string>();
    const last = new Map<number, string>();
    let hasDisagreed = false;
    for (let sent = 0; sent < 8; sent++) {
      const at = random(24);
      const data = Array.from({ length: 1 + random(8) }, (_, index) =>
        random(60) === 0 ? '#' : (ATTACK[at + index] ?? '.'),
      ).join('');
      hasDisagreed = rig.data(at, data) === STREAM_DISAGREES;
      if (hasDisagreed) break;
      for (const [index, letter] of Array.from(data).entries()) {
        if (!first.has(at + index)) first.set(at + index, letter);
        last.set(at + index, letter);
      }
    }
    if (hasDisagreed) contradictions += 1;
    else {
      assert.equal(rig.text(), inOrder(first));
      assert.equal(rig.text(), inOrder(last));
      read += 1;
    }
  }
  assert.ok(contradictions > 1_000 && read > 1_000, `${contradictions}, ${read}`);
});

function inOrder(octets: ReadonlyMap<number, string>): string {
  let text = '';
  for (let at = 0; octets.has(at); at++) text += octets.get(at) ?? '';
  return text;
}
