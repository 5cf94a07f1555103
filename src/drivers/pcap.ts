/**
 * The portable live driver: libpcap through npm `pcap`, capture and injection.
 *
 * ```
 *   capture device ─ libpcap, immediate mode (TPACKET_V2) ─> one shared frame buffer ─> sink.onFrame
 *   transmit ─> pcap_inject on the port's sending handle: its own device, or the capturing handle where both are one
 * ```
 * What the package does, and what follows (measured; see docs/kernel-notes.md):
 * - its C++ `dispatch` returns only when the ring is empty, so a flooded handle would starve the others: from within a
 *   long dispatch the other handles are served every {@link SERVE_OTHERS_EVERY} packets;
 * - its wrapper makes an object and an event per packet, and has the event loop watch every handle: the binding below it
 *   is used, which does neither by itself;
 * - a handle that only sends is not watched: the event loop would be woken for every frame that has left;
 * - the event loop stops watching a handle whose device goes down, for good: the driver ends then, and says so;
 * - `inject` sends the whole Buffer it is given: one subarray per length is kept;
 * - a handle that only sends must not capture: its filter matches nothing.
 *
 * Its ring cannot be handed to another process. So each capture is a member of a group in which every frame goes to one member, its own where it is
 * alone; a successor joins, has the frames sent to itself between two of them, and what came before stays with the one that was there.
 *
 * Rule: no allocation per packet. Frames wait in the kernel's buffers until `start`. Handles are opened with root's rights
 * and go on working after the process dropped them.
 *
 * @module
 */

import { fstatSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { FirehookError } from '../errors.ts';
import { loadNative } from '../native/load-native.ts';
import type { NativeModule } from '../native/native.d.ts';
import type { Driver, DriverCapabilities, DriverPort, DriverStats, FrameSink, InputPlace } from './contract.ts';
import { withSendGroup } from './effective-group.ts';
import { Frame } from './frame.ts';
import type { LivePortOptions } from './live-port.ts';
import { packageMissing } from './npm-package.ts';

/** What {@link openPcap} takes. */
export interface PcapOptions {
  readonly ports: readonly LivePortOptions[];
  /** Kernel buffer of each capture, in MiB. @defaultValue 32 */
  readonly bufferMiB?: number;
  /** Groups of 16 bits by port, in which a successor can take over; see native/input-switch.h. @defaultValue there is none */
  readonly groups?: ReadonlyMap<number, number>;
  /** Frames go to another process, until {@link PcapDriver.takeInput}. @defaultValue false */
  readonly isSuccessor?: boolean;
}

/** Packets of one dispatch after which the other handles get their turn, and again after as many. */
const SERVE_OTHERS_EVERY = 64;
/** How often handles are looked at that the event loop has not called for, and how many such looks show that it never will. */
const WATCH_MS = 70;
const UNWATCHED_LOOKS = 5;
const MIB = 1024 * 1024;
/** Matches no frame: a length is never below zero. `less 0` would still match an empty one. */
const NOTHING = 'less 0';
/** Room for VLAN tags that libpcap puts back into a frame. */
const TAG_ROOM = 16;
/** DLT_EN10MB. */
const LINKTYPE_ETHERNET = 1;

/** The part of npm `pcap` that is used: its binding, a thin layer over libpcap. */
interface NativeSession {
  /** Returns the name of the link type. Throws an Error with libpcap's text. */
  open_live(
    device: string,
    filter: string,
    bufferSize: number,
    snapLength: number,
    outfile: string,
    onPacket: () => void,
    isMonitor: boolean,
    bufferTimeout: number,
    onWarning: (text: string) => void,
    promiscuous: boolean,
  ): string;
  /** Has the event loop call `read_callback` when there are frames. */
  start_polling(): void;
  read_callback: () => void;
  dispatch(frame: Buffer, header: Buffer): number;
  inject(frame: Buffer): void;
  stats(): { ps_recv: number; ps_drop: number; ps_ifdrop: number };
  close(): void;
}
interface PcapBinding {
  readonly PcapSession: new () => NativeSession;
  lib_version(): string;
}

/**
 * Opens the handles of all ports.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING when the native package cannot be loaded,
 * FIREHOOK_DRIVER_OPEN when a device cannot be opened
 */
export function openPcap(options: PcapOptions): PcapDriver {
  return new PcapDriver(loadBinding(), options);
}

/** Version text of the libpcap in use. */
export function libpcapVersion(): string {
  return loadBinding().lib_version();
}

/** {@link Driver} over libpcap. */
export class PcapDriver implements Driver {
  readonly name = 'pcap';
  readonly capabilities: DriverCapabilities = { live: true, sharesPort: false, offloads: false };
  readonly ports: readonly DriverPort[];

  readonly #captures: Capture[] = [];
  /** Handle to inject with, by port. */
  readonly #senders: (NativeSession | null)[] = [];
  readonly #limits: number[] = [];
  /** Every capture writes its frame here; a frame is done with before the next one is read. */
  readonly #frame: Buffer;
  readonly #handed: Frame;
  readonly #header = new Uint32Array(4);
  readonly #headerBytes: Buffer = Buffer.from(this.#header.buffer);
  /** `#frame` cut to each length seen so far, because `inject` sends all of the Buffer it is given. */
  readonly #cuts: (Buffer | undefined)[] = [];
  #sink: FrameSink | null = null;
  #finish: (() => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;
  #stopped = false;
  #watch: NodeJS.Timeout | null = null;
  /** Nothing more is handed out: a successor gets what comes. */
  #hasLeft = false;
  /** Null where there are no groups. */
  readonly #native: NativeModule | null;
  /** Why no successor can take over; '' where one can. */
  switchProblem = '';

  constructor(pcap: PcapBinding, options: PcapOptions) {
    const longest = Math.max(...options.ports.map(({ captureLength }) => captureLength)) + TAG_ROOM;
    this.#frame = Buffer.alloc(longest);
    this.#handed = new Frame(this.#frame);
    const bufferSize = (options.bufferMiB ?? 32) * MIB;
    this.#native = (options.groups?.size ?? 0) === 0 ? null : loadNative();
    this.ports = options.ports.map((port) => ({
      id: port.id,
      linktype: LINKTYPE_ETHERNET,
      maxFrameLength: port.send === null ? 0 : port.maxFrameLength,
    }));
    for (const port of options.ports) {
      this.#limits[port.id] = port.send === null ? 0 : port.maxFrameLength + TAG_ROOM;
      this.#senders[port.id] = null;
      if (port.capture !== null) {
        const capture = new Capture(new pcap.PcapSession(), port.id, port.capture.name);
        const snaplen = port.captureLength + TAG_ROOM;
        const filter = port.direction === 'any' ? '' : port.direction;
        const device = port.capture.name;
        // Also a handle that captures: at the far end of a detour the same one sends.
        const before = this.#native === null ? null : socketsOfProcess();
        withSendGroup(() => open(capture.session, device, filter, bufferSize, snaplen, () => this.#onPacket(capture)));
        if (before !== null) this.#join(capture, before, options.groups?.get(port.id));
        capture.session.read_callback = () => {
          capture.isCalled = true;
          this.#dispatch(capture);
        };
        this.#captures.push(capture);
        if (port.send?.ifindex === port.capture.ifindex) this.#senders[port.id] = capture.session;
      }
      if (port.send !== null && port.send.ifindex !== port.capture?.ifindex) {
        const device = port.send.name;
        const sender = new pcap.PcapSession();
        withSendGroup(() => open(sender, device, NOTHING, MIB, TAG_ROOM, () => undefined));
        this.#senders[port.id] = sender;
      }
    }
  }

  /** Finds the socket of a capture, and has it share the device. */
  #join(capture: Capture, before: ReadonlySet<number>, group: number | undefined): void {
    const opened = [...socketsOfProcess()].filter((fd) => !before.has(fd));
    const [fd] = opened;
    if (group === undefined || fd === undefined || opened.length > 1) {
      this.switchProblem ||= `${capture.device}: its socket was not found`;
      return;
    }
    try {
      this.#native?.joinSwitch(fd, group);
      capture.fd = fd;
    } catch (error) {
      // A device that is down takes part in nothing before Linux 6.14.
      this.switchProblem ||= `${capture.device}: ${(error as Error).message}`;
    }
  }

  /** {@inheritDoc Driver.takeInput} */
  takeInput(): void {
    // What it got before it had joined was the other one's as well.
    for (const capture of this.#captures) this.#empty(capture);
    this.#turn(1);
  }

  /** {@inheritDoc Driver.returnInput} */
  returnInput(): void {
    this.#turn(0);
  }

  /** {@inheritDoc Driver.keepInput} */
  keepInput(): void {
    this.#turn(0);
  }

  #turn(member: number): void {
    if (this.#native === null) throw new Error('its ports have no groups');
    if (this.switchProblem !== '') throw new Error(this.switchProblem);
    for (const { fd } of this.#captures) this.#native.turnSwitch(fd, member);
  }

  /** Reads what is there and hands out none of it. */
  #empty(capture: Capture): void {
    const sink = this.#sink;
    this.#sink = null;
    try {
      capture.session.dispatch(this.#frame, this.#headerBytes);
    } finally {
      this.#sink = sink;
    }
  }

  /** {@inheritDoc Driver.leave} */
  leave(): InputPlace | null {
    if (this.#stopped || this.#sink === null || this.#captures.some(({ isDispatching }) => isDispatching)) return null;
    // The kernel gives these rings no more frames: one look at each is the last.
    for (const capture of this.#captures) this.#dispatch(capture);
    this.#hasLeft = true;
    return { rings: [] };
  }

  /** {@inheritDoc Driver.goOn} */
  goOn({ rings }: InputPlace): boolean {
    this.#hasLeft = false;
    return rings.length === 0;
  }

  /** {@inheritDoc Driver.start} */
  start(sink: FrameSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      if (this.#stopped) resolve();
      else {
        for (const { session } of this.#captures) session.start_polling();
        this.#watch = setInterval(() => this.#lookForUnwatched(), WATCH_MS);
      }
    });
  }

  /** {@inheritDoc Driver.transmit} */
  transmit(port: number, frame: Buffer, length: number): boolean {
    const sender = this.#senders[port] ?? null;
    if (sender === null || length > (this.#limits[port] as number) || this.#stopped) return false;
    const octets = frame === this.#frame ? this.#cut(length) : frame.subarray(0, length);
    // A link that went down leaves its error on the socket: the first send after it is up again reports that one, and
    // has not been tried.
    return inject(sender, octets) || inject(sender, octets);
  }

  /** {@inheritDoc Driver.stats} */
  stats(): DriverStats {
    let droppedByKernel = 0;
    for (const capture of this.#captures) droppedByKernel += capture.droppedByKernel();
    return { droppedByKernel };
  }

  /** {@inheritDoc Driver.stop} */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#sink = null;
    if (this.#watch !== null) clearInterval(this.#watch);
    // The package closes a handle at the end of a dispatch whose loop was broken. One that is running ends by itself.
    for (const capture of this.#captures) {
      // The last look: a closed handle has no statistics.
      capture.droppedByKernel();
      capture.session.close();
      if (!capture.isDispatching) capture.session.dispatch(this.#frame, this.#headerBytes);
    }
    this.#finish?.();
  }

  #dispatch(capture: Capture): void {
    if (capture.isDispatching || this.#stopped || this.#hasLeft) return;
    capture.isDispatching = true;
    capture.sinceTurn = 0;
    let result: number;
    try {
      result = capture.session.dispatch(this.#frame, this.#headerBytes);
    } finally {
      capture.isDispatching = false;
    }
    this.#sink?.onBatchEnd();
    // The device went down: the event loop has stopped watching this handle, and the package cannot make it do so again.
    if (result < 0) this.#broken(`${capture.device} went down or away`);
  }

  /**
   * The event loop stops watching a handle whose socket has an error, even where a send has taken that error away before
   * it was read. The frames of such a handle are found by this look alone, again and again.
   */
  #lookForUnwatched(): void {
    for (const capture of this.#captures) {
      const before = capture.packets;
      if (!capture.isCalled) this.#dispatch(capture);
      capture.looks = capture.isCalled || capture.packets === before ? 0 : capture.looks + 1;
      capture.isCalled = false;
      if (capture.looks === UNWATCHED_LOOKS) this.#broken(`${capture.device} was down, and is no longer watched`);
    }
  }

  /** Nothing can be done about it here: whoever runs the driver opens another one. */
  #broken(why: string): void {
    if (this.#stopped || this.#sink === null) return;
    this.#sink = null;
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#fail?.(new FirehookError('FIREHOOK_LANE_FAILED', why));
  }

  #onPacket(capture: Capture): void {
    const sink = this.#sink;
    if (sink === null) return;
    capture.packets++;
    const header = this.#header;
    const handed = this.#handed;
    handed.length = header[2] as number;
    handed.originalLength = header[3] as number;
    handed.port = capture.port;
    handed.seconds = header[0] as number;
    handed.nanoseconds = (header[1] as number) * 1000;
    try {
      sink.onFrame(handed);
    } catch (error) {
      this.#sink = null;
      this.#fail?.(error);
      return;
    }
    if (++capture.sinceTurn >= SERVE_OTHERS_EVERY && !capture.isGuest) this.#serveOthers(capture);
  }

  /** Lets the other handles have their turn from within a long dispatch. Not from within such a turn: it must end. */
  #serveOthers(capture: Capture): void {
    capture.sinceTurn = 0;
    const captures = this.#captures;
    for (let i = 0; i < captures.length; i++) {
      const other = captures[i] as Capture;
      if (other.isDispatching) continue;
      other.isGuest = true;
      this.#dispatch(other);
      other.isGuest = false;
    }
  }

  #cut(length: number): Buffer {
    let cut = this.#cuts[length];
    if (cut === undefined) {
      cut = this.#frame.subarray(0, length);
      this.#cuts[length] = cut;
    }
    return cut;
  }
}

/** False when the frame was not sent. */
function inject(sender: NativeSession, octets: Buffer): boolean {
  try {
    sender.inject(octets);
    return true;
  } catch {
    // The package says no more than "inject failed": the link is down, the frame too long, or the queue full.
    return false;
  }
}

/** A capturing handle and its place in the order of turns. */
class Capture {
  readonly session: NativeSession;
  readonly port: number;
  readonly device: string;
  /** Of its socket, where it shares the device; -1 where it does not. */
  fd = -1;
  isDispatching = false;
  /** True when the event loop has called for it since the last look. */
  isCalled = false;
  /** Looks in a row that found frames the event loop had not called for. */
  looks = 0;
  packets = 0;
  /** True while it is served from within another handle's dispatch. */
  isGuest = false;
  /** Packets since the other handles last had a turn. */
  sinceTurn = 0;
  #lastDropped = 0;

  constructor(session: NativeSession, port: number, device: string) {
    this.session = session;
    this.port = port;
    this.device = device;
  }

  droppedByKernel(): number {
    try {
      this.#lastDropped = this.session.stats().ps_drop;
    } catch {
      // A closed handle has no statistics: what it had last stands.
    }
    return this.#lastDropped;
  }
}

function open(
  session: NativeSession,
  device: string,
  filter: string,
  bufferSize: number,
  snaplen: number,
  onPacket: () => void,
): void {
  // The package warns about interfaces without an IPv4 address; detours never have one.
  const onWarning = (): void => undefined;
  let linktype: string;
  try {
    // A timeout of 0 is libpcap's immediate mode. Promiscuity is the plumbing's business: a socket's ends with the lane.
    linktype = session.open_live(device, filter, bufferSize, snaplen, '', onPacket, false, 0, onWarning, false);
  } catch (error) {
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `${device}: ${(error as Error).message}`, {
      cause: error,
      interfaceName: device,
    });
  }
  if (linktype !== 'LINKTYPE_ETHERNET') {
    session.close();
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `${device}: its frames have no Ethernet header`, {
      interfaceName: device,
    });
  }
}

/** Descriptors of sockets that this process has: libpcap does not say the number of its own. */
function socketsOfProcess(): Set<number> {
  const numbers = readdirSync('/proc/self/fd').map(Number);
  return new Set(numbers.filter((fd) => isSocket(fd)));
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    // The descriptor by which the folder was read.
    return false;
  }
}

function loadBinding(): PcapBinding {
  try {
    return createRequire(import.meta.url)('pcap/build/Release/pcap_binding') as PcapBinding;
  } catch (error) {
    throw packageMissing('pcap', error);
  }
}
