/**
 * The way out: sends a packet as it came, as a hook replaced it, in fragments, or an ICMP error in its place.
 *
 * ```
 *   unchanged, changed in place:  the very frame that came in
 *   replaced:                     [ link header of the frame | the chain's buffers ]   put together in one buffer a lane
 *   longer than the way out:      IPv4 without DF: fragments;  else too long: counted, and answered as a router would
 * ```
 * Rules: every call books the packet in `forwarded` or `lost`, exactly once, and every frame sent in `sent`. An ICMP error that
 * is due is booked once, too: sent, held back, refused by the kernel, or what would be in `tap`. The link header
 * is put back as it came, but for the length that a PPPoE session header says, which is that of what stands behind it.
 *
 * @module
 */

import type { Driver } from '../drivers/contract.ts';
import type { RefusalSink } from '../drivers/queued-sender.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import { chainLength, gatherChain } from '../firewall/ip-rcv-buf.ts';
import type { Arrival } from '../hook/packet/arrival.ts';
import { isChecksumPartial } from '../hook/replacement.ts';
import { completeTransportChecksum, fillPseudoSum } from '../wire/datagram.ts';
import { IpLayout, parseIpLayout } from '../wire/ip-layout.ts';
import { hasLabels } from '../wire/link.ts';
import { settleChecksums } from '../wire/settle-checksums.ts';
import { headerLength as tcpHeaderLength } from '../wire/tcp.ts';
import { turnLinkHeader } from '../wire/turn-link-header.ts';
import {
  type AnswerOptions,
  Answers,
  ICMP_ERROR,
  INJECTION,
  KINDS,
  REPLY_DATAGRAM,
  RESET_DATAGRAM,
} from './answers.ts';
import { IS_TOO_LONG, NOT_SENT } from './drop-events.ts';
import { forbidsFragments, fragmentPayload, writeFragment } from './fragment.ts';
import { buildTooBig, buildUnreachable, MAX_ICMP_ERROR } from './icmp-error.ts';
import {
  EXTRA_FRAGMENTS,
  FORWARDED,
  ICMP_ERRORS,
  ICMP_REFUSED,
  INJECTED,
  LOST,
  LOST_SEND_ERROR,
  LOST_TOO_LONG,
  REPLIED,
  RESETS,
  RESETS_REFUSED,
  SENT,
  SENT_OCTETS,
} from './ledger.ts';
import { NO_DATAGRAM, type PacketInHand } from './packet-in-hand.ts';
import { PortLimits } from './port-limits.ts';
import {
  ANSWER,
  FORWARDED_PACKET,
  INJECTED_FRAME,
  LATER_FRAGMENT,
  MIRRORED_PACKET,
  PROBE,
  REPLIED_PACKET,
  RESET_SEGMENT,
} from './purposes.ts';
import { type FrameOutlet, type SendWatch, WatchedSender, watchDriver } from './watched-outlets.ts';

/** Room for the longest link header that is put back: a cooked header with three tags and 16 MPLS labels has 96 octets. */
const LINK_ROOM = 128;
const MAX_DATAGRAM = 65_535;
const ETHERNET_HEADER = 14;
/** A buffer of the driver that has no more octets is copied whole: a view of the right length would be an object for each packet. */
const WHOLE = 2048;
const TCP = 6;
const UDP = 17;
const UDP_HEADER = 8;
/** RFC 791 3.2, RFC 8200 section 5. */
const LEAST_MTU_IPV4 = 68;
const LEAST_MTU_IPV6 = 1280;

/** True for what a hook sends besides the packet at hand, by the purpose that a driver is told. */
export function isMadeByHook(purpose: number): boolean {
  return purpose === INJECTED_FRAME || purpose === MIRRORED_PACKET;
}

/** Sends IP datagrams out of the host by its routing table. Never throws. */
export interface DatagramSender {
  /**
   * Borrows `datagram` during the call. False when it was not taken.
   *
   * @param tag - the row times {@link KINDS}, and the kind of datagram; handed back where one that was taken is not sent after all
   */
  send(datagram: Buffer, length: number, tag: number): boolean;
  /** Why `send` returned false the last time: an errno, 0 where the kernel was not asked. */
  readonly refusal?: number;
  /** Sends what it queued, and returns how many of them were refused. Without it, `send` sends at once. */
  flush?(): number;
  /** Has every datagram that was taken and then refused told to `sink`. */
  reportTo?(sink: RefusalSink): void;
}

/** Takes frames that hooks make, where that is not the driver's business. */
export interface FrameWriter {
  /** Port of an interface; -1 for one that takes no frames. */
  portOf(to: string): number;
  /** Borrows `frame` during the call. False when it was not taken. */
  write(port: number, frame: Buffer, length: number): boolean;
}

/** What {@link Egress} is made of. */
export interface EgressOptions extends AnswerOptions {
  readonly driver: Driver;
  /** @defaultValue the driver sends what hooks make */
  readonly writer?: FrameWriter | null | undefined;
  readonly sender: DatagramSender | null;
  /** The packet at hand as it came: whoever sent it is told of that one, not of what hooks made of it. */
  readonly arrival: Arrival;
  /** Told when the packet at hand is lost, why, by a number of drop-events.ts. @defaultValue nobody is */
  readonly onLost?: ((reason: number) => void) | null;
}

/** A link header is short: octet by octet, without the view of a part that `copy` makes. */
function copyHead(source: Uint8Array, target: Uint8Array, length: number): void {
  for (let at = 0; at < length; at++) target[at] = source[at] as number;
}

/** The buffer from where a link header of `offset` octets starts; `views` keeps the views, so that each is made once. */
function viewFrom(buffer: Buffer, views: (Buffer | undefined)[], offset: number): Buffer {
  let view = views[offset];
  if (view === undefined) {
    view = buffer.subarray(LINK_ROOM - offset);
    views[offset] = view;
  }
  return view;
}

/** The packet at hand as hooks have left it. */
interface MirroredPacket {
  readonly bytes: Buffer;
  readonly layout: IpLayout;
  readonly isPartial: boolean;
}

/** Sends what the hooks let through, and books it. */
export class Egress implements RefusalSink {
  readonly #ownDriver: Driver;
  readonly #ownSender: DatagramSender | null;
  /** The own ones, or what stands before them while somebody records. */
  #driver: FrameOutlet;
  #sender: DatagramSender | null;
  readonly #ledger: Float64Array;
  readonly #writer: FrameWriter | null;
  readonly #arrival: Arrival;
  readonly #onLost: ((reason: number) => void) | null;
  readonly #code: number;
  readonly #answers: Answers;
  readonly #limits: PortLimits;
  /** Replacement datagrams, at octet LINK_ROOM so that a link header fits before them. */
  readonly #gathered: Buffer = Buffer.alloc(LINK_ROOM + MAX_DATAGRAM);
  /** Views of it that start with the link header, by the length of that header. */
  readonly #gatheredFrom: (Buffer | undefined)[] = [];
  readonly #datagram: Buffer = this.#gathered.subarray(LINK_ROOM);
  /** Fragments and ICMP errors, link header included. */
  readonly #made: Buffer = Buffer.alloc(LINK_ROOM + Math.max(MAX_DATAGRAM, MAX_ICMP_ERROR));
  /** Views of it that start with the link header, by the length of that header. */
  readonly #madeFrom: (Buffer | undefined)[] = [];
  /** The datagrams among them: what {@link Egress.sendBack} and {@link Egress.sendOn} send is written here. */
  readonly made: Buffer = this.#made.subarray(LINK_ROOM);
  readonly #layout = new IpLayout();

  constructor(options: EgressOptions) {
    const { driver, ledger, icmp, sender } = options;
    this.#ownDriver = driver;
    this.#driver = driver;
    this.#limits = new PortLimits(driver);
    this.#ledger = ledger;
    this.#ownSender = sender;
    this.#sender = sender;
    this.#writer = options.writer ?? null;
    this.#arrival = options.arrival;
    this.#onLost = options.onLost ?? null;
    this.#code = icmp.code;
    this.#answers = new Answers(options, driver.capabilities.live);
    sender?.reportTo?.(this);
  }

  /** Shows what goes out from now on to somebody; null: to nobody. */
  watch(watch: SendWatch | null): void {
    this.#driver = watch === null ? this.#ownDriver : watchDriver(this.#ownDriver, watch);
    this.#sender =
      watch === null || this.#ownSender === null ? this.#ownSender : new WatchedSender(this.#ownSender, watch);
  }

  /** Sends the frame that came in on, unchanged or changed in place. */
  forward(packet: PacketInHand, port: number): void {
    const { frame, base, offset, layout } = packet;
    const { octets } = frame;
    if (port < 0) {
      this.#add(base + FORWARDED, 1);
      return;
    }
    const isDatagram = offset !== NO_DATAGRAM;
    let size = frame.length;
    const limit = this.#limits.ofFrame(port, octets);
    if (packet.isSuper) {
      if (isDatagram && !this.#segmentsFit(packet, octets, offset, layout, limit)) {
        this.#refuse(packet, port, 0);
        return;
      }
    } else if (size > limit) {
      // Padding behind the datagram need not go out.
      if (isDatagram) size = offset + layout.length;
      if (size > limit) {
        if (!isDatagram || offset > LINK_ROOM || layout.length > MAX_DATAGRAM) this.#lose(base, LOST_TOO_LONG);
        else {
          octets.copy(this.#datagram, 0, offset, size);
          // Fragments have no checksum of their own: it has to be final before.
          if (frame.checksumStart >= 0) completeTransportChecksum(this.#datagram, layout.length);
          this.#tooLong(packet, port, layout.length, layout);
        }
        return;
      }
      if (isDatagram) this.#limits.settleLength(packet, octets, 0, layout.length);
    }
    if (this.#send(base, port, octets, size)) this.#add(base + FORWARDED, 1);
    else this.#lose(base, LOST_SEND_ERROR);
  }

  /**
   * Sends a replacement chain behind the link header of the packet it replaces. Where the checksum of the packet was not final, the chain's
   * is completed, whatever the hook knew of that.
   *
   * Ownership: borrows `chain`.
   */
  forwardChain(packet: PacketInHand, port: number, chain: IPRcvBuf): void {
    const { frame, base, offset, isSuper } = packet;
    let size = chainLength(chain);
    if (size < 0 || size > MAX_DATAGRAM || offset > LINK_ROOM || offset > frame.length) {
      this.#lose(base, LOST_SEND_ERROR);
      return;
    }
    if (port < 0) {
      this.#add(base + FORWARDED, 1);
      return;
    }
    gatherChain(chain, this.#gathered, LINK_ROOM);
    if (isSuper && this.#forwardSuper(packet, port, size)) return;
    if (packet.isPartial || isSuper) settleChecksums(this.#datagram, size);
    else if (isChecksumPartial(chain)) completeTransportChecksum(this.#datagram, size);
    const limit = this.#limits.ofMade(packet, port);
    if (offset + size > limit) {
      const layout = this.#layout;
      if (!parseIpLayout(this.#datagram, 0, size, size, layout)) {
        this.#lose(base, LOST_TOO_LONG);
        return;
      }
      // Padding behind the datagram need not go out.
      size = layout.length;
      if (offset + size > limit) {
        this.#tooLong(packet, port, size, layout);
        return;
      }
    }
    const made = this.#behindLinkHeader(packet, size);
    if (this.#send(base, port, made, offset + size)) this.#add(base + FORWARDED, 1);
    else this.#lose(base, LOST_SEND_ERROR);
  }

  /** Sends a probe frame of the supervisor on, unchanged. It is in no sum, and nobody is told where it does not go. */
  sendProbe(port: number, frame: Buffer, length: number): void {
    if (port >= 0) this.#driver.transmit(port, frame, length, PROBE);
  }

  /** A frame that `transmit` had taken did not go: what was booked for it is booked as lost instead. */
  takeBack(base: number, purpose: number, length: number): void {
    if (purpose === PROBE) return;
    this.#add(base + SENT, -1);
    this.#add(base + SENT_OCTETS, -length);
    if (purpose === ANSWER) {
      this.#add(base + ICMP_ERRORS, -1);
      this.#add(base + ICMP_REFUSED, 1);
    } else if (isMadeByHook(purpose)) {
      this.#add(base + INJECTED, -1);
      this.#answers.bookRefused(base, INJECTION, 0);
    } else if (purpose === LATER_FRAGMENT) this.#add(base + EXTRA_FRAGMENTS, -1);
    else if (purpose === REPLIED_PACKET) this.#loseReply(base);
    else if (purpose === RESET_SEGMENT) this.#refuseReset(base);
    else {
      this.#add(base + FORWARDED, -1);
      this.#bookLost(base, LOST_SEND_ERROR);
    }
  }

  /**
   * A replacement of a super-frame goes out as one, however short it is: UDP would become one datagram otherwise.
   *
   * @returns false where the driver cannot have it cut; otherwise it is sent or lost, and booked
   */
  #forwardSuper(packet: PacketInHand, port: number, size: number): boolean {
    const { frame, base, offset } = packet;
    const { octets } = frame;
    const driver = this.#driver;
    const datagram = this.#datagram;
    const layout = this.#layout;
    const room = frame.length - offset;
    // A hook may have written into the packet: what stands there now is what the card is told.
    if (driver.transmitSuper === undefined || !parseIpLayout(octets, offset, room, room, layout, true)) return false;
    const { protocol } = layout;
    // Only a datagram of its own kind can be cut as the super-frame was to be.
    if (!parseIpLayout(datagram, 0, size, size, layout) || layout.protocol !== protocol || layout.isFragment)
      return false;
    if (protocol !== TCP && protocol !== UDP) return false;
    if (!this.#segmentsFit(packet, datagram, 0, layout, this.#limits.ofFrame(port, octets))) {
      // What each segment has gained, it has in its headers.
      this.#refuse(packet, port, layout.transportOffset - packet.layout.transportOffset);
      return true;
    }
    const total = offset + layout.length;
    fillPseudoSum(datagram, layout);
    const made = this.#behindLinkHeader(packet, layout.length);
    if (driver.transmitSuper(port, made, total, offset + layout.transportOffset, FORWARDED_PACKET)) {
      this.#countSent(base, total);
      this.#add(base + FORWARDED, 1);
    } else this.#lose(base, LOST_SEND_ERROR);
    return true;
  }

  /** Puts the link header of the packet before the `size` octets of `#datagram`; the frame that this makes. */
  #behindLinkHeader(packet: PacketInHand, size: number): Buffer {
    const { frame, offset } = packet;
    frame.octets.copy(this.#gathered, LINK_ROOM - offset, 0, offset);
    this.#limits.settleLength(packet, this.#gathered, LINK_ROOM - offset, size);
    return viewFrom(this.#gathered, this.#gatheredFrom, offset);
  }

  /**
   * Whether what a super-frame is cut into fits the way out: nobody tells where it does not.
   *
   * @param bytes - the datagram from octet `start` on
   */
  #segmentsFit(packet: PacketInHand, bytes: Buffer, start: number, layout: IpLayout, limit: number): boolean {
    const at = start + layout.transportOffset;
    const header = layout.protocol === TCP ? tcpHeaderLength(bytes, at) : UDP_HEADER;
    return packet.offset + layout.transportOffset + header + packet.frame.segmentSize <= limit;
  }

  /** Answers a rejected packet as it came, where the rules and the rate allow it. The packet itself is booked by the caller. */
  reject(packet: PacketInHand): void {
    if (packet.offset > LINK_ROOM || packet.offset > packet.frame.length) return;
    if (!this.#mayAnswerNow(packet, false)) return;
    const { bytes } = this.#arrival;
    const room = this.#answerRoom(packet);
    this.#answer(packet, buildUnreachable(bytes, packet.layout, this.#code, this.#made, LINK_ROOM, room));
  }

  /** Sends a datagram that a hook made; see `Lane.inject`. It is booked on the row at `base`. */
  inject(base: number, datagram: Uint8Array): boolean {
    const length = datagram.length;
    let sent = false;
    if (this.#sender !== null && length <= MAX_DATAGRAM) {
      this.#made.set(datagram, LINK_ROOM);
      sent = this.#sender.send(this.made, length, base * KINDS + INJECTION);
    }
    if (!sent) {
      this.#answers.bookRefused(base, INJECTION, this.#sender?.refusal ?? 0);
      return false;
    }
    this.#add(base + INJECTED, 1);
    this.#countSent(base, length);
    return true;
  }

  /** Sends a frame that a hook made; see `Lane.injectFrame`. It is booked on the row at `base`. */
  injectFrame(base: number, port: number, frame: Uint8Array): boolean {
    const { length } = frame;
    if (port < 0 || length < ETHERNET_HEADER || length > this.#made.length) return this.#refuseMade(base);
    this.#made.set(frame);
    return this.#sendMade(base, port, this.#made, length, INJECTED_FRAME);
  }

  /**
   * Sends a copy of the packet at hand out of another port, and books it.
   *
   * @param asItStands - what hooks have made of it
   * @param most - octets of the frame that are sent at most
   */
  mirror(packet: PacketInHand, port: number, asItStands: MirroredPacket, most: number): boolean {
    const { frame, way, base, offset, isSuper } = packet;
    const { bytes, layout } = asItStands;
    const size = layout.length;
    const isSound = offset <= LINK_ROOM && offset <= frame.length && size <= MAX_DATAGRAM;
    // In `tap` nothing is sent.
    if (port < 0 || way.outPort < 0 || !isSound || !(most > offset)) return this.#refuseMade(base);
    const { made } = this;
    const copy = viewFrom(this.#made, this.#madeFrom, offset);
    copyHead(frame.octets, copy, offset);
    made.set(bytes.length <= WHOLE ? bytes : bytes.subarray(0, size));
    this.#limits.settleLength(packet, copy, 0, size);
    const total = offset + size;
    if (isSuper && total <= most && this.#isCuttable(packet, layout)) {
      if (!this.#segmentsFit(packet, made, 0, layout, this.#limits.ofFrame(port, copy))) return this.#refuseMade(base);
      fillPseudoSum(made, layout);
      const start = offset + layout.transportOffset;
      const isSent = this.#driver.transmitSuper?.(port, copy, total, start, MIRRORED_PACKET) === true;
      return isSent ? this.#bookMade(base, total) : this.#refuseMade(base);
    }
    if (packet.isPartial || isSuper || asItStands.isPartial) settleChecksums(made, size);
    return this.#sendMade(base, port, copy, Math.min(total, most), MIRRORED_PACKET);
  }

  /** The datagram in its place can be cut as the super-frame was to be. */
  #isCuttable(packet: PacketInHand, { protocol, isFragment }: IpLayout): boolean {
    if (this.#driver.transmitSuper === undefined || this.#writer !== null || isFragment) return false;
    return protocol === packet.layout.protocol && (protocol === TCP || protocol === UDP);
  }

  #sendMade(base: number, port: number, frame: Buffer, length: number, purpose: number): boolean {
    const writer = this.#writer;
    const isSent =
      writer === null ? this.#driver.transmit(port, frame, length, purpose) : writer.write(port, frame, length);
    return isSent ? this.#bookMade(base, length) : this.#refuseMade(base);
  }

  #bookMade(base: number, length: number): true {
    this.#add(base + INJECTED, 1);
    this.#countSent(base, length);
    return true;
  }

  #refuseMade(base: number): false {
    this.#answers.bookRefused(base, INJECTION, 0);
    return false;
  }

  #loseReply(base: number): void {
    this.#add(base + REPLIED, -1);
    this.#bookLost(base, LOST_SEND_ERROR);
  }

  #refuseReset(base: number): void {
    this.#add(base + RESETS, -1);
    this.#add(base + RESETS_REFUSED, 1);
  }

  /** Sends the datagrams that are queued, and returns how many of them were refused. */
  flush(): number {
    return this.#sender?.flush?.() ?? 0;
  }

  /** A datagram that the sender had taken did not go: what was booked for it is booked as refused instead. */
  onRefused(tag: number, length: number, errno: number): void {
    const base = Math.trunc(tag / KINDS);
    const kind = tag % KINDS;
    this.#add(base + SENT, -1);
    this.#add(base + SENT_OCTETS, -length);
    if (kind === REPLY_DATAGRAM) this.#loseReply(base);
    else if (kind === RESET_DATAGRAM) this.#refuseReset(base);
    else {
      this.#add(base + (kind === ICMP_ERROR ? ICMP_ERRORS : INJECTED), -1);
      this.#answers.bookRefused(base, kind, errno);
    }
  }

  /** The datagram of `#datagram` does not fit the way out: fragments where IPv4 allows them, else an answer and the loss. */
  #tooLong(packet: PacketInHand, port: number, size: number, layout: IpLayout): void {
    if (layout.version === 4 && !forbidsFragments(this.#datagram)) {
      this.#sendFragments(packet, port, size, layout.headerLength);
      return;
    }
    this.#refuse(packet, port, size - packet.layout.length);
  }

  /**
   * The loss of a packet that cannot be made to fit, and the answer to it.
   *
   * @param gained - octets that hooks made it longer by: whoever sent it has to leave room for them
   */
  #refuse(packet: PacketInHand, port: number, gained: number): void {
    const { layout } = packet;
    const mtu = this.#limits.ofMade(packet, port) - packet.offset;
    this.#lose(packet.base, LOST_TOO_LONG);
    // A port that sends nothing has no MTU to tell.
    if (mtu <= 0 || !this.#mayAnswerNow(packet, true)) return;
    const { bytes } = this.#arrival;
    const room = this.#answerRoom(packet);
    const least = layout.version === 4 ? LEAST_MTU_IPV4 : LEAST_MTU_IPV6;
    // Below the least MTU of its family nobody goes; a way out that has less says so as it is.
    const told = Math.max(mtu - Math.max(gained, 0), Math.min(mtu, least));
    this.#answer(packet, buildTooBig(bytes, layout, told, this.#made, LINK_ROOM, room));
  }

  #sendFragments(packet: PacketInHand, port: number, size: number, headerLength: number): void {
    const { frame, base, offset } = packet;
    const step = fragmentPayload(headerLength, this.#limits.ofMade(packet, port) - offset);
    if (step === 0) {
      this.#lose(base, LOST_TOO_LONG);
      return;
    }
    frame.octets.copy(this.#made, 0, 0, offset);
    let count = 0;
    for (let from = 0; from < size - headerLength; from += step) {
      const written = writeFragment(this.#datagram, headerLength, size, from, step, this.#made, offset);
      this.#limits.settleLength(packet, this.#made, 0, written);
      if (!this.#send(base, port, this.#made, offset + written, count === 0 ? FORWARDED_PACKET : LATER_FRAGMENT)) {
        // The frames already out are frames sent all the same; the receiver drops the incomplete datagram.
        this.#add(base + EXTRA_FRAGMENTS, count);
        this.#lose(base, LOST_SEND_ERROR);
        return;
      }
      count += 1;
    }
    this.#add(base + EXTRA_FRAGMENTS, count - 1);
    this.#add(base + FORWARDED, 1);
  }

  /** True when an ICMP error may go out now, which is then paid for; otherwise booked, where one was due. */
  #mayAnswerNow(packet: PacketInHand, isTooBig: boolean): boolean {
    const { way, frame, offset } = packet;
    // Labels are given out by whoever receives them: those of one direction mean nothing, or something else, in the other.
    const isOneWay = way.reject !== 'raw' && hasLabels(frame.octets, offset, this.#limits.linktypeOf(way.inPort));
    return this.#answers.mayGo(packet, this.#arrival.bytes, isOneWay, isTooBig);
  }

  /** Octets that an ICMP error may have on the way back: no router may have to cut it. */
  #answerRoom({ way, frame, offset }: PacketInHand): number {
    const limit = this.#limits.ofFrame(way.reject === 'link' ? way.rejectPort : way.inPort, frame.octets);
    return limit > offset ? limit - offset : MAX_ICMP_ERROR;
  }

  /** Sends the ICMP error of `size` octets that stands in {@link Egress.made}. */
  #answer(packet: PacketInHand, size: number): void {
    const { way, base } = packet;
    if (this.sendBack(packet, size, ANSWER, ICMP_ERROR)) this.#add(base + ICMP_ERRORS, 1);
    else this.#answers.bookRefused(base, ICMP_ERROR, way.reject === 'link' ? 0 : (this.#sender?.refusal ?? 0));
  }

  /**
   * Sends the datagram that stands in {@link Egress.made} to where the packet came from, and books the frame as sent.
   *
   * @param purpose - for a driver that could not send it after all
   * @param kind - the same for a sender of datagrams
   */
  sendBack(packet: PacketInHand, size: number, purpose: number, kind: number): boolean {
    const { way, base, frame, offset } = packet;
    if (way.reject !== 'link') {
      const isSent = this.#sender?.send(this.made, size, base * KINDS + kind) ?? false;
      if (isSent) this.#countSent(base, size);
      return isSent;
    }
    const made = viewFrom(this.#made, this.#madeFrom, offset);
    copyHead(frame.octets, made, offset);
    turnLinkHeader(made, this.#limits.linktypeOf(way.inPort));
    this.#limits.settleLength(packet, made, 0, size);
    return this.#send(base, way.rejectPort, made, offset + size, purpose);
  }

  /** Sends the datagram that stands in {@link Egress.made} to where the packet was to go, and books the frame as sent. */
  sendOn(packet: PacketInHand, size: number, purpose: number): boolean {
    const { way, base, frame, offset } = packet;
    if (way.outPort < 0 || offset > LINK_ROOM) return false;
    const made = viewFrom(this.#made, this.#madeFrom, offset);
    copyHead(frame.octets, made, offset);
    this.#limits.settleLength(packet, made, 0, size);
    return this.#send(base, way.outPort, made, offset + size, purpose);
  }

  /** Most octets of a datagram that goes back; 0 where nobody knows the way: labels lead one way only. */
  roomBack(packet: PacketInHand): number {
    const { way, frame, offset } = packet;
    if (way.reject === 'raw') return MAX_DATAGRAM;
    if (offset > LINK_ROOM || hasLabels(frame.octets, offset, this.#limits.linktypeOf(way.inPort))) return 0;
    const port = way.reject === 'link' ? way.rejectPort : way.inPort;
    return Math.min(MAX_DATAGRAM, Math.max(0, this.#limits.ofMade(packet, port) - offset));
  }

  #send(base: number, port: number, frame: Buffer, length: number, purpose = FORWARDED_PACKET): boolean {
    if (!this.#driver.transmit(port, frame, length, purpose)) return false;
    this.#countSent(base, length);
    return true;
  }

  #countSent(base: number, length: number): void {
    this.#add(base + SENT, 1);
    this.#add(base + SENT_OCTETS, length);
  }

  /** The packet in hand is lost. */
  #lose(base: number, reason: number): void {
    this.#bookLost(base, reason);
    if (this.#onLost !== null) this.#onLost(reason === LOST_TOO_LONG ? IS_TOO_LONG : NOT_SENT);
  }

  /** A packet is lost that may have been in hand long ago. */
  #bookLost(base: number, reason: number): void {
    this.#add(base + LOST, 1);
    this.#add(base + reason, 1);
  }

  #add(index: number, amount: number): void {
    this.#ledger[index] = (this.#ledger[index] as number) + amount;
  }
}
