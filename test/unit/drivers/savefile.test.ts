/**
 * The savefile driver beyond the common contract: exact copies of every fixture, what it refuses, damage, and changes.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  linkSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FrameSink } from '../../../src/drivers/contract.ts';
import type { Frame } from '../../../src/drivers/frame.ts';
import { openSavefile, type SavefileDriver } from '../../../src/drivers/savefile.ts';
import { type ErrorCode, isFirehookError } from '../../../src/errors.ts';
import { emitInterface, emitSection } from '../../../src/wire/savefile-pcapng.ts';
import { makeFixtures } from '../../fixtures/make-fixtures.ts';
import { waitFor } from '../../support/wait-for.ts';
import {
  composeCapture,
  composeRecord,
  readCapture,
  sectionOf,
  VARIANTS,
  type Variant,
} from '../wire/savefile-captures.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'firehook-'));
after(() => rmSync(folder, { recursive: true }));
const PCAP: Variant = { title: '', format: 'pcap', bigEndian: false, resolution: 6 };
const PCAPNG: Variant = { title: '', format: 'pcapng', bigEndian: true, resolution: 6 };
/** An option of a packet block: the comment "hi", big-endian. The driver carries options as octets. */
const COMMENT = Buffer.from('0001000268690000', 'hex');
let filesTotal = 0;

describe('a capture forwarded whole', () => {
  test('is the same file again, for every fixture', async () => {
    const names = readdirSync(FIXTURES).filter((name) => /\.pcap(ng)?$/.test(name));
    assert.deepEqual(names.sort(), [...makeFixtures().keys()].sort());
    for (const name of names) {
      const octets = readFileSync(join(FIXTURES, name));
      assert.ok(octets.equals(makeFixtures().get(name) ?? Buffer.alloc(0)), `${name} is not what the script makes`);
      assert.ok((await forward(octets)).equals(octets), name);
    }
  });

  for (const variant of VARIANTS) {
    test(`keeps cut frames, odd lengths, options and long frames: ${variant.title}`, async () => {
      const octets = composeCapture(variant, [
        { bytes: Buffer.alloc(96, 1), originalLength: 1500, high: 1, low: 2 },
        { bytes: Buffer.alloc(96, 2), originalLength: 10, high: 1, low: 999_999 },
        { bytes: Buffer.alloc(60, 3), options: COMMENT },
        { bytes: Buffer.alloc(2_500_000, 4), high: 0xffff_ffff, low: 0xffff_ffff },
        { bytes: Buffer.alloc(0) },
      ]);
      assert.ok((await forward(octets)).equals(octets));
    });
  }

  test('keeps every section, with its interfaces and byte order', async () => {
    const octets = Buffer.concat([
      composeCapture(PCAPNG, [{ bytes: Buffer.alloc(60), interfaceId: 1 }]),
      composeCapture({ ...PCAPNG, bigEndian: false, resolution: 9 }, [{ bytes: Buffer.alloc(61), interfaceId: 1 }]),
    ]);
    const ports: number[] = [];
    const copy = await forward(octets, (driver, frame, length, port) => {
      ports.push(port, driver.ports.length);
      assert.equal(driver.transmit(port === 1 ? 3 : 1, frame, length), false, 'a port of another section');
      return driver.transmit(port, frame, length);
    });
    assert.deepEqual(ports, [1, 2, 3, 4]);
    assert.ok(copy.equals(octets));
  });
});

describe('what hooks do to a capture', () => {
  test('a dropped frame is missing, the others are as they were', async () => {
    const records = [60, 61, 62].map((length) => ({ bytes: Buffer.alloc(length, length), low: length }));
    const copy = await forward(composeCapture(PCAPNG, records), (driver, frame, length, port) =>
      length === 61 ? true : driver.transmit(port, frame, length),
    );
    assert.deepEqual(
      copy,
      composeCapture(
        PCAPNG,
        [records[0], records[2]].flatMap((record) => record ?? []),
      ),
    );
  });

  test('a frame of another length counts as whole, and keeps the time', async () => {
    const cut = { bytes: Buffer.alloc(96), originalLength: 1500, high: 7, low: 8 };
    const copy = await forward(composeCapture(PCAP, [cut]), (driver, _frame, _length, port) =>
      driver.transmit(port, Buffer.alloc(70), 70),
    );
    assert.deepEqual(copy, composeCapture(PCAP, [{ bytes: Buffer.alloc(70), high: 7, low: 8 }]));
  });

  test('a frame sent between two frames counts as whole, whatever its length', async () => {
    const cut = { bytes: Buffer.alloc(96), originalLength: 1500, high: 7, low: 8 };
    const output = path();
    const driver = openSavefile({ input: file(composeCapture(PCAP, [cut])), output });
    const sink = { onFrame: () => undefined, onBatchEnd: () => void driver.transmit(0, Buffer.alloc(96), 96) };
    await driver.start(sink);
    assert.deepEqual(readFileSync(output), composeCapture(PCAP, [{ ...cut, originalLength: 96 }]));
  });

  test('a frame whose octets changed loses its options, which would be wrong', async () => {
    const copy = await forward(
      composeCapture(PCAPNG, [{ bytes: Buffer.alloc(60), options: COMMENT }]),
      (driver, frame, length) => {
        frame[5] = 1;
        return driver.transmit(0, frame, length);
      },
    );
    assert.equal(readCapture(copy).frames[0]?.options.length, 0);
    assert.equal(readCapture(copy).frames[0]?.bytes[5], 1);
  });

  test('a frame that came in a simple packet block leaves in one, whatever was done to it', async () => {
    const section = sectionOf(PCAPNG);
    const simple = (bytes: Buffer) => composeRecord(section, { bytes, isSimple: true });
    const head = composeCapture(PCAPNG, []);
    const capture = Buffer.concat([head, simple(Buffer.of(1, 2, 3))]);
    for (const made of [Buffer.of(1, 2, 9), Buffer.of(7), Buffer.of(1, 2, 3, 4, 5, 6, 7)]) {
      const copy = await forward(capture, (driver) => driver.transmit(0, made, made.length));
      assert.deepEqual(copy, Buffer.concat([head, simple(made)]));
    }
    const elsewhere = await forward(capture, (driver, frame, length) => driver.transmit(1, frame, length));
    assert.deepEqual(readCapture(elsewhere).frames[0]?.interfaceId, 1, 'only interface 0 has simple packet blocks');
  });

  test('a changed frame of an old or modified pcap file has the record of that file', async () => {
    const [version, magic] = [4, 0];
    const cut = { bytes: Buffer.alloc(60, 1), originalLength: 1500, high: 7, low: 8 };
    const made = Buffer.alloc(70, 2);
    const old = { ...sectionOf(PCAP), originalFirst: true };
    old.header.writeUInt16LE(2, version + 2);
    const modified = { ...sectionOf(PCAP), recordHeaderLength: 24 };
    modified.header.writeUInt32LE(0xa1b2cd34, magic);
    const options = Buffer.from('0200000008000400', 'hex');
    for (const section of [old, modified]) {
      const capture = Buffer.concat([section.header, composeRecord(section, { ...cut, options })]);
      const copy = await forward(capture, (driver) => driver.transmit(0, made, made.length));
      const record = composeRecord(section, { bytes: made, high: 7, low: 8, options });
      assert.deepEqual(copy, Buffer.concat([section.header, record]));
    }
  });

  test('a frame that leaves by another port takes its time along, in the resolution there', async () => {
    const section = { format: 'pcapng', bigEndian: false, header: emitSection(false) } as const;
    const capture = Buffer.concat([
      section.header,
      emitInterface({ linktype: 1, snaplen: 0, resolution: 9 }, false),
      emitInterface({ linktype: 1, snaplen: 0, offsetSeconds: 1 }, false),
      composeRecord(section, { bytes: Buffer.alloc(60), high: 0, low: 2_000_001_999, options: COMMENT }),
    ]);
    const copy = await forward(capture, (driver, frame, length) => driver.transmit(1, frame, length));
    const frame = readCapture(copy).frames[0];
    assert.deepEqual([frame?.interfaceId, frame?.seconds, frame?.nanoseconds], [1, 2, 1000]);
    assert.equal(frame?.low, 1_000_001);
    assert.equal(frame?.options.length, 0, 'the options belong to the interface of arrival');
  });

  for (const [format, snaplenAt] of [
    ['pcap', 16],
    ['pcapng', 28 + 12],
  ] as const) {
    test(`a frame grown beyond the snaplen raises it, so that readers do not cut it: ${format}`, async () => {
      const capture = composeCapture({ ...PCAP, format }, [{ bytes: Buffer.alloc(60) }]);
      capture.writeUInt32LE(96, snaplenAt);
      const copy = await forward(capture, (driver, _frame, _length, port) =>
        driver.transmit(port, Buffer.alloc(200), 200),
      );
      assert.equal(copy.readUInt32LE(snaplenAt), 200);
      assert.equal(readCapture(copy).frames[0]?.bytes.length, 200);
    });
  }
});

describe('what is handed out', () => {
  test('is the original length, at least the captured one', async () => {
    const records = [1500, 10].map((originalLength) => ({ bytes: Buffer.alloc(60), originalLength }));
    const lengths: number[] = [];
    await openSavefile({ input: file(composeCapture(PCAP, records)) }).start({
      onFrame: ({ length, originalLength }) => lengths.push(length, originalLength),
      onBatchEnd: () => undefined,
    });
    assert.deepEqual(lengths, [60, 1500, 60, 60]);
  });

  test('comes in one buffer, which is another one only when a frame does not fit', async () => {
    const lengths = [60, 1514, 200_000, 60, 200_000];
    const buffers = new Set<Buffer>();
    const sink = { onFrame: ({ octets }: Frame) => buffers.add(octets), onBatchEnd: () => undefined };
    await openSavefile({
      input: file(
        composeCapture(
          PCAP,
          lengths.map((length) => ({ bytes: Buffer.alloc(length) })),
        ),
      ),
    }).start(sink);
    assert.equal(buffers.size, 2);
  });

  test('counts as sent without an output', async () => {
    const driver = openSavefile({ input: file(composeCapture(PCAP, [{ bytes: Buffer.alloc(60) }])) });
    const answers: boolean[] = [];
    const sink = forwarding(driver, (_driver, frame, length, port) => {
      answers.push(driver.transmit(port, frame, length), driver.transmit(1, frame, length));
      return true;
    });
    await driver.start(sink);
    assert.deepEqual(answers, [true, false]);
    assert.deepEqual(driver.stats(), { droppedByKernel: 0 });
  });

  test('lets the event loop turn between chunks, and reports progress up to the whole file', async () => {
    const octets = composeCapture(
      PCAP,
      Array.from({ length: 2100 }, () => ({ bytes: Buffer.alloc(1500) })),
    );
    const progress: number[] = [];
    let turns = 0;
    let isRunning = true;
    const count = (): void => {
      turns += 1;
      if (isRunning) setImmediate(count);
    };
    setImmediate(count);
    const onProgress = (readOctets: number, totalOctets: number): void => {
      assert.equal(totalOctets, octets.length);
      progress.push(readOctets);
    };
    await openSavefile({ input: file(octets), onProgress }).start(forwarding(null));
    isRunning = false;
    assert.equal(progress.at(-1), octets.length);
    assert.ok(progress.length >= 4, `${progress.length} reports`);
    assert.ok(turns >= 3, `${turns} turns`);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
    );
  });
});

describe('damage', () => {
  test('a truncated file is handed out and written up to the cut, then start rejects and says where', async () => {
    const whole = composeCapture(
      PCAP,
      [1, 2, 3].map((low) => ({ bytes: Buffer.alloc(60), low })),
    );
    const output = path();
    const driver = openSavefile({ input: file(whole.subarray(0, -1)), output });
    await assert.rejects(driver.start(forwarding(driver)), (error) => {
      assert.ok(isFirehookError(error));
      assert.equal(error.code, 'FIREHOOK_SAVEFILE_TRUNCATED');
      assert.match(error.message, /after packet 2, in the part that starts at octet 176; the file ends at octet 251/);
      return true;
    });
    assert.deepEqual(readFileSync(output), whole.subarray(0, 176));
  });

  test('a damaged record rejects start after the frames before it are written', async () => {
    const capture = composeCapture(
      PCAP,
      [1, 2].map((low) => ({ bytes: Buffer.alloc(60), low })),
    );
    const intact = Buffer.from(capture.subarray(0, 100));
    capture.writeUInt32LE(0xffff_ffff, 108);
    const output = path();
    const driver = openSavefile({ input: file(capture), output });
    await assert.rejects(driver.start(forwarding(driver)), { code: 'FIREHOOK_SAVEFILE_FORMAT' });
    assert.deepEqual(readFileSync(output), intact);
  });

  test('what the sink transmitted before it threw is written', async () => {
    const capture = composeCapture(
      PCAP,
      [1, 2].map((low) => ({ bytes: Buffer.alloc(60), low })),
    );
    const output = path();
    const driver = openSavefile({ input: file(capture), output });
    const sink = forwarding(driver, (_driver, frame, length, port) => {
      driver.transmit(port, frame, length);
      throw new Error('the sink failed');
    });
    await assert.rejects(driver.start(sink), { message: 'the sink failed' });
    assert.deepEqual(readFileSync(output), capture.subarray(0, 100));
  });
});

describe('a section that says how long it is', () => {
  /** Two sections of one packet each that say so, the second behind a block that is no packet. */
  const [first, second] = [PCAPNG, { ...PCAPNG, bigEndian: false }].map((variant) => {
    const capture = composeCapture(variant, [{ bytes: Buffer.alloc(60), options: COMMENT }]);
    const length = BigInt(capture.length - 28);
    if (variant.bigEndian) capture.writeBigInt64BE(length, 16);
    else capture.writeBigInt64LE(length, 16);
    return capture;
  });
  const capture = Buffer.concat([first ?? Buffer.alloc(0), second ?? Buffer.alloc(0)]);
  const lengths = (copy: Buffer): string[] =>
    readCapture(copy).sections.map(({ header }) => header.toString('hex', 16, 24));
  const said = lengths(capture);

  test('still says so where as much was written as was read', async () => {
    assert.deepEqual(await forward(capture), capture);
  });

  test('no longer does where a packet is missing or another one, and the other section does', async () => {
    const dropped = await forward(
      capture,
      (driver, frame, length, port) => port > 1 || driver.transmit(port, frame, length),
    );
    assert.deepEqual(lengths(dropped), [said[0], 'f'.repeat(16)]);
    const changed = await forward(capture, (driver, frame, length, port) => {
      if (port < 2) frame[0] = 1;
      return driver.transmit(port, frame, length);
    });
    assert.deepEqual(lengths(changed), ['f'.repeat(16), said[1]], 'the options are gone');
  });

  test('no longer does where the input ends too early, or goes to a stream', async () => {
    const output = path();
    const driver = openSavefile({ input: file(capture.subarray(0, -4)), output });
    await assert.rejects(driver.start(forwarding(driver)), { code: 'FIREHOOK_SAVEFILE_TRUNCATED' });
    assert.deepEqual(lengths(readFileSync(output)), [said[0], 'f'.repeat(16)]);
    const pipe = namedPipe();
    const reader = spawn('cat', [pipe], { stdio: ['ignore', 'pipe', 'inherit'] });
    const octets = buffer(reader.stdout);
    // Fails as long as nobody has the pipe open for reading.
    const openWithoutWait = () => openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK);
    const holder = await waitFor(openWithoutWait, { what: 'the reader of the pipe' });
    const streaming = openSavefile({ input: file(capture), output: pipe });
    closeSync(holder);
    await streaming.start(forwarding(streaming));
    assert.deepEqual(lengths(await octets), ['f'.repeat(16), 'f'.repeat(16)]);
  });
});

describe('opening refuses', () => {
  const capture = composeCapture(PCAP, [{ bytes: Buffer.alloc(60) }]);

  test('an input that is missing, a folder, or no capture, and leaves the output alone', () => {
    const output = file(Buffer.from('precious'));
    const cases: readonly [input: string, code: ErrorCode][] = [
      [join(folder, 'missing'), 'FIREHOOK_SAVEFILE_UNREADABLE'],
      [folder, 'FIREHOOK_SAVEFILE_UNREADABLE'],
      [file(Buffer.alloc(0)), 'FIREHOOK_SAVEFILE_FORMAT'],
      [file(Buffer.from('hello, world')), 'FIREHOOK_SAVEFILE_FORMAT'],
      [file(capture.subarray(0, 20)), 'FIREHOOK_SAVEFILE_TRUNCATED'],
    ];
    for (const [input, code] of cases) {
      assert.throws(() => openSavefile({ input, output }), { code, message: new RegExp(`"${input}"`) });
    }
    assert.equal(readFileSync(output, 'utf8'), 'precious');
  });

  test('an output that is the input, by its path, a symbolic link or a hard link, before it is emptied', () => {
    const input = file(capture);
    const [symbolic, hard] = [path(), path()];
    symlinkSync(input, symbolic);
    linkSync(input, hard);
    for (const output of [input, join(folder, '.', input.slice(folder.length)), symbolic, hard]) {
      assert.throws(() => openSavefile({ input, output }), {
        code: 'FIREHOOK_SAVEFILE_UNWRITABLE',
        message: /it is the input/,
      });
    }
    assert.deepEqual(readFileSync(input), capture);
  });

  test('an output that cannot be made or is no file', () => {
    for (const output of [join(folder, 'missing', 'out'), folder, '/dev/null']) {
      assert.throws(() => openSavefile({ input: file(capture), output }), { code: 'FIREHOOK_SAVEFILE_UNWRITABLE' });
    }
  });

  test('nothing else: a longer file is emptied, a new one can be read by everybody and written by its owner', async () => {
    const [longer, created] = [file(Buffer.alloc(10_000)), path()];
    for (const output of [longer, created]) {
      const driver = openSavefile({ input: file(capture), output });
      await driver.start(forwarding(driver));
      assert.deepEqual(readFileSync(output), capture);
    }
    assert.equal(statSync(created).mode & 0o777, 0o644 & ~process.umask());
  });
});

test('stop without start writes the head and gives both files back', () => {
  const [input, output] = [file(composeCapture(PCAPNG, [{ bytes: Buffer.alloc(60) }])), path()];
  const driver = openSavefile({ input, output });
  assert.deepEqual(openPaths([input, output]), [input, output]);
  driver.stop();
  driver.stop();
  assert.deepEqual(openPaths([input, output]), []);
  assert.deepEqual(readFileSync(output), composeCapture(PCAPNG, []));
});

test('a file that cannot grow rejects start', () => {
  const input = file(composeCapture(PCAP, [{ bytes: Buffer.alloc(5000) }]));
  const script = `
    import { openSavefile } from ${JSON.stringify(new URL('../../../src/drivers/savefile.ts', import.meta.url).href)};
    const driver = openSavefile({ input: ${JSON.stringify(input)}, output: ${JSON.stringify(path())} });
    const onFrame = ({ octets, length }) => driver.transmit(0, octets, length);
    await driver.start({ onFrame, onBatchEnd() {} }).catch(({ code, message }) => console.log(code, message));`;
  // The limit is on the size of any file the process writes, so neither the loader's cache nor a coverage report may be on.
  const { stdout, stderr } = spawnSync(
    '/bin/sh',
    ['-c', 'ulimit -f 1; exec "$0" "$@"', process.execPath, '--import', 'tsx', '--input-type=module', '-e', script],
    { encoding: 'utf8', env: { TSX_DISABLE_CACHE: '1', NODE_V8_COVERAGE: '' } },
  );
  assert.match(stdout, /^FIREHOOK_SAVEFILE_INCOMPLETE the written capture is not complete: ".*": EFBIG: /, stderr);
});

type Decide = (driver: SavefileDriver, frame: Buffer, length: number, port: number) => boolean;

/** A sink that lets `decide` transmit; every answer must be true. Without a driver it looks at nothing. */
function forwarding(driver: SavefileDriver | null, decide: Decide = sendBack): FrameSink {
  return {
    onFrame({ octets: frame, length, port }) {
      if (driver !== null) {
        assert.equal(decide(driver, frame, length, port), true);
      }
    },
    onBatchEnd: () => undefined,
  };
}

function sendBack(driver: SavefileDriver, frame: Buffer, length: number, port: number): boolean {
  return driver.transmit(port, frame, length);
}

/** Forwards a capture through the driver, by `decide`, and gives back what was written. */
async function forward(octets: Buffer, decide?: Decide): Promise<Buffer> {
  const output = path();
  const driver = openSavefile({ input: file(octets), output });
  await driver.start(forwarding(driver, decide));
  return readFileSync(output);
}

/** A path where nothing is yet. */
function path(): string {
  filesTotal += 1;
  return join(folder, `${filesTotal}`);
}

/** A new file. */
function file(octets: Buffer): string {
  const created = path();
  writeFileSync(created, octets);
  return created;
}

/** A named pipe, new. */
function namedPipe(): string {
  const created = path();
  spawnSync('mkfifo', [created]);
  return created;
}

/** Those of the paths that this process has open. */
function openPaths(paths: readonly string[]): string[] {
  const open = readdirSync('/proc/self/fd').flatMap((descriptor) => {
    try {
      return [readlinkSync(join('/proc/self/fd', descriptor))];
    } catch {
      return []; // The descriptor of the listing itself is gone by now.
    }
  });
  return paths.filter((candidate) => open.includes(candidate));
}
