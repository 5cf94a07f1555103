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
 * - its wrapper makes an object and an event per packet: `on_packet_ready` is overridden, and nothing is made;
 * - `inject` sends the whole Buffer it is given: one subarray per length is kept;
 * - a handle that only sends must not capture: its filter matches nothing.
 *
 * Rule: no allocation per packet. Handles are opened with root's rights and go on working after the process dropped them.
 *
 * @module
 */

import { createRequire } from 'node:module';

import { FirehookError } from '../errors.ts';
import type { Driver, DriverCapabilities, DriverPort, DriverStats, FrameSink } from './contract.ts';
import { withSendGroup } from './effective-group.ts';

/** A port as the supervisor lays it out. Plain data: it crosses a process boundary. */
export interface PcapPortOptions {
  /** Position in the list of ports. */
  readonly id: number;
  /** Device to capture on; null for a port that only sends. */
  readonly capture: string | null;
  /** pcap-filter(7) expression for the capture; '' takes every frame. */
  readonly filter: string;
  /** Device to send on; null for a port that only receives. */
  readonly send: string | null;
  /** Longest frame that can be sent, link header included, in octets; 0 for a port that only receives. */
  readonly maxFrameLength: number;
  /** Longest frame to capture, in octets. libpcap sizes the slots of its ring by it. */
  readonly captureLength: number;
}

/** What {@link openPcap} takes. */
export interface PcapOptions {
  readonly ports: readonly PcapPortOptions[];
  /** Kernel buffer of each capture, in MiB. @defaultValue 32 */
  readonly bufferMiB?: number;
}

/** Packets of one dispatch after which the other handles get their turn, and again after as many. */
const SERVE_OTHERS_EVERY = 64;
const MIB = 1024 * 1024;
/** Matches no frame: a length is never below zero. `less 0` would still match an empty one. */
const NOTHING = 'less 0';
/** Room for VLAN tags that libpcap puts back into a frame. */
const TAG_ROOM = 16;
/** DLT_EN10MB. */
const LINKTYPE_ETHERNET = 1;

/** The part of npm `pcap` that is used; its own declarations leave these out. */
interface NativeSession {
  read_callback: () => void;
  dispatch(frame: Buffer, header: Buffer): number;
  inject(frame: Buffer): void;
  stats(): { ps_recv: number; ps_drop: number; ps_ifdrop: number };
  close(): void;
}
interface WrapperSession {
  readonly session: NativeSession;
  readonly link_type: string;
  buf: Buffer;
  header: Buffer;
  on_packet_ready(): void;
  close(): void;
}
type SessionConstructor = new (
  isLive: boolean,
  device: string,
  filter: string,
  bufferSize: number,
  snapLength: number,
  outfile: string,
  isMonitor: boolean,
  bufferTimeout: number,
  promiscuous: boolean,
) => WrapperSession;
interface PcapModule {
  PcapSession: SessionConstructor;
  warningHandler: (text: string) => void;
}

/**
 * Opens the handles of all ports.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING when the native package cannot be loaded,
 * FIREHOOK_DRIVER_OPEN when a device cannot be opened
 */
export function openPcap(options: PcapOptions): PcapDriver {
  return new PcapDriver(loadPcap(), options);
}

/** Version text of the libpcap in use. */
export function libpcapVersion(): string {
  return (loadPcap() as PcapModule & { lib_version: string }).lib_version;
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
  readonly #header = new Uint32Array(4);
  readonly #headerBytes: Buffer = Buffer.from(this.#header.buffer);
  /** `#frame` cut to each length seen so far, because `inject` sends all of the Buffer it is given. */
  readonly #cuts: (Buffer | undefined)[] = [];
  #sink: FrameSink | null = null;
  #finish: (() => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;
  #stopped = false;

  constructor(pcap: PcapModule, options: PcapOptions) {
    const longest = Math.max(...options.ports.map(({ captureLength }) => captureLength)) + TAG_ROOM;
    this.#frame = Buffer.alloc(longest);
    const bufferSize = (options.bufferMiB ?? 32) * MIB;
    this.ports = options.ports.map((port) => ({
      id: port.id,
      linktype: LINKTYPE_ETHERNET,
      maxFrameLength: port.send === null ? 0 : port.maxFrameLength,
    }));
    for (const port of options.ports) {
      this.#limits[port.id] = port.send === null ? 0 : port.maxFrameLength + TAG_ROOM;
      this.#senders[port.id] = null;
      if (port.capture !== null) {
        const snaplen = port.captureLength + TAG_ROOM;
        const session = open(pcap, port.capture, port.filter, bufferSize, snaplen, () => this.#onPacket(port.id));
        session.buf = this.#frame;
        session.header = this.#headerBytes;
        const capture = new Capture(session.session, port.id);
        session.session.read_callback = () => this.#dispatch(capture);
        this.#captures.push(capture);
        if (port.send === port.capture) this.#senders[port.id] = session.session;
      }
      if (port.send !== null && port.send !== port.capture) {
        const device = port.send;
        this.#senders[port.id] = withSendGroup(
          () => open(pcap, device, NOTHING, MIB, TAG_ROOM, () => undefined).session,
        );
      }
    }
  }

  /** {@inheritDoc Driver.start} */
  start(sink: FrameSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      if (this.#stopped) resolve();
    });
  }

  /** {@inheritDoc Driver.transmit} */
  transmit(port: number, frame: Buffer, length: number): boolean {
    const sender = this.#senders[port] ?? null;
    if (sender === null || length > (this.#limits[port] as number) || this.#stopped) return false;
    try {
      sender.inject(frame === this.#frame ? this.#cut(length) : frame.subarray(0, length));
      return true;
    } catch {
      // The package says no more than "inject failed": the link is down, the frame too long, or the queue full.
      return false;
    }
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
    // The package closes a handle at the end of a dispatch whose loop was broken. One that is running ends by itself; a
    // dispatch of our own must not come before the one that the package has queued when it opened the handle.
    for (const capture of this.#captures) {
      capture.session.close();
      if (!capture.isDispatching) setImmediate(() => capture.session.dispatch(this.#frame, this.#headerBytes));
    }
    this.#finish?.();
  }

  #dispatch(capture: Capture): void {
    if (capture.isDispatching || this.#stopped) return;
    capture.isDispatching = true;
    capture.sinceTurn = 0;
    try {
      capture.session.dispatch(this.#frame, this.#headerBytes);
    } finally {
      capture.isDispatching = false;
    }
    this.#sink?.onBatchEnd();
  }

  #onPacket(port: number): void {
    const sink = this.#sink;
    if (sink === null) return;
    const header = this.#header;
    try {
      sink.onFrame(
        this.#frame,
        header[2] as number,
        header[3] as number,
        port,
        0,
        header[0] as number,
        (header[1] as number) * 1000,
      );
    } catch (error) {
      this.#sink = null;
      this.#fail?.(error);
      return;
    }
    this.#serveOthers(port);
  }

  /** Lets the other handles have their turn from within a long dispatch. Not from within such a turn: it must end. */
  #serveOthers(port: number): void {
    const captures = this.#captures;
    for (let i = 0; i < captures.length; i++) {
      const capture = captures[i] as Capture;
      if (capture.port !== port) continue;
      if (++capture.sinceTurn < SERVE_OTHERS_EVERY || capture.isGuest) return;
      capture.sinceTurn = 0;
      for (let j = 0; j < captures.length; j++) {
        const other = captures[j] as Capture;
        if (other.isDispatching) continue;
        other.isGuest = true;
        this.#dispatch(other);
        other.isGuest = false;
      }
      return;
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

/** A capturing handle and its place in the order of turns. */
class Capture {
  readonly session: NativeSession;
  readonly port: number;
  isDispatching = false;
  /** True while it is served from within another handle's dispatch. */
  isGuest = false;
  /** Packets since the other handles last had a turn. */
  sinceTurn = 0;
  #lastDropped = 0;

  constructor(session: NativeSession, port: number) {
    this.session = session;
    this.port = port;
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
  pcap: PcapModule,
  device: string,
  filter: string,
  bufferSize: number,
  snaplen: number,
  onPacket: () => void,
): WrapperSession {
  class Session extends pcap.PcapSession {
    override on_packet_ready(): void {
      onPacket();
    }
  }
  let session: WrapperSession;
  try {
    // A timeout of 0 is libpcap's immediate mode. Promiscuity is the plumbing's business: a socket's ends with the lane.
    session = new Session(true, device, filter, bufferSize, snaplen, '', false, 0, false);
  } catch (error) {
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `${device}: ${(error as Error).message}`, {
      cause: error,
      interfaceName: device,
    });
  }
  if (session.link_type !== 'LINKTYPE_ETHERNET') {
    session.close();
    throw new FirehookError('FIREHOOK_DRIVER_OPEN', `${device}: its frames have no Ethernet header`, {
      interfaceName: device,
    });
  }
  return session;
}

function loadPcap(): PcapModule {
  let pcap: PcapModule;
  try {
    pcap = createRequire(import.meta.url)('pcap') as PcapModule;
  } catch (error) {
    throw new FirehookError('FIREHOOK_DRIVER_MISSING', `npm pcap: ${(error as Error).message}`, { cause: error });
  }
  // The package warns on the console about interfaces without an IPv4 address; detours never have one.
  pcap.warningHandler = () => undefined;
  return pcap;
}
