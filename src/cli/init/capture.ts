/**
 * The capture of a new package: the packets that `firehookd --check` shows to hooks, as a pcap file.
 *
 * Rule: the same octets at each call, so that the test of a new package can count on them. Super-frames are left out: they would make
 * most of the file, and other programs take them for broken.
 *
 * @module
 */

import { sampleFrames } from '../../lane/sample-frames.ts';
import { LINKTYPE_ETHERNET } from '../../wire/link.ts';
import { emitSavefileRecord, savefileRecordLength } from '../../wire/savefile.ts';
import type { SavefileSection } from '../../wire/savefile-format.ts';
import { emitPcapHeader } from '../../wire/savefile-pcap.ts';

/** Octets of the longest frame of Ethernet. */
const LONGEST = 1514;
const SNAPLEN = 262_144;
/** 2026-01-01T00:00:00Z. */
const START_SECONDS = 1_767_225_600;
/** Between two packets, in microseconds. */
const STEP = 10_000;
const SECOND = 1_000_000;

/** A pcap file with microseconds: about fifty packets of every common kind, two of them TCP to port 23. */
export function sampleCapture(): Buffer {
  const header = emitPcapHeader({
    bigEndian: false,
    nanoseconds: false,
    linktype: LINKTYPE_ETHERNET,
    snaplen: SNAPLEN,
  });
  const section: SavefileSection = { format: 'pcap', bigEndian: false, header };
  const frames = sampleFrames()
    .map(({ bytes }) => Buffer.from(bytes))
    .filter(({ length }) => length <= LONGEST);
  return Buffer.concat([header, ...frames.map((frame, index) => recordOf(section, frame, index))]);
}

function recordOf(section: SavefileSection, frame: Buffer, index: number): Buffer {
  const { length } = frame;
  const record = Buffer.alloc(savefileRecordLength(section, length, 0));
  const time = {
    timestampHigh: START_SECONDS + Math.floor((index * STEP) / SECOND),
    timestampLow: (index * STEP) % SECOND,
  };
  emitSavefileRecord(
    section,
    { interfaceId: 0, length, originalLength: length, ...time },
    frame,
    Buffer.alloc(0),
    record,
    0,
  );
  return record;
}
