/**
 * Events of packets that did not go on: which hook, which reason, and the first octets, as they came.
 *
 * ```
 *   lane: a packet ends ─> counted for its hook and reason, the hook's own where it gave one ─ sampled out ─> counted: the next event of the kind says how many
 *                                                          └ written ─> slot of the ring: numbers and at most 128 octets; text is made elsewhere
 * ```
 * Rule: no object, no text and no call into a hook. What a packet costs that is sampled out is a number that goes down; a packet that goes on
 * never comes here.
 *
 * @see ../events/event-layout.ts for the slot
 * @module
 */

import {
  AT_COPIED,
  AT_COPY,
  AT_DROP_FLOW,
  AT_DROP_GENERATION,
  AT_NOTE_LENGTH,
  AT_PACKET_LENGTH,
  AT_REASON,
  AT_SUPPRESSED,
  AT_TRANSPORT,
  AT_WAY,
  DROP_REASONS,
  DROP_VERDICTS,
  type DropReason,
  MOST_COPIED,
  NO_HOOK,
  STARTS_WITH_ETHERNET,
  STARTS_WITH_IP,
  STARTS_WITH_OTHER,
  TYPE_DROP,
} from '../events/event-layout.ts';
import { Sampler, type SampleSettings } from '../events/sampler.ts';
import { DROP, ICMP_ON_DROP } from '../firewall/constants.ts';
import { NO_FLOW } from '../hook/chain-flows.ts';
import { REPLY, RESET, type Verdict } from '../hook/contract.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import type { HookEvents } from '../hook/hook-events.ts';
import { HookReasons, NO_REASON } from '../hook/hook-reasons.ts';
import { LINKTYPE_ETHERNET } from '../wire/link.ts';
import { LEDGER_WIDTH } from './ledger.ts';
import { NO_DATAGRAM, type PacketInHand } from './packet-in-hand.ts';

/** Numbers of the reasons. */
export const BY_HOOK: number = numberOf('hook');
export const BY_FAULT: number = numberOf('fault');
export const IS_MALFORMED: number = numberOf('malformed');
export const IS_NON_IP: number = numberOf('non_ip');
export const IS_UNREADABLE: number = numberOf('unreadable');
export const POOL_EMPTY: number = numberOf('pool');
export const IS_TOO_LONG: number = numberOf('too_long');
export const NOT_SENT: number = numberOf('send_error');
export const IS_TRUNCATED: number = numberOf('truncated');

const NO_VERDICT = 0;
const REASONS = DROP_REASONS.length;
const TCP_HEADER = 20;

function numberOf(reason: DropReason): number {
  return DROP_REASONS.indexOf(reason);
}

/** What {@link DropEvents} is made of. */
export interface DropEventOptions {
  readonly events: HookEvents;
  readonly chain: HookChain;
  /** Those that its hooks have declared. @defaultValue none */
  readonly reasons?: HookReasons;
  readonly sample: SampleSettings;
  /** Of a port of the driver. */
  readonly linktypeOf: (port: number) => number;
}

/** The events of one lane. */
export class DropEvents {
  readonly #events: HookEvents;
  readonly #chain: HookChain;
  readonly #sampler: Sampler;
  readonly #linktypeOf: DropEventOptions['linktypeOf'];
  readonly #reasons: HookReasons;
  /** Kinds by hook and reason; behind them one for each reason that hooks have declared. */
  readonly #ownKinds: number;

  constructor({ events, chain, reasons = new HookReasons(), sample, linktypeOf }: DropEventOptions) {
    this.#events = events;
    this.#chain = chain;
    this.#linktypeOf = linktypeOf;
    // Those of no hook come first.
    this.#ownKinds = (Math.max(-1, ...chain.owners) + 2) * REASONS;
    this.#reasons = reasons;
    this.#sampler = new Sampler(this.#ownKinds + reasons.count, sample);
    events.watch(this.#sampler);
  }

  /** The hooks ended the packet. To be called before the chain is released. */
  byHook(packet: PacketInHand, verdict: Verdict): void {
    const { decidedBy, owners, byFault } = this.#chain;
    // Below -1 it was the pool that had nothing.
    const owner = decidedBy < 0 ? -1 : (owners[decidedBy] as number);
    const reason = decidedBy < -1 ? POOL_EMPTY : byFault ? BY_FAULT : BY_HOOK;
    const note = reason === BY_HOOK ? this.#chain.decidedReason : NO_REASON;
    const key = note === NO_REASON ? (owner + 1) * REASONS + reason : this.#ownKinds + note;
    if (this.#sampler.takes(key, packet.frame.seconds | 0))
      this.#write(packet, key, owner, reason, reason === POOL_EMPTY ? NO_VERDICT : verdictNumber(verdict), note);
  }

  /** firehook itself ended the packet. */
  byItself(packet: PacketInHand, reason: number): void {
    if (this.#sampler.takes(reason, packet.frame.seconds | 0))
      this.#write(packet, reason, -1, reason, NO_VERDICT, NO_REASON);
  }

  /** Apart from the question whether it is told: what is small is put into its caller by the engine. */
  #write(packet: PacketInHand, key: number, owner: number, reason: number, verdict: number, note: number): void {
    const { frame } = packet;
    const writer = this.#events.open(owner < 0 ? NO_HOOK : owner, TYPE_DROP);
    if (writer === null) {
      this.#sampler.keep(key);
      return;
    }
    const { layout, way } = packet;
    const isDatagram = packet.offset !== NO_DATAGRAM;
    const start = isDatagram ? STARTS_WITH_IP : this.#startOf(frame.port);
    const flows = this.#chain.flows;
    const flow = flows === null || !isDatagram ? NO_FLOW : flows.index;
    const bytes = isDatagram ? this.#chain.arrival.bytes : frame.octets;
    const length = isDatagram ? layout.length : frame.length;
    const wanted = isDatagram ? layout.transportOffset + TCP_HEADER : MOST_COPIED;
    const hasTransport = isDatagram && layout.fragmentOffset === 0;
    const copied = Math.min(wanted, length, bytes.length, MOST_COPIED);
    writer.time(frame.seconds, frame.nanoseconds);
    writer.arrival(way.recvInterfaceIndex);
    writer.octets(AT_REASON, reason, verdict, start);
    writer.word(AT_WAY, packet.base / LEDGER_WIDTH);
    writer.word(AT_PACKET_LENGTH, length);
    writer.word(AT_DROP_FLOW, flow);
    writer.word(AT_DROP_GENERATION, flow === NO_FLOW ? 0 : (flows?.table.records.generationOf(flow) ?? 0));
    writer.double(AT_SUPPRESSED, this.#sampler.left(key));
    writer.word(AT_TRANSPORT, hasTransport ? layout.transportOffset : -1);
    writer.word(AT_COPIED, copied);
    writer.copy(AT_COPY, bytes, copied);
    if (isDatagram) writer.ends(layout.version, layout.protocol, -1, -1);
    const text = this.#reasons.textOf(note) ?? '';
    writer.octet(AT_NOTE_LENGTH, text.length);
    writer.ascii(AT_COPY + copied, text);
    writer.endAt(AT_COPY + copied + text.length);
    writer.commit();
  }

  #startOf(port: number): number {
    return this.#linktypeOf(port) === LINKTYPE_ETHERNET ? STARTS_WITH_ETHERNET : STARTS_WITH_OTHER;
  }
}

function verdictNumber(verdict: Verdict): number {
  switch (verdict) {
    case DROP:
      return DROP_VERDICTS.indexOf('DROP');
    case ICMP_ON_DROP:
      return DROP_VERDICTS.indexOf('ICMP_ON_DROP');
    case REPLY:
      return DROP_VERDICTS.indexOf('REPLY');
    case RESET:
      return DROP_VERDICTS.indexOf('RESET');
    default:
      return NO_VERDICT;
  }
}
