/**
 * The firewall hook for IPv6: IPv6EnableFirewallHook and its kin.
 *
 * ```
 *   IPv6 header, extension headers | transport header | the rest
 *                                   HeaderData         IPv6ObtainPacketData: DataLength octets
 * ```
 * Rules, as published: one hook at a time; it accepts or drops and cannot change a packet. Here it cannot even try: header
 * and data are copies, so what a driver writes is lost, not sent. Called for every IPv6 packet, at DISPATCH_LEVEL.
 *
 * `PayloadLength` is what its page says, octets without the IPv6 header. A driver is on record that found the header counted in on
 * receive; the option `IPv6PayloadLengthIncludesHeader: true` does it that way.
 *
 * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff548971(v=vs.85)
 *
 * @module
 */

import { STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_SUCCESS } from '../firewall/constants.ts';
import { readU8 } from '../wire/bytes.ts';
import { DESTINATION_OFFSET, HEADER_LENGTH, NEXT_ICMPV6, SOURCE_OFFSET } from '../wire/ipv6.ts';
import { bugCheck } from './bug-check.ts';
import { DISPATCH_LEVEL } from './dispatcher-objects.ts';
import { isRoutine } from './hook-registry.ts';
import type { DriverHost } from './host.ts';
import { ActionAccept, ActionDrop, DirectionReceive, type IPv6FirewallHookProc } from './ipv6-types.ts';
import type { Processor } from './processor.ts';
import type { NTSTATUS, UINT } from './types.ts';

const HOOK_PARAMETERS = 10;
const PROTOCOL_TCP = 6;
const PROTOCOL_UDP = 17;
const PROTOCOL_SCTP = 132;
/** Octets of a transport header whose protocol has no fixed one: what ICMP quotes of it (RFC 792). */
const SHORTEST_HEADER = 8;

/** What a PacketContext stands for, while its call lasts. */
interface Packet {
  readonly bytes: Buffer;
  readonly dataOffset: number;
  readonly dataLength: number;
}

/** The IPv6 hook of one driver. */
export class Ipv6Hook {
  readonly #host: DriverHost;
  readonly #processor: Processor;
  #includesHeader = false;
  #hook: IPv6FirewallHookProc | null = null;
  /** The context that is good now. */
  #context: object | null = null;
  #packet: Packet | null = null;

  constructor(host: DriverHost, processor: Processor) {
    this.#host = host;
    this.#processor = processor;
  }

  /** The hook that was not disabled, in a sentence. */
  leftovers(): string[] {
    return this.#hook === null ? [] : ['The IPv6 hook was not disabled with IPv6DisableFirewallHook.'];
  }

  /** Takes the hook out. */
  takeBack(): void {
    if (this.#hook !== null) this.disable(() => undefined);
  }

  enable(hook: IPv6FirewallHookProc): NTSTATUS {
    if (this.#hook !== null) return STATUS_INVALID_DEVICE_REQUEST;
    const isSet = this.#host.setIpv6Hook((bytes, length, transportOffset, protocol, interfaceIndex, direction) =>
      this.#call(hook, bytes, length, transportOffset, protocol, interfaceIndex, direction),
    );
    if (!isSet) return STATUS_INVALID_DEVICE_REQUEST;
    const options = Object(this.#host.parameters) as Readonly<Record<string, unknown>>;
    this.#includesHeader = options['IPv6PayloadLengthIncludesHeader'] === true;
    this.#hook = hook;
    return STATUS_SUCCESS;
  }

  disable(done: () => void): void {
    if (this.#hook === null) {
      done();
      return;
    }
    this.#hook = null;
    this.#host.clearIpv6Hook(done);
  }

  obtain(context: unknown, length: number, alignment: number): Uint8Array | null {
    const packet = this.#packet;
    if (packet === null || context !== this.#context) return null;
    const isPowerOfTwo = Number.isInteger(alignment) && alignment > 0 && (alignment & (alignment - 1)) === 0;
    if (!isPowerOfTwo || !Number.isInteger(length) || length < 0 || length > packet.dataLength) return null;
    return Uint8Array.from(packet.bytes.subarray(packet.dataOffset, packet.dataOffset + length));
  }

  #call(
    hook: IPv6FirewallHookProc,
    bytes: Buffer,
    length: number,
    transportOffset: number,
    protocol: number,
    interfaceIndex: number,
    direction: 0 | 1,
  ): boolean {
    const at = Math.min(transportOffset, length);
    const dataOffset = Math.min(at + headerLength(bytes, at, length, protocol), length);
    const context = Object.freeze({});
    this.#context = context;
    this.#packet = { bytes, dataOffset, dataLength: length - dataOffset };
    const counted = this.#includesHeader && direction === DirectionReceive ? length : length - HEADER_LENGTH;
    try {
      const action: unknown = this.#processor.run('the IPv6 hook', DISPATCH_LEVEL, () =>
        hook(
          Uint8Array.from(bytes.subarray(SOURCE_OFFSET, DESTINATION_OFFSET)),
          Uint8Array.from(bytes.subarray(DESTINATION_OFFSET, HEADER_LENGTH)),
          counted,
          protocol,
          Uint8Array.from(bytes.subarray(at, dataOffset)),
          context,
          length - dataOffset,
          interfaceIndex,
          direction,
          false,
        ),
      );
      if (action === ActionAccept || action === ActionDrop) return action === ActionAccept;
      throw new TypeError(`the IPv6 hook returned ${String(action)}, which is no IPv6Action`);
    } finally {
      this.#context = null;
      this.#packet = null;
    }
  }
}

/** Makes the functions over one hook. */
export function createIpv6Functions(ipv6: Ipv6Hook, processor: Processor) {
  return {
    /**
     * Sets the hook for IPv6, from the next packet on.
     *
     * Ownership: borrows the function until IPv6DisableFirewallHook.
     * @param FirewallHookFunction - at most ten parameters, not async
     * @returns STATUS_SUCCESS; STATUS_INVALID_DEVICE_REQUEST while a hook, of whatever driver, is set; STATUS_INVALID_PARAMETER for what is
     * no such function
     * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff548997(v=vs.85)
     */
    IPv6EnableFirewallHook(FirewallHookFunction: IPv6FirewallHookProc): NTSTATUS {
      if (!isRoutine(FirewallHookFunction, HOOK_PARAMETERS)) return STATUS_INVALID_PARAMETER;
      return ipv6.enable(FirewallHookFunction);
    },

    /**
     * Takes the hook away. Nothing calls it after the completion routine. Where this driver has none set, it is called at once, and a
     * hook of another driver stays: on Windows it would go.
     *
     * @param CompletionRoutine - called when no call of the hook is under way: at once, or, from within the hook, after it returned
     * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA when it is no function
     * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff548996(v=vs.85)
     */
    IPv6DisableFirewallHook(CompletionRoutine: () => void): void {
      if (!isRoutine(CompletionRoutine, 0)) {
        throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', 'IPv6DisableFirewallHook', 'no completion routine');
      }
      ipv6.disable(() => processor.run('the completion routine', DISPATCH_LEVEL, CompletionRoutine));
    },

    /**
     * Gives what follows the transport header, for the packet of the hook that runs.
     *
     * Ownership: the octets are a copy, the driver's to keep.
     * @param PacketContext - what the hook was handed
     * @param DataLength - octets, at most as many as the hook was told
     * @param Alignment - a power of two; otherwise it makes no difference here
     * @returns null outside of the hook, for more octets than there are, and for another alignment
     * @see https://learn.microsoft.com/en-us/previous-versions/windows/hardware/network/ff549004(v=vs.85)
     */
    IPv6ObtainPacketData(PacketContext: unknown, DataLength: UINT, Alignment: UINT): Uint8Array | null {
      return ipv6.obtain(PacketContext, DataLength, Alignment);
    },
  };
}

function headerLength(bytes: Buffer, at: number, length: number, protocol: number): number {
  switch (protocol) {
    case PROTOCOL_TCP:
      // A data offset below 5 is a malformed header; then the fixed part is what there is.
      return at + 12 < length ? Math.max((readU8(bytes, at + 12) >>> 4) * 4, 20) : length - at;
    case PROTOCOL_SCTP:
      return 12;
    case PROTOCOL_UDP:
    case NEXT_ICMPV6:
      return 8;
    default:
      return SHORTEST_HEADER;
  }
}
