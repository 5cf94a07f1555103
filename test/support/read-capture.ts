/**
 * A pcapng file as its packets, with what their options and interfaces say, by firehook's own reader and by nothing that wrote it.
 *
 * Rule: what is no whole file is a failed test.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { SavefileReader } from '../../src/wire/savefile.ts';

/** A packet of the file. */
export interface ReadPacket {
  readonly interfaceName: string;
  readonly linktype: number;
  /** Owned. */
  readonly octets: Buffer;
  readonly originalLength: number;
  /** Since 1970. */
  readonly nanoseconds: bigint;
  readonly comment: string;
  readonly direction: 'in' | 'out';
  readonly packetId: bigint;
}

const OPTION = { end: 0, comment: 1, name: 2, flags: 2, packetId: 5 } as const;

/** Options of a little-endian block by their code. */
function optionsOf(octets: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= octets.length; ) {
    const code = octets.readUInt16LE(at);
    const length = octets.readUInt16LE(at + 2);
    if (code === OPTION.end) break;
    found.set(code, octets.subarray(at + 4, at + 4 + length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  return found;
}

/** Reads a file whose packets have comment, direction and id. @throws AssertionError where it is not whole */
export function readCapture(file: Buffer): ReadPacket[] {
  const reader = new SavefileReader('capture');
  reader.push(file);
  const packets: ReadPacket[] = [];
  for (let event = reader.next(); event !== 'more' && event !== 'error'; event = reader.next()) {
    if (event !== 'frame') continue;
    const { frame, buffer } = reader;
    const origin = reader.interfaces[frame.interfaceId];
    assert.ok(origin !== undefined);
    const options = optionsOf(buffer.subarray(frame.optionsOffset, frame.optionsOffset + frame.optionsLength));
    packets.push({
      interfaceName: optionsOf(origin.block.subarray(16)).get(OPTION.name)?.toString() ?? '',
      linktype: origin.linktype,
      octets: Buffer.from(buffer.subarray(frame.offset, frame.offset + frame.length)),
      originalLength: frame.originalLength,
      nanoseconds: BigInt(frame.seconds) * 1_000_000_000n + BigInt(frame.nanoseconds),
      comment: options.get(OPTION.comment)?.toString() ?? '',
      direction: ((options.get(OPTION.flags)?.readUInt32LE(0) ?? 0) & 3) === 1 ? 'in' : 'out',
      packetId: options.get(OPTION.packetId)?.readBigUInt64LE(0) ?? -1n,
    });
  }
  assert.equal(reader.end(), null);
  return packets;
}
