/**
 * The savefile driver under the conformance suite, once per format: what is sent is written to a capture that the driver
 * then opens, what comes out of a port is read from its output.
 *
 * @module
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSavefile, type SavefileDriver } from '../../src/drivers/savefile.ts';
import { emitSavefileRecord, SavefileReader, savefileRecordLength } from '../../src/wire/savefile.ts';
import type { SavefileSection } from '../../src/wire/savefile-format.ts';
import { emitPcapHeader } from '../../src/wire/savefile-pcap.ts';
import { emitInterface, emitSection } from '../../src/wire/savefile-pcapng.ts';
import { type DriverUnderTest, driverConformance } from './driver.suite.ts';

const SNAPLEN = 262_144;
/** No promise of the sink runs before the last frame. */
const WHOLE_FILE = {
  'sends what was made or kept when a batch is over, from a promise of the sink too':
    'a file is read to its end in one go',
};

driverConformance('savefile with pcap', () => savefile(pcapHead()), {
  leaveOut: { 'several ports do not mix': 'a pcap file has one interface, so the driver has one port', ...WHOLE_FILE },
});

driverConformance('savefile with pcapng', () => savefile(pcapngHead()), { leaveOut: WHOLE_FILE });

interface Head {
  readonly section: SavefileSection;
  readonly interfaces: readonly Buffer[];
}

function pcapHead(): Head {
  const header = emitPcapHeader({ bigEndian: false, nanoseconds: true, linktype: 1, snaplen: SNAPLEN });
  return { section: { format: 'pcap', bigEndian: false, header }, interfaces: [] };
}

function pcapngHead(): Head {
  const section: SavefileSection = { format: 'pcapng', bigEndian: true, header: emitSection(true) };
  const interfaces = [0, 1].map(() => emitInterface({ linktype: 1, snaplen: SNAPLEN, resolution: 9 }, true));
  return { section, interfaces };
}

function savefile({ section, interfaces }: Head): DriverUnderTest {
  const folder = mkdtempSync(join(tmpdir(), 'firehook-'));
  const input = join(folder, 'in');
  const output = join(folder, 'out');
  const parts = [section.header, ...interfaces];
  let opened: SavefileDriver | null = null;
  return {
    // A file has to be complete before it is opened, so the driver comes to be when it is first asked for.
    get driver(): SavefileDriver {
      if (opened === null) {
        writeFileSync(input, Buffer.concat(parts));
        opened = openSavefile({ input, output });
      }
      return opened;
    },
    send(interfaceId, frames) {
      for (const frame of frames) {
        const { length } = frame;
        const fields = { interfaceId, length, originalLength: length, timestampHigh: 1_767_225_600, timestampLow: 5 };
        const record = Buffer.alloc(savefileRecordLength(section, length, 0));
        emitSavefileRecord(section, fields, frame, Buffer.alloc(0), record, 0);
        parts.push(record);
      }
    },
    received: (port) => Promise.resolve(framesIn(output, port)),
    idle: () => Promise.resolve(),
    close: () => rmSync(folder, { recursive: true }),
  };
}

function framesIn(path: string, port: number): Buffer[] {
  const reader = new SavefileReader(path);
  reader.push(readFileSync(path));
  const frames: Buffer[] = [];
  for (let event = reader.next(); event !== 'more' && event !== 'error'; event = reader.next()) {
    const { interfaceId, offset, length } = reader.frame;
    if (event === 'frame' && interfaceId === port) {
      frames.push(Buffer.from(reader.buffer.subarray(offset, offset + length)));
    }
  }
  const error = reader.end();
  if (error !== null) {
    throw error;
  }
  return frames;
}
