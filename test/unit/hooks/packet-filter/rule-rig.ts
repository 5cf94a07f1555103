/**
 * Rules and packets without a lane: a compiled rule file, and the packet view that hooks are handed.
 *
 * Rule: the view and the context are the real ones; only the names of interfaces are the test's.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { RuleFilter } from '../../../../hooks/_packet-filter/compile.ts';
import { parseRules } from '../../../../hooks/_packet-filter/parse.ts';
import { IP_RECEIVE, IP_TRANSMIT } from '../../../../src/firewall/constants.ts';
import { systemPool } from '../../../../src/firewall/ddk.ts';
import { IPRcvBuf } from '../../../../src/firewall/ip-rcv-buf.ts';
import { ChainFlows } from '../../../../src/hook/chain-flows.ts';
import { ContextState, ContextView } from '../../../../src/hook/packet/context-view.ts';
import type { Context, Packet } from '../../../../src/hook/packet/packet-contract.ts';
import { PacketState } from '../../../../src/hook/packet/packet-state.ts';
import { PacketView } from '../../../../src/hook/packet/packet-view.ts';
import { IpLayout, parseIpLayout } from '../../../../src/wire/ip-layout.ts';
import { INTERFACES, type PacketSpec } from '../../../support/rule-sets.ts';

/** Compiles a text, with the interfaces of {@link INTERFACES}; states are taken, and no packet has one. */
export function compile(text: string): RuleFilter {
  const file = parseRules(text, 'rules.txt');
  return new RuleFilter(file, { interfaceIndex: (name) => INTERFACES[name] ?? null, interfaces: 'those of the test' });
}

/** Said of a packet that is of no interface; one object for all of them, so that none is made for a packet. */
const NOWHERE: Partial<PacketSpec> = {};

/** One packet after the other, as a hook sees it. */
export class Viewer {
  readonly packet: Packet;
  readonly context: Context;
  readonly #state = new PacketState(systemPool, new ChainFlows({ most: 1, timeouts: {} }, {}));
  readonly #context = new ContextState();
  readonly #layout = new IpLayout();
  readonly #lent = new IPRcvBuf();

  constructor() {
    this.packet = new PacketView(this.#state);
    this.context = new ContextView(this.#context);
  }

  /** Shows a datagram. @param bytes - borrowed until the next one */
  show(bytes: Buffer, { arrival, departure, direction }: Partial<PacketSpec> = NOWHERE): void {
    // The layout is that of the packet before until then.
    this.#state.settle();
    const isSound = parseIpLayout(bytes, 0, bytes.length, bytes.length, this.#layout);
    if (!isSound) assert.fail(`malformed: ${bytes.toString('hex')}`);
    this.#state.begin(this.#lent, bytes, this.#layout);
    this.#context.direction = direction === 'out' ? IP_TRANSMIT : IP_RECEIVE;
    this.#context.recvInterfaceIndex = INTERFACES[arrival ?? ''] ?? 0;
    this.#context.sendInterfaceIndex = INTERFACES[departure ?? ''] ?? 0;
  }
}
