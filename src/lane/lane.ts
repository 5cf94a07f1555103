/**
 * A lane: takes each frame from the driver through the hooks to its end, and books it.
 *
 * ```
 *   onFrame ─> what kind of frame? ─ IP ─> well-formed? ─> hook chain ─┬─ FORWARD ─> egress ─> driver.transmit
 *                 │ not IP: policy.nonIp       │ no: dropped           ├─ DROP
 *                 │ unreadable: policy.unreadable                      └─ ICMP_ON_DROP ─> ICMP error, rate limited
 *                 │ malformed: dropped
 *                 └ cut by a capture file: forwarded
 * ```
 * Rule: run to completion, synchronously, without an allocation for a packet that no hook replaces. Every frame ends in
 * exactly one bucket of the ledger, whatever the hooks, the packet or the driver do.
 *
 * @module
 */

import type { Driver, FrameSink } from '../drivers/contract.ts';
import { portOf } from '../drivers/contract.ts';
import { FRAME_SEGMENT, type Frame, type FrameBuffer } from '../drivers/frame.ts';
import {
  DEST_LOCAL,
  DROP,
  FORWARD,
  IP_TRANSMIT,
  IPR_FLAG_CHECKSUM_OFFLOAD,
  IPR_OWNER_RUNTIME,
} from '../firewall/constants.ts';
import { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { HELD, REPLY, RESET, type Verdict } from '../hook/contract.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import { type DatagramBuffer, MAX_QUOTED } from '../hook/packet/arrival.ts';
import { ContextState } from '../hook/packet/context-view.ts';
import { readU16 } from '../wire/bytes.ts';
import { completeTransportChecksum, fillPseudoSum } from '../wire/datagram.ts';
import { HEADER_LENGTH as ETHERNET_HEADER, ETHERTYPE_QINQ, ETHERTYPE_VLAN } from '../wire/ethernet.ts';
import { CUT, NOT_IP, unreadableType } from '../wire/frame-kind.ts';
import { parseIpLayout } from '../wire/ip-layout.ts';
import { classifyFrame, isKnownLinktype, isLinkBroadcast, isLinkMulticast, LINKTYPE_ETHERNET } from '../wire/link.ts';
import type { IcmpSettings } from './answer-budget.ts';
import { type DropEvents, IS_MALFORMED, IS_NON_IP, IS_TRUNCATED, IS_UNREADABLE, POOL_EMPTY } from './drop-events.ts';
import { type DatagramSender, Egress, type EgressOptions, type FrameWriter } from './egress.ts';
import type { HeldPacket } from './held-packets.ts';
import type { HookClock } from './hook-clock.ts';
import {
  ACCEPTED,
  DROPPED,
  DROPPED_BY_FAULT,
  DROPPED_BY_HOOK,
  DROPPED_MALFORMED,
  DROPPED_NON_IP,
  DROPPED_UNREADABLE,
  EXTRA_SEGMENTS,
  HOOK_FAULTS,
  LEDGER_WIDTH,
  LOST,
  LOST_POOL,
  LOST_TRUNCATED,
  NON_IP,
  PASSED_TRUNCATED,
  PROBES,
  RECEIVED,
  RECEIVED_OCTETS,
  REJECTED,
  REPLACED,
  UNREADABLE,
} from './ledger.ts';
import { type LocalRoute, LocalTable } from './local-table.ts';
import { NO_DATAGRAM, PacketInHand } from './packet-in-hand.ts';
import type { PacketTracer } from './packet-tracer.ts';
import { isProbe, PROBES_PER_SECOND } from './probe.ts';
import type { ProgressWriter } from './progress.ts';
import { INJECTED_FRAME } from './purposes.ts';
import type { RecentFrames } from './recent-frames.ts';
import { Returns } from './returns.ts';
import { TokenBucket } from './token-bucket.ts';
import { UnreadableTypes } from './unreadable-types.ts';
import { WaitingPackets } from './waiting-packets.ts';
import type { SendWatch } from './watched-outlets.ts';
import { LOCAL_NAME, type Way } from './way.ts';

/** What a {@link Lane} is made of. */
export interface LaneOptions {
  readonly driver: Driver;
  readonly ways: readonly Way[];
  readonly chain: HookChain;
  readonly nonIp: 'drop' | 'forward';
  readonly unreadable: 'drop' | 'forward';
  /** What contradicts itself. @defaultValue 'drop' */
  readonly malformed?: 'drop' | 'forward';
  /** Where it counts. @defaultValue memory of its own */
  readonly ledger?: Float64Array;
  /**
   * Told of each EtherType the first time it is unreadable, and once with `OTHER_TYPES` when more types come than
   * `UNREADABLE_TYPES` has rows. 0 is what has no EtherType.
   */
  readonly onUnreadable?: (etherType: number) => void;
  readonly icmp: IcmpSettings;
  /** Way out for `reject: 'raw'` and for packets that hooks make; null where there is none. */
  readonly sender: DatagramSender | null;
  /** Ports of interfaces beside those of the ways that hooks send frames out of, by name. @defaultValue none */
  readonly outlets?: ReadonlyMap<string, number>;
  /** Takes the frames that hooks make. @defaultValue the driver does */
  readonly writer?: FrameWriter | null;
  /** Told the first time that the machine's own rules drop an ICMP error, or what a hook made. */
  readonly onDenied?: EgressOptions['onDenied'];
  /** Milliseconds on a clock that never jumps back; replay gives the file's. Read once per ICMP error and every 64 packets. */
  readonly now: () => number;
  /** What packets wait on, where a hook lets some wait: the clock of `now`. @defaultValue the time of the day */
  readonly clock?: HookClock;
  /** Told of each packet that does not go on. @defaultValue nobody is */
  readonly drops?: DropEvents | null;
  /** Told of each packet that waited, before it goes on. */
  readonly onResume?: (packet: PacketInHand) => void;
}

/** Packets between two looks at whether a snapshot of the progress file is due. */
const PROGRESS_EVERY = 64;

const VLAN_MASK = 0x0fff;
/** More than there are VLANs. */
const ZONE_FACTOR = 4099;

/** Ports a lane can have: a driver port id is an index. */
const NO_WAY = null;

/** One lane's packet path. */
export class Lane implements FrameSink {
  /** One row of `LEDGER_WIDTH` numbers a way. */
  readonly ledger: Float64Array;
  readonly ways: readonly Way[];
  /** Packets handed in so far, all ways together. */
  packets = 0;

  readonly #driver: Driver;
  readonly #chain: HookChain;
  readonly #egress: Egress;
  readonly #returns: Returns;
  /** Row that packets made by hooks are booked on: they belong to no way, but in a row of `tap` nothing may be sent. */
  readonly #injectBase: number;
  readonly #writer: FrameWriter | null;
  /** Ports that frames of hooks can be sent out of, by the name of their interface. */
  readonly #portOfName = new Map<string, number>();
  /** The same beside the ways. */
  readonly #outlets: ReadonlyMap<string, number>;
  readonly #isLive: boolean;
  readonly #now: () => number;
  readonly #forwardsNonIp: boolean;
  readonly #forwardsUnreadable: boolean;
  readonly #forwardsMalformed: boolean;
  readonly #onUnreadable: (etherType: number) => void;
  readonly #unreadableTypes = new UnreadableTypes();
  readonly #probes = new TokenBucket(PROBES_PER_SECOND);
  readonly #wayOfPort: (Way | null)[] = [];
  readonly #baseOfPort: number[] = [];
  readonly #linktypeOfPort: number[] = [];
  /**
   * `otherIndex` of the way. The null makes it an array of references, which 0xffffffff is put into once: out of a field
   * or an array of numbers it would be boxed for every call, 16 octets of heap a packet.
   */
  readonly #otherIndexOfPort: (number | null)[] = [null];
  readonly #locals = new LocalTable();
  readonly #packet = new PacketInHand();
  readonly #context = new ContextState();
  /** The runtime's own descriptor, lent to the hooks for each packet. */
  readonly #lent = new IPRcvBuf();
  /** Null where no hook may let packets wait. */
  readonly #waiting: WaitingPackets | null;
  readonly #onResume: ((packet: PacketInHand) => void) | null;
  readonly #drops: DropEvents | null;
  #progress: ProgressWriter | null = null;
  /** Takes copies of frames; null where nobody asks for any. */
  #copies: RecentFrames | null = null;
  /** Frames have come whose batch has not ended. */
  #isInBatch = false;
  #tracer: PacketTracer | null = null;

  constructor(options: LaneOptions) {
    this.#driver = options.driver;
    this.#chain = options.chain;
    this.#isLive = options.driver.capabilities.live;
    this.#now = options.now;
    this.#forwardsNonIp = options.nonIp === 'forward';
    this.#forwardsUnreadable = options.unreadable === 'forward';
    this.#forwardsMalformed = options.malformed === 'forward';
    this.#onUnreadable = options.onUnreadable ?? (() => undefined);
    const drops = options.drops ?? null;
    this.#drops = drops;
    const onLost = drops === null ? null : (reason: number): void => drops.byItself(this.#packet, reason);
    this.ways = options.ways;
    this.ledger = options.ledger ?? new Float64Array(options.ways.length * LEDGER_WIDTH);
    const hostWay = options.ways.findIndex(({ reject }) => reject === 'raw');
    const sendingWay = options.ways.findIndex(({ outPort }) => outPort >= 0);
    this.#injectBase = Math.max(0, hostWay === -1 ? sendingWay : hostWay) * LEDGER_WIDTH;
    this.#writer = options.writer ?? null;
    for (const { to, outPort } of options.ways)
      if (outPort >= 0 && to !== LOCAL_NAME) this.#portOfName.set(to, outPort);
    this.#outlets = options.outlets ?? new Map();
    this.#lent.ipr_owner = IPR_OWNER_RUNTIME;
    options.ways.forEach((way, index) => {
      this.#wayOfPort[way.inPort] = way;
      this.#baseOfPort[way.inPort] = index * LEDGER_WIDTH;
      this.#otherIndexOfPort[way.inPort] = way.otherIndex;
    });
    this.#egress = new Egress({
      driver: options.driver,
      ledger: this.ledger,
      icmp: options.icmp,
      sender: options.sender,
      writer: this.#writer,
      now: options.now,
      arrival: options.chain.arrival,
      locals: this.#locals,
      onDenied: options.onDenied ?? (() => undefined),
      onLost,
    });
    this.#returns = new Returns({
      egress: this.#egress,
      ledger: this.ledger,
      chain: options.chain,
      perSecond: options.icmp.ratePerSecond,
      now: options.now,
      onLost,
    });
    const { driver, chain, now, clock } = options;
    const list = chain.holds;
    const resume = (held: HeldPacket): void => this.#resume(held);
    const onWoken = (): void => this.#endTurn();
    const { ledger } = this;
    this.#waiting =
      list === null ? null : new WaitingPackets({ list, chain, driver, ledger, now, clock, makeView, resume, onWoken });
    this.#onResume = options.onResume ?? null;
  }

  /** Says what the host's own addresses and broadcasts are from the next packet on. */
  setLocals(locals: readonly LocalRoute[]): void {
    this.#locals.set(locals);
  }

  /**
   * Says which way the frames of a port go from the next one on: for interfaces that a capture file describes between its
   * packets, and for replays where each packet has a way of its own. It is booked in the row of the first way.
   */
  setWay(way: Way): void {
    this.#wayOfPort[way.inPort] = way;
    this.#baseOfPort[way.inPort] = 0;
    this.#otherIndexOfPort[way.inPort] = way.otherIndex;
  }

  /** EtherType and count of unreadable frames, `UNREADABLE_TYPES` rows of two numbers; see `UnreadableTypes`. */
  get unreadableTypes(): Float64Array {
    return this.#unreadableTypes.numbers;
  }

  /** Has a snapshot written from now on: after every 64 packets, if the last one is a while ago. */
  reportTo(progress: ProgressWriter): void {
    this.#progress = progress;
  }

  /**
   * Sends a datagram that a hook made: outside a batch at once, within one with the batch, where the sender can queue.
   *
   * Ownership: borrows `datagram`.
   * @returns false, counted, when there is no way out of the host or the kernel refused it. One that was queued and is
   * refused later is counted so, too.
   */
  inject(datagram: Uint8Array): boolean {
    if (!this.#egress.inject(this.#injectBase, datagram)) return false;
    return this.#isInBatch || this.#egress.flush() === 0;
  }

  /**
   * Sends a frame that a hook made out of an interface: outside a batch at once, within one with the batch.
   *
   * Ownership: borrows `frame`.
   * @returns false, counted, when the interface takes none, or not this one
   */
  injectFrame(to: string, frame: Uint8Array): boolean {
    return this.#egress.injectFrame(this.#injectBase, this.#portOf(to), frame);
  }

  /**
   * Sends a copy of the packet that is among the hooks.
   *
   * @param octets - most octets of its frame that are sent
   * @returns as {@link Lane.injectFrame} does
   * @throws TypeError when none is there
   */
  mirror(to: string, octets: number): boolean {
    if (!this.#chain.isCalling) throw new TypeError('mirror: there is no packet at hand');
    return this.#egress.mirror(this.#packet, this.#portOf(to), this.#chain.asItStands, octets);
  }

  #portOf(to: string): number {
    if (this.#writer !== null) return this.#writer.portOf(to);
    return this.#portOfName.get(to) ?? this.#outlets.get(to) ?? -1;
  }

  /** {@inheritDoc FrameSink.onFrame} */
  onFrame(frame: Frame): void {
    // A file has no batches of one moment.
    if (!this.#isInBatch || !this.#isLive) this.#beginBatch();
    this.packets += 1;
    const { port, length } = frame;
    const way = this.#wayOfPort[port] ?? NO_WAY;
    if (way === NO_WAY) return;
    const ledger = this.ledger;
    const base = this.#baseOfPort[port] as number;
    add(ledger, base + RECEIVED, 1);
    add(ledger, base + RECEIVED_OCTETS, length);
    if ((frame.flags & FRAME_SEGMENT) !== 0) add(ledger, base + EXTRA_SEGMENTS, 1);
    if (this.#copies !== null && !this.#copies.take(frame, way.direction === IP_TRANSMIT)) this.#copies = null;
    const packet = this.#packet;
    packet.frame = frame;
    packet.way = way;
    packet.base = base;
    packet.offset = NO_DATAGRAM;
    packet.isUnicastLink = false;
    if (this.#tracer === null) this.#handle(packet);
    else this.#handleTraced(packet, this.#tracer);
    if (this.#progress !== null && this.packets % PROGRESS_EVERY === 0)
      this.#progress.writeWhenDue(this.packets, this.#now());
  }

  /** Before its first packet: what was to go on before it, and the time. */
  #beginBatch(): void {
    if (this.#waiting !== null && this.#waiting.count > 0) this.#waiting.goOn();
    if (this.#chain.tracksFlows) this.#chain.tick(this.#now());
    this.#isInBatch = true;
  }

  /** Has the frames that come next copied, for a trial of other hooks; null: no more. */
  copyTo(frames: RecentFrames | null): void {
    this.#copies = frames;
  }

  /** Another lane has the packets and the flows: what time it is matters no more to those that are here. */
  hasLeft = false;

  /** Packets that wait. */
  get waiting(): number {
    return this.#waiting?.count ?? 0;
  }

  /** To be called now and then while no frames come: what waits for time to pass goes on. */
  onIdle(): void {
    if (this.hasLeft) return;
    if (this.#chain.tracksFlows && !this.#isInBatch) this.#chain.tick(this.#now());
  }

  /** {@inheritDoc FrameSink.onBatchEnd} */
  onBatchEnd(): void {
    // What was transmitted is already with the driver.
    this.#isInBatch = false;
    if (this.#waiting !== null && this.#waiting.count > 0) this.#waiting.goOn();
    this.#endTurn();
  }

  /** Nothing is at hand any more: what hooks kept is dead, and what was to be sent is. */
  #endTurn(): void {
    if (this.#isInBatch) return;
    this.#chain.endBatch();
    this.#egress.flush();
  }

  /** When the next packet that waits goes on by itself, on the clock of the lane; infinity where none waits. */
  get nextReleaseMs(): number {
    return this.#waiting?.nextMs ?? Number.POSITIVE_INFINITY;
  }

  /** The lane ends: what waits gets what it would get at its time, now. To be called while the driver can send. */
  releaseHeld(): void {
    if (this.#waiting === null) return;
    this.#waiting.end();
    this.onBatchEnd();
  }

  /**
   * Has it told what becomes of packets from now on; null: to nobody. Not within a packet.
   *
   * @param sent - shown what goes out, of all packets
   */
  trace(tracer: PacketTracer | null, sent: SendWatch | null = null): void {
    this.#tracer = tracer;
    this.#egress.watch(sent);
    this.#packet.number = 0;
    this.#chain.watch(tracer);
  }

  #handleTraced(packet: PacketInHand, tracer: PacketTracer): void {
    packet.number = this.packets;
    const isMarked = tracer.begin(packet);
    this.#handle(packet);
    if (isMarked) tracer.end(packet, false);
  }

  #handle(packet: PacketInHand): void {
    const { frame, way, base, layout } = packet;
    const { octets, length, originalLength, port } = frame;
    const ledger = this.ledger;
    if (length < originalLength && this.#isLive) {
      // What was not captured cannot be sent on: forwarding the head alone would corrupt it silently.
      add(ledger, base + LOST, 1);
      add(ledger, base + LOST_TRUNCATED, 1);
      this.#drops?.byItself(packet, IS_TRUNCATED);
      return;
    }
    const linktype = this.#linktypeOfPort[port] ?? this.#readLinktype(port);
    const offset = classifyFrame(octets, length, originalLength, linktype);
    if (offset < 0) {
      this.#passBy(packet, offset);
      return;
    }
    const bytes = octets.views?.[offset] ?? makeView(octets, offset);
    // A file has no mark for super-frames: there a length of 0 is taken for one.
    const mayBeOpen = packet.isSuper || !this.#isLive;
    if (!parseIpLayout(bytes, 0, length - offset, originalLength - offset, layout, mayBeOpen)) {
      if (layout.isCut) this.#passCut(packet);
      else this.#endMalformed(packet);
      return;
    }
    const isBroadcast = isLinkBroadcast(octets, length, linktype);
    packet.offset = offset;
    packet.bytes = bytes;
    packet.isUnicastLink = !isBroadcast && !isLinkMulticast(octets, length, linktype);

    this.#place(packet, linktype === LINKTYPE_ETHERNET ? offset : 0);
    const context = this.#context;
    if (this.#chain.tracksFlows)
      context.zone = offset === ETHERNET_HEADER ? way.zone : zoneOf(octets, offset, linktype, way.zone);
    context.sendInterfaceIndex = way.sendInterfaceIndex;
    const isForHost = way.unicastType === DEST_LOCAL;
    context.destinationType = this.#locals.typeOf(bytes, layout.version, isForHost, isBroadcast);

    const chain = this.#chain;
    const verdict = chain.run(this.#lent, bytes, layout, context, this.#otherIndexOfPort[port] as number, 0);
    if (verdict !== FORWARD || chain.decidedBy >= 0 || chain.faults !== 0 || chain.standing.isReplaced) {
      this.#finish(packet, verdict);
      return;
    }
    // What most packets come to stands here once more: a call of its own is a tenth of their time.
    if (packet.isPartial) this.#settleChecksum(packet);
    this.#egress.forward(packet, context.sendInterfaceIndex === way.sendInterfaceIndex ? way.outPort : way.otherPort);
    chain.release(true);
  }

  /** Does with a packet what the hooks say, and books it. */
  #finish(packet: PacketInHand, verdict: Verdict): void {
    const { base, way } = packet;
    const ledger = this.ledger;
    const chain = this.#chain;
    const context = this.#context;
    if (chain.faults !== 0) add(ledger, base + HOOK_FAULTS, 1);
    if (verdict === FORWARD) {
      if (chain.decidedBy >= 0) add(ledger, base + ACCEPTED, 1);
      const out = context.sendInterfaceIndex === way.sendInterfaceIndex ? way.outPort : way.otherPort;
      if (!chain.standing.isReplaced) {
        if (packet.isPartial) this.#settleChecksum(packet);
        this.#egress.forward(packet, out);
      } else if (chain.standing.current !== null) {
        add(ledger, base + REPLACED, 1);
        this.#egress.forwardChain(packet, out, chain.standing.current);
      }
    } else if (verdict === HELD) {
      if (this.#waiting?.hold(packet, context) === true) return;
      this.#drops?.byItself(packet, POOL_EMPTY);
    } else this.#stop(packet, verdict);
    chain.release(verdict === FORWARD, verdict);
  }

  /** A packet that waited goes on, behind the hook that held it. Its time is that moment. */
  #resume(held: HeldPacket): void {
    const packet = this.#packet;
    packet.set(held.packet);
    if (this.#onResume !== null) this.#onResume(packet);
    const { way, bytes, layout } = packet;
    const context = this.#context;
    this.#place(packet, held.linkLength);
    context.zone = held.zone;
    context.sendInterfaceIndex = held.sendInterfaceIndex;
    context.destinationType = held.destinationType;
    const first = way.sendInterfaceIndex;
    const isMarked = this.#tracer?.begin(packet) ?? false;
    const verdict = this.#chain.resume(held, this.#lent, bytes, layout, context, first, way.otherIndex);
    this.#finish(packet, verdict);
    if (isMarked) this.#tracer?.end(packet, true);
  }

  /** Says of the packet in hand where it was met, but for what hooks can change. @param linkLength - see `ContextState` */
  #place(packet: PacketInHand, linkLength: number): void {
    const { frame, way } = packet;
    const context = this.#context;
    this.#lent.ipr_flags = packet.isPartial ? IPR_FLAG_CHECKSUM_OFFLOAD : 0;
    // Packets of one way come one after the other: what follows from the way is written when it is another one.
    if (context.way !== way) {
      context.way = way;
      context.direction = way.direction;
      context.recvInterfaceIndex = way.recvInterfaceIndex;
      context.isInline = this.#isLive && way.reject !== 'count';
    }
    context.seconds = frame.seconds;
    context.nanoseconds = frame.nanoseconds;
    context.link = frame.octets;
    context.linkLength = linkLength;
    context.originalLength = frame.originalLength - packet.offset;
    context.isSuper = packet.isSuper;
  }

  /** What no hook sees: not IP, unreadable, malformed, by `kind`; and probes. */
  #passBy(packet: PacketInHand, kind: number): void {
    const { way, base, frame } = packet;
    const { octets, length } = frame;
    const ledger = this.ledger;
    if (kind === NOT_IP) {
      add(ledger, base + NON_IP, 1);
      if (this.#forwardsNonIp) this.#egress.forward(packet, way.outPort);
      else this.#dropUnseen(packet, DROPPED_NON_IP, IS_NON_IP);
      return;
    }
    if (kind === CUT) {
      this.#passCut(packet);
      return;
    }
    const etherType = unreadableType(kind);
    if (etherType < 0) {
      this.#endMalformed(packet);
      return;
    }
    if (way.carriesProbes === true && isProbe(octets, length) && this.#probes.take(this.#now())) {
      add(ledger, base + RECEIVED, -1);
      add(ledger, base + RECEIVED_OCTETS, -length);
      add(ledger, base + PROBES, 1);
      this.#egress.sendProbe(way.outPort, octets, length);
      return;
    }
    add(ledger, base + UNREADABLE, 1);
    const newRow = this.#unreadableTypes.count(etherType);
    if (newRow >= 0) this.#onUnreadable(this.unreadableTypes[2 * newRow] as number);
    // Live, every linktype is known. A file of another one is not what the policy is about: nothing of it can be read.
    const passes = this.#forwardsUnreadable || (!this.#isLive && !isKnownLinktype(this.#readLinktype(way.inPort)));
    if (passes) this.#egress.forward(packet, way.outPort);
    else this.#dropUnseen(packet, DROPPED_UNREADABLE, IS_UNREADABLE);
  }

  #endMalformed(packet: PacketInHand): void {
    if (this.#forwardsMalformed) this.#egress.forward(packet, packet.way.outPort);
    else this.#dropUnseen(packet, DROPPED_MALFORMED, IS_MALFORMED);
  }

  /** What a capture file has too little of to show it to a hook: that is no fault of the packet's, so it stays. */
  #passCut(packet: PacketInHand): void {
    add(this.ledger, packet.base + PASSED_TRUNCATED, 1);
    this.#egress.forward(packet, packet.way.outPort);
  }

  /**
   * A checksum that is not final: left so where the driver takes it along, whatever the hooks made of the field;
   * completed where it does not.
   */
  #settleChecksum({ frame, bytes, layout, offset }: PacketInHand): void {
    const start = frame.checksumStart;
    if (start < 0) completeTransportChecksum(bytes, layout.length);
    else if (start === offset + layout.transportOffset && this.#chain.hooks.length > 0) fillPseudoSum(bytes, layout);
  }

  /** {@inheritDoc FrameSink.onSendFailed} */
  onSendFailed(port: number, purpose: number, length: number): void {
    const base = purpose === INJECTED_FRAME ? this.#injectBase : this.#baseOfPort[port];
    if (base !== undefined) this.#egress.takeBack(base, purpose, length);
  }

  /** Books a packet that a hook stopped, and answers it where the verdict asks for that. */
  #stop(packet: PacketInHand, verdict: Verdict): void {
    const { base } = packet;
    const ledger = this.ledger;
    const chain = this.#chain;
    if (chain.poolWasExhausted) {
      add(ledger, base + LOST, 1);
      add(ledger, base + LOST_POOL, 1);
    } else if (verdict === DROP) {
      drop(ledger, base, chain.byFault ? DROPPED_BY_FAULT : DROPPED_BY_HOOK);
    } else if (verdict === REPLY) {
      // One that is lost is told of as that.
      if (!this.#returns.reply(packet, chain.standing.isReplaced ? chain.standing.current : null)) return;
    } else if (verdict === RESET) this.#returns.reset(packet);
    else {
      add(ledger, base + REJECTED, 1);
      this.#egress.reject(packet);
    }
    if (this.#drops !== null) this.#drops.byHook(packet, verdict);
  }

  /** Books what no hook sees and policy or form keeps from going on. */
  #dropUnseen(packet: PacketInHand, column: number, reason: number): void {
    drop(this.ledger, packet.base, column);
    this.#drops?.byItself(packet, reason);
  }

  #readLinktype(port: number): number {
    const linktype = portOf(this.#driver.ports, port)?.linktype ?? -1;
    this.#linktypeOfPort[port] = linktype;
    return linktype;
  }
}

/** The zone of a packet with VLAN tags: the same addresses in another VLAN are another flow. */
function zoneOf(frame: Uint8Array, offset: number, linktype: number, zone: number): number {
  let tagged = zone;
  if (linktype !== LINKTYPE_ETHERNET) return tagged;
  for (let at = ETHERNET_HEADER - 2; at + 4 < offset; at += 4) {
    const type = readU16(frame, at);
    if (type !== ETHERTYPE_VLAN && type !== ETHERTYPE_QINQ) break;
    tagged = (Math.imul(tagged, ZONE_FACTOR) + 1 + (readU16(frame, at + 2) & VLAN_MASK)) | 0;
  }
  return tagged;
}

/** The view of `frame` from `offset` on. A driver hands the same buffers again and again: they keep their views. */
function makeView(frame: FrameBuffer, offset: number): DatagramBuffer {
  frame.views ??= [];
  const view: DatagramBuffer = frame.subarray(offset);
  view.head = view.subarray(0, MAX_QUOTED);
  frame.views[offset] = view;
  return view;
}

function add(ledger: Float64Array, index: number, amount: number): void {
  ledger[index] = (ledger[index] as number) + amount;
}

function drop(ledger: Float64Array, base: number, reason: number): void {
  add(ledger, base + DROPPED, 1);
  add(ledger, base + reason, 1);
}
