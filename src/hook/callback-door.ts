/**
 * The seven arguments of one firewall hook callback: cells that are filled before each call and read after it.
 *
 * Rule: each callback has cells of its own, so that what one of them leaves there, or does to them, no other meets. They are
 * made once. They cannot be given accessors: to read one runs no code of a hook.
 *
 * Source: `ipfirewall.h`, `IPPacketFirewallPtr`.
 *
 * @module
 */

import type { FIREWALL_CONTEXT_T, IPPacketFirewallPtr, Ref } from '../firewall/constants.ts';
import { IP_RECEIVE, SIZEOF_FIREWALL_CONTEXT_T } from '../firewall/constants.ts';
import type { IPRcvBuf } from '../firewall/ip-rcv-buf.ts';
import type { Verdict } from './contract.ts';
import type { ContextState } from './packet/context-view.ts';

/** One callback and its cells. */
export class CallbackDoor {
  /** What the last call left in its cells as the packet's new chain; null for none. */
  handedOver: IPRcvBuf | null = null;
  /** A second chain in its other cell, which stands for nothing. */
  spare: IPRcvBuf | null = null;
  readonly #callback: IPPacketFirewallPtr;
  readonly #pData = cell<IPRcvBuf | null>(null);
  readonly #pSendInterfaceIndex = cell(0);
  readonly #pDestinationType = cell(0);
  readonly #ppRcvBuf = cell<IPRcvBuf | null>(null);
  readonly #context: FIREWALL_CONTEXT_T = Object.seal({
    Direction: IP_RECEIVE,
    NTE: null,
    LinkCtxt: null,
    LContext1: null,
    LContext2: 0,
  });

  constructor(callback: IPPacketFirewallPtr) {
    this.#callback = callback;
  }

  /**
   * Calls it. What it throws comes through; what it returns may be no verdict.
   *
   * @param current - head of the chain that stands for the packet
   * @param context - takes the interface of departure and the destination type over, whatever they are now
   */
  call(current: IPRcvBuf | null, context: ContextState): Verdict {
    const firewallContext = this.#context;
    this.#pData.value = current;
    this.#ppRcvBuf.value = null;
    this.#pSendInterfaceIndex.value = context.sendInterfaceIndex;
    this.#pDestinationType.value = context.destinationType;
    firewallContext.Direction = context.direction;
    firewallContext.NTE = null;
    firewallContext.LinkCtxt = null;
    firewallContext.LContext1 = null;
    firewallContext.LContext2 = 0;
    const verdict = this.#callback(
      this.#pData,
      context.recvInterfaceIndex,
      this.#pSendInterfaceIndex,
      this.#pDestinationType,
      firewallContext,
      SIZEOF_FIREWALL_CONTEXT_T,
      this.#ppRcvBuf,
    );
    context.sendInterfaceIndex = this.#pSendInterfaceIndex.value;
    context.destinationType = this.#pDestinationType.value;
    return verdict;
  }

  /** Reads what the callback left, whether it returned or threw. Never throws. */
  collect(current: IPRcvBuf | null): void {
    const replacement = this.#ppRcvBuf.value ?? null;
    const data = this.#pData.value === current ? null : (this.#pData.value ?? null);
    this.handedOver = replacement ?? data;
    this.spare = data === this.handedOver ? null : data;
  }
}

function cell<T>(value: T): Ref<T> {
  return Object.seal({ value });
}
