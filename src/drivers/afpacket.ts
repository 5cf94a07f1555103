/**
 * The fast live driver: TPACKET_V2 rings read in place, frames sent straight out of them, through the native addon.
 *
 * ```
 *   ring of a port ─ onBatch: numbers of its frames ─> sink.onFrame(view of the slot) ... ─> sendmmsg ─> slots given back
 * ```
 * Frames keep their offload state: a virtio-net header travels beside each, so super-frames pass whole and checksums that
 * are not final stay so until the device that sends them. One view a slot, made once.
 *
 * Rule: no allocation and no copy for a frame that is sent on as it is. What `transmit` queued is out, or reported by
 * `onSendFailed`, before the slots of its batch are given back.
 *
 * @module
 */

import { loadNative } from '../native/load-native.ts';
import type { NativeModule, NativeSender } from '../native/native.d.ts';
import type { Interest } from '../wire/interest.ts';
import { adoptRing, IN_OVERFLOW, IN_RING, Inlet, narrowing, type RingSize } from './afpacket-ring.ts';
import {
  type AfpacketSockets,
  checkPorts,
  guarded,
  openAfpacketSockets,
  type RingOptions,
  SLOT_OCTETS,
} from './afpacket-sockets.ts';
import {
  type Driver,
  type DriverCapabilities,
  type DriverPort,
  type DriverStats,
  type FrameSink,
  type InputPlace,
  OFFLOAD_OCTETS,
} from './contract.ts';
import { FRAME_CHECKSUM_PARTIAL, FRAME_SEGMENT, FRAME_SUPER, Frame, type FrameBuffer } from './frame.ts';
import { compileInterests } from './interest-filter.ts';
import type { LiveDevice, LivePortOptions } from './live-port.ts';
import { COMPLETED, CUT, MissingCard } from './missing-card.ts';

/** What {@link openAfpacket} takes. */
export interface AfpacketOptions {
  readonly ports: readonly LivePortOptions[];
  /** A port that is not named here gets a ring of 32 MiB to itself. */
  readonly rings?: readonly RingOptions[];
  /** What was opened for it; it belongs to the driver from now on. @defaultValue it opens its sockets, as root */
  readonly sockets?: AfpacketSockets;
  /** Descriptor of the fence's file, for ports that are fenced; borrowed. */
  readonly fenceFd?: number;
  /** The sockets are read by another process, until {@link AfpacketDriver.goOn}. @defaultValue false */
  readonly isSuccessor?: boolean;
}

/** Numbers of a frame in the array that the addon fills. */
const FIELDS = 8;
/** What one batch may send out of one port: fragments and ICMP errors come on top of the frames. */
const QUEUE = 256;
/** Places in the queue of an outlet. */
const COUNT = 0;
const LOST = 1;
const ENTRIES = 2;
const VNET = OFFLOAD_OCTETS;
/** Values of a virtio-net header (virtio 1.2, 5.1.6), and where the checksum stands in each transport header. */
const NEEDS_CHECKSUM = 1;
const GSO_UDP = 5;
const UDP_CHECKSUM = 6;
const TCP_CHECKSUM = 16;
const MAX_U16 = 0xffff;
const MADE = 2;
const FLAG_OVERFLOW = 4;
const LINKTYPE_ETHERNET = 1;
const VLAN_TAG = 4;
/** Of longer frames no views are kept. */
const LONGEST_KEPT = 2048;
/**
 * Opens the rings and sending sockets of all ports.
 *
 * @throws {@link FirehookError} FIREHOOK_DRIVER_MISSING when the addon cannot be loaded, FIREHOOK_DRIVER_OPEN when the
 * kernel refuses a ring or a socket
 */
export function openAfpacket(options: AfpacketOptions): AfpacketDriver {
  return new AfpacketDriver(loadNative(), options);
}

/** {@link Driver} over AF_PACKET rings. */
export class AfpacketDriver implements Driver {
  readonly name = 'afpacket';
  readonly capabilities: DriverCapabilities = { live: true, sharesPort: true, offloads: true };
  readonly ports: readonly DriverPort[];
  /** Of every port that captures. */
  readonly rings: readonly RingSize[];

  readonly #native: NativeModule;
  readonly #inlets: Inlet[] = [];
  readonly #inletOfPort: (Inlet | undefined)[] = [];
  /** Those of `tap`: what they do not capture goes its way all the same. */
  readonly #looking: { readonly inlet: Inlet; readonly device: LiveDevice; readonly port: LivePortOptions }[] = [];
  readonly #outlets: (Outlet | null)[] = [];
  readonly #limits: number[] = [];
  /** Views of frames that were made: see `#headOf`. */
  readonly #heads = new WeakMap<Buffer, (Buffer | undefined)[]>();
  readonly #card = new MissingCard();
  #sink: FrameSink | null = null;
  #finish: (() => void) | null = null;
  #fail: ((error: unknown) => void) | null = null;
  #stopped = false;
  #isClosed = false;
  #dropped = 0;
  #fenced = 0;
  #epoch = 0;
  /** The batch being handed out: whose it is, and the frame that the sink has at the moment. */
  #inlet: Inlet | null = null;
  /** Whose ring the queues point into between two batches: that of the last one. */
  #source: Inlet | null = null;
  readonly #frame = new Frame(Buffer.alloc(0));
  /** Octets that lie in the ring, and are sent from there; null where they do not. */
  #ringOctets: FrameBuffer | null = null;
  #frameSpace = IN_RING;
  #frameVnet = 0;
  /** The batch that is interrupted by frames that were kept; null between two. */
  #interrupted: Inlet | null = null;
  /** The offload state of the kept frame in hand; null where the frame in hand lies in the ring. */
  #keptOffload: Uint8Array | null = null;
  #keptOctets: FrameBuffer | null = null;

  constructor(native: NativeModule, options: AfpacketOptions) {
    this.#native = native;
    checkPorts(options.ports, options.rings ?? []);
    this.ports = options.ports.map(({ id, send, maxFrameLength }) => ({
      id,
      linktype: LINKTYPE_ETHERNET,
      maxFrameLength: send === null ? 0 : maxFrameLength,
    }));
    const sockets = options.sockets ?? openAfpacketSockets(native, options.ports, options.rings ?? []);
    try {
      for (const port of options.ports) {
        const { id, capture } = port;
        this.#limits[id] = port.maxFrameLength;
        const sender = sockets.senders.find((one) => one.port === id);
        this.#outlets[id] = sender === undefined ? null : new Outlet(native.adoptSender(sender.fd));
        const ring = sockets.rings.find((one) => one.port === id);
        if (capture === null || ring === undefined) continue;
        const inlet = new Inlet(
          port,
          adoptRing(native, port, capture, ring, options.fenceFd, options.isSuccessor === true),
        );
        this.#inlets.push(inlet);
        this.#inletOfPort[id] = inlet;
        if (sender === undefined && port.direction !== 'any') this.#looking.push({ inlet, device: capture, port });
      }
      this.rings = this.#inlets.map(({ port, memory }) => ({ port, slots: memory.length / SLOT_OCTETS }));
    } catch (error) {
      this.stop();
      throw error;
    }
  }

  /** {@inheritDoc Driver.start} */
  start(sink: FrameSink): Promise<void> {
    this.#sink = sink;
    return new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
      if (this.#stopped) resolve();
      else for (const inlet of this.#inlets) this.#watch(inlet);
    });
  }

  /** {@inheritDoc Driver.narrow} */
  narrow(interests: readonly Interest[]): boolean {
    const program = compileInterests(interests);
    if (program === null) return false;
    for (const { inlet, device, port } of this.#looking) {
      guarded(device, () => this.#native.setFilter(inlet.ring, narrowing(port, program)));
    }
    return this.#looking.length > 0;
  }

  /** {@inheritDoc Driver.transmit} */
  transmit(port: number, frame: Buffer, length: number, purpose = 0): boolean {
    const outlet = this.#outlets[port] ?? null;
    if (outlet === null || this.#stopped || !(length >= 0 && length <= frame.length)) return false;
    if (frame === this.#ringOctets)
      return this.#queue(outlet, this.#frameSpace, this.#frameVnet, VNET + length, purpose);
    // As the kernel measures it: one 802.1Q tag may come on top.
    const room = frame[12] === 0x81 && frame[13] === 0 ? VLAN_TAG : 0;
    const isKept = frame === this.#keptOctets;
    if (!isKept && length > (this.#limits[port] as number) + room) return false;
    const at = this.#keep(outlet, frame, length);
    if (isKept && at >= 0) outlet.made.set(this.#keptOffload as Uint8Array, at);
    return at >= 0 && this.#queue(outlet, MADE, at, VNET + length, purpose);
  }

  /** Where the frame in hand lies, its virtio-net header too. */
  #memoryOf(inlet: Inlet): Uint8Array {
    return this.#frameSpace === IN_OVERFLOW ? inlet.overflow : inlet.memory;
  }

  /** Octet of the frame where the checksum that is not final starts to count; -1 where all are final. */
  #checksumStart(inlet: Inlet): number {
    const memory = this.#memoryOf(inlet);
    const at = this.#frameVnet;
    // virtio-net header: flags, gso type, header length, gso size, checksum start; in the order of this machine.
    if (((memory[at] as number) & NEEDS_CHECKSUM) === 0) return -1;
    return (memory[at + 6] as number) | ((memory[at + 7] as number) << 8);
  }

  /** Octets from there to the field of the checksum. */
  #checksumOffset(inlet: Inlet): number {
    const memory = this.#memoryOf(inlet);
    const at = this.#frameVnet;
    return (memory[at + 8] as number) | ((memory[at + 9] as number) << 8);
  }

  /** Octets of payload in each segment of a super-frame; 0 where it is none. */
  #segmentSize(inlet: Inlet): number {
    const memory = this.#memoryOf(inlet);
    const at = this.#frameVnet;
    return memory[at + 1] === 0 ? 0 : (memory[at + 4] as number) | ((memory[at + 5] as number) << 8);
  }

  /** {@inheritDoc Driver.transmitSuper} */
  transmitSuper(port: number, frame: Buffer, length: number, checksumStart: number, purpose = 0): boolean {
    const outlet = this.#outlets[port] ?? null;
    const inlet = this.#inlet;
    if (outlet === null || inlet === null || this.#stopped || !(length <= frame.length)) return false;
    const source = this.#keptOffload ?? this.#memoryOf(inlet);
    const vnet = this.#keptOffload === null ? this.#frameVnet : 0;
    const checksumOffset = source[vnet + 1] === GSO_UDP ? UDP_CHECKSUM : TCP_CHECKSUM;
    if (!(checksumStart >= 0 && checksumStart <= MAX_U16 && checksumStart + checksumOffset + 2 <= length)) return false;
    const at = this.#keep(outlet, frame, length);
    if (at < 0) return false;
    const { made } = outlet;
    // As the frame that it replaces is to be cut; where the checksum starts is the new frame's own.
    made.set(source.subarray(vnet, vnet + VNET), at);
    made[at] = NEEDS_CHECKSUM;
    made[at + 2] = 0;
    made[at + 3] = 0;
    made[at + 6] = checksumStart & 0xff;
    made[at + 7] = checksumStart >> 8;
    // The source may have had a final one, and then says nothing of where it stands.
    made[at + 8] = checksumOffset;
    made[at + 9] = 0;
    return this.#queue(outlet, MADE, at, VNET + length, purpose);
  }

  /** {@inheritDoc Driver.keepOffload} */
  keepOffload(target: Uint8Array): void {
    const kept = this.#keptOffload;
    const inlet = this.#inlet;
    if (kept !== null) target.set(kept);
    // Segments of a super-frame have no state of their own: they are whole packets.
    else if (this.#ringOctets === null || inlet === null) target.fill(0);
    else {
      const memory = this.#memoryOf(inlet);
      for (let i = 0; i < VNET; i++) target[i] = memory[this.#frameVnet + i] as number;
    }
  }

  /** {@inheritDoc Driver.resume} */
  resume(frame: Frame, offload: Uint8Array): void {
    if (this.#keptOffload === null) {
      this.#interrupted = this.#inlet;
      // A promise of a hook runs when the batch has been handed out and before it is sent: what is queued lies in its ring.
      if (this.#inlet === null) {
        this.#flushAll();
        for (const outlet of this.#outlets) if (outlet != null) outlet.madeUsed = 0;
      }
    }
    const inlet = this.#inletOfPort[frame.port] ?? null;
    // What is lost is told by the port of arrival: frames of two of them do not go out together.
    if (this.#inlet !== inlet) this.#flushAll();
    this.#inlet = inlet;
    this.#keptOffload = offload;
    this.#keptOctets = frame.octets;
  }

  /** {@inheritDoc Driver.endResumed} */
  endResumed(): void {
    if (this.#keptOffload === null) return;
    this.#flushAll();
    this.#inlet = this.#interrupted;
    this.#interrupted = null;
    this.#keptOffload = null;
    this.#keptOctets = null;
  }

  #flushAll(): void {
    const inlet = this.#inlet ?? this.#source;
    if (inlet === null) return;
    for (const outlet of this.#outlets) if (outlet != null) this.#flush(outlet, inlet);
  }

  /** {@inheritDoc Driver.leave} */
  leave(): InputPlace | null {
    if (this.#inlet !== null || this.#stopped) return null;
    const rings: InputPlace['rings'][number][] = [];
    for (const { ring, port } of this.#inlets) {
      const left = this.#native.leaveRing(ring);
      if (left === null) {
        this.#goOnWith(rings);
        return null;
      }
      const [next, unread, epoch, stale] = left;
      rings.push({ port, next, unread, epoch, stale });
    }
    return { rings };
  }

  /** {@inheritDoc Driver.goOn} */
  goOn({ rings }: InputPlace): boolean {
    return rings.length === this.#inlets.length && this.#goOnWith(rings);
  }

  #goOnWith(rings: InputPlace['rings']): boolean {
    return rings.every(({ port, next, unread, epoch, stale }) => {
      const inlet = this.#inletOfPort[port];
      return inlet !== undefined && this.#native.goOnWithRing(inlet.ring, next, unread, epoch, stale);
    });
  }

  /** {@inheritDoc Driver.stats} */
  stats(): DriverStats {
    if (!this.#isClosed) this.#count();
    return { droppedByKernel: this.#dropped, fenced: this.#fenced, epoch: this.#epoch };
  }

  /** {@inheritDoc Driver.stop} */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#sink = null;
    // Called from within a batch, the memory must stay until the batch has ended.
    if (this.#inlet === null) this.#close();
    this.#finish?.();
  }

  #count(): void {
    this.#dropped = 0;
    this.#fenced = 0;
    let epoch = Number.POSITIVE_INFINITY;
    for (const { ring, isFenced } of this.#inlets) {
      if (isFenced) {
        epoch = Math.min(epoch, this.#native.lookAtFence(ring));
        this.#fenced += this.#native.fenced(ring);
      }
      this.#dropped += this.#native.dropped(ring);
    }
    this.#epoch = Number.isFinite(epoch) ? epoch : 0;
  }

  #close(): void {
    // The last look: a closed ring has no statistics.
    this.#count();
    this.#isClosed = true;
    for (const { ring } of this.#inlets) this.#native.closeRing(ring);
    for (const outlet of this.#outlets) if (outlet != null) this.#native.closeSender(outlet.sender);
  }

  #watch(inlet: Inlet): void {
    const onBatch = (count: number): void => this.#onBatch(inlet, count);
    const onLost = (): void => this.#onLost(inlet);
    this.#native.watch(inlet.ring, onBatch, onLost);
  }

  /** What is queued when this returns goes out at once. */
  #onBatch(inlet: Inlet, count: number): void {
    if (this.#sink === null) return;
    this.#inlet = inlet;
    this.#source = inlet;
    for (const outlet of this.#outlets) if (outlet !== null) outlet.madeUsed = 0;
    try {
      this.#handOut(inlet, count);
    } catch (error) {
      this.#sink = null;
      this.#fail?.(error);
    }
    if (this.#stopped && !this.#isClosed) {
      for (const outlet of this.#outlets) if (outlet !== null) this.#flush(outlet, inlet);
      this.#close();
    }
    this.#inlet = null;
  }

  /** Frames that had been queued were not sent. */
  #onLost(inlet: Inlet): void {
    for (const outlet of this.#outlets) {
      if (outlet === null || outlet.queue[LOST] === 0) continue;
      outlet.queue[LOST] = 0;
      for (let i = 0; i < QUEUE; i++) {
        if (outlet.failed[i] !== 1) continue;
        const length = (outlet.queue[ENTRIES + i * 3 + 2] as number) - VNET;
        this.#sink?.onSendFailed?.(inlet.port, outlet.purposes[i] as number, length);
      }
      outlet.failed.fill(0);
    }
  }

  #handOut(inlet: Inlet, count: number): void {
    const fields = inlet.fields;
    const frame = this.#frame;
    for (let i = 0, at = 0; i < count; i++, at += FIELDS) {
      const sink = this.#sink;
      if (sink === null) return;
      const told = fields[at + 3] as number;
      this.#frameSpace = (told & FLAG_OVERFLOW) === 0 ? IN_RING : IN_OVERFLOW;
      this.#frameVnet = fields[at + 7] as number;
      const octets = inlet.view(this.#frameSpace, fields[at + 6] as number, fields[at] as number);
      const flags = told & (FRAME_CHECKSUM_PARTIAL | FRAME_SUPER);
      this.#ringOctets = octets;
      frame.octets = octets;
      frame.length = fields[at + 1] as number;
      frame.originalLength = fields[at + 2] as number;
      frame.port = inlet.port;
      frame.flags = flags;
      frame.seconds = fields[at + 4] as number;
      frame.nanoseconds = fields[at + 5] as number;
      frame.checksumStart = -1;
      frame.segmentSize = 0;
      if (flags !== 0) {
        frame.checksumStart = this.#checksumStart(inlet);
        frame.segmentSize = this.#segmentSize(inlet);
        if (frame.length === frame.originalLength && this.#stepIn(inlet, frame)) {
          this.#handOutSegments(frame);
          continue;
        }
      }
      sink.onFrame(frame);
    }
    this.#ringOctets = null;
    this.#sink?.onBatchEnd();
  }

  /** Does what the frame's own header cannot say. True when the frame has been cut: its segments are to be handed out. */
  #stepIn(inlet: Inlet, frame: Frame): boolean {
    const done = this.#card.stepIn(frame, this.#checksumOffset(inlet));
    if (done === CUT) return true;
    if (done !== COMPLETED) return false;
    const memory = this.#memoryOf(inlet);
    memory[this.#frameVnet] = 0;
    frame.flags &= ~FRAME_CHECKSUM_PARTIAL;
    frame.checksumStart = -1;
    return false;
  }

  /** Segments are made: they are copied when they are sent. */
  #handOutSegments(frame: Frame): void {
    const { segments, segment } = this.#card;
    this.#ringOctets = null;
    frame.octets = segment;
    frame.checksumStart = -1;
    frame.segmentSize = 0;
    for (let i = 0; i < segments.count; i++) {
      const length = segments.write(i, segment);
      frame.length = length;
      frame.originalLength = length;
      frame.flags = i === 0 ? 0 : FRAME_SEGMENT;
      this.#sink?.onFrame(frame);
    }
  }

  #queue(outlet: Outlet, space: number, start: number, length: number, purpose: number): boolean {
    const { queue } = outlet;
    // More than one frame out for each in fills the queue before the batch ends.
    const inlet = this.#inlet ?? this.#source;
    if (queue[COUNT] === QUEUE && inlet !== null) this.#flush(outlet, inlet);
    const isAlone = this.#inlet === null && queue[COUNT] === 0;
    const count = queue[COUNT] as number;
    const at = ENTRIES + count * 3;
    queue[at] = space;
    queue[at + 1] = start;
    queue[at + 2] = length;
    outlet.purposes[count] = purpose;
    queue[COUNT] = count + 1;
    return !isAlone || this.#sendNow(outlet);
  }

  /** Between two batches nobody flushes the queue, which holds one frame that was made. */
  #sendNow(outlet: Outlet): boolean {
    const inlet = this.#source ?? this.#inlets[0];
    const isSent = inlet !== undefined && this.#native.flush(outlet.sender, inlet.ring) === 0;
    outlet.queue[COUNT] = 0;
    outlet.queue[LOST] = 0;
    if (!isSent) outlet.failed.fill(0);
    return isSent;
  }

  /** Copies a made frame to where it stays until it is sent; its offset, -1 when there is no room. */
  #keep(outlet: Outlet, frame: Buffer, length: number): number {
    const { made } = outlet;
    if (VNET + length > made.length) return -1;
    // After a batch everything that was made is out, unless something is queued still.
    if (this.#inlet === null && outlet.queue[COUNT] === 0) outlet.madeUsed = 0;
    if (outlet.madeUsed + VNET + length > made.length) {
      const inlet = this.#inlet ?? this.#source;
      if (inlet === null) return -1;
      this.#flush(outlet, inlet);
      outlet.madeUsed = 0;
    }
    const at = outlet.madeUsed;
    made.fill(0, at, at + VNET);
    made.set(frame === this.#keptOctets ? frame.subarray(0, length) : this.#headOf(frame, length), at + VNET);
    outlet.madeUsed = at + VNET + length;
    return at;
  }

  /** The first octets of a frame. Frames are made in few buffers, which come again and again: of them each view is made once. */
  #headOf(frame: Buffer, length: number): Buffer {
    if (length > LONGEST_KEPT) return frame.subarray(0, length);
    let heads = this.#heads.get(frame);
    if (heads === undefined) {
      heads = new Array<Buffer | undefined>(LONGEST_KEPT + 1);
      this.#heads.set(frame, heads);
    }
    let head = heads[length];
    if (head === undefined) {
      head = frame.subarray(0, length);
      heads[length] = head;
    }
    return head;
  }

  /** Everything that is queued at an outlet goes out, before the batch ends. */
  #flush(outlet: Outlet, inlet: Inlet): void {
    if ((outlet.queue[COUNT] as number) > 0 && this.#native.flush(outlet.sender, inlet.ring) > 0) this.#onLost(inlet);
  }
}

/** The sending side of a port. */
class Outlet {
  readonly sender: NativeSender;
  /** {@link COUNT}, {@link LOST}, and from {@link ENTRIES} on three numbers a frame. */
  readonly queue: Uint32Array;
  readonly failed: Uint8Array;
  /** Frames that were made (replacements, fragments, ICMP errors) are copied here until they are sent. */
  readonly made: Uint8Array;
  madeUsed = 0;
  readonly purposes = new Uint8Array(QUEUE);

  constructor(sender: NativeSender) {
    this.sender = sender;
    this.queue = new Uint32Array(sender.queue);
    this.failed = new Uint8Array(sender.failed);
    this.made = new Uint8Array(sender.made);
  }
}
