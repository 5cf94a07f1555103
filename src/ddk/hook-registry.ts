/**
 * What `\Device\Ip` does with IOCTL_IP_SET_FIREWALL_HOOK: callbacks are added to the chain and taken away.
 *
 * Rule: the callback is the key. It is in force from the next packet on. A driver may have several callbacks, each with a
 * priority of its own; larger runs first.
 *
 * Source: `ipfirewall.h`. Microsoft published no status of a registration that fails; those here are firehook's choice.
 *
 * @module
 */

import type { IPPacketFirewallPtr } from '../firewall/constants.ts';
import {
  IOCTL_IP_SET_FIREWALL_HOOK,
  STATUS_INVALID_DEVICE_REQUEST,
  STATUS_INVALID_PARAMETER,
} from '../firewall/constants.ts';
import type { DriverHost } from './host.ts';
import { SIZEOF_IP_SET_FIREWALL_HOOK_INFO } from './io-types.ts';
import { NT_SUCCESS } from './status.ts';
import type { NTSTATUS } from './types.ts';

/** Parameters of a callback. */
const CALLBACK_PARAMETERS = 7;
const MAX_PRIORITY = 0xffffffff;

/** The callbacks of one driver. */
export class HookRegistry {
  readonly #host: DriverHost;
  readonly #callbacks = new Map<IPPacketFirewallPtr, number>();

  constructor(host: DriverHost) {
    this.#host = host;
  }

  /**
   * Answers a request to `\Device\Ip`.
   *
   * @param code - control code
   * @param isInternal - it came as IRP_MJ_INTERNAL_DEVICE_CONTROL
   * @param input - an IP_SET_FIREWALL_HOOK_INFO, if it is a right one
   * @param inputLength - the length that the driver gave for it
   */
  answer(code: number, isInternal: boolean, input: unknown, inputLength: number): NTSTATUS {
    if (isInternal || code !== IOCTL_IP_SET_FIREWALL_HOOK) return STATUS_INVALID_DEVICE_REQUEST;
    if (inputLength !== SIZEOF_IP_SET_FIREWALL_HOOK_INFO) return STATUS_INVALID_PARAMETER;
    if (typeof input !== 'object' || input === null) return STATUS_INVALID_PARAMETER;
    const { FirewallPtr, Priority, Add } = input as Readonly<Record<string, unknown>>;
    if (!isRoutine(FirewallPtr, CALLBACK_PARAMETERS)) return STATUS_INVALID_PARAMETER;
    const callback = FirewallPtr as IPPacketFirewallPtr;
    // C has TRUE and FALSE as numbers, and samples write 1.
    if (typeof Add !== 'boolean' && typeof Add !== 'number') return STATUS_INVALID_PARAMETER;
    return Add ? this.#add(callback, Priority) : this.#remove(callback);
  }

  /** Callbacks that were not deleted, one sentence each. */
  leftovers(): string[] {
    return Array.from(this.#callbacks, ([callback, priority]) => {
      const name = callback.name === '' ? 'A callback' : `Callback ${callback.name}`;
      return `${name} (priority ${priority}) was not deleted with Add = FALSE.`;
    });
  }

  /** Takes every callback out of the chain. */
  takeBack(): void {
    for (const callback of this.#callbacks.keys()) this.#host.removeCallback(callback);
    this.#callbacks.clear();
  }

  #add(callback: IPPacketFirewallPtr, priority: unknown): NTSTATUS {
    if (!isPriority(priority) || this.#callbacks.has(callback)) return STATUS_INVALID_PARAMETER;
    const status = this.#host.addCallback(callback, priority) >>> 0;
    if (NT_SUCCESS(status)) this.#callbacks.set(callback, priority);
    return status;
  }

  #remove(callback: IPPacketFirewallPtr): NTSTATUS {
    if (!this.#callbacks.has(callback)) return STATUS_INVALID_PARAMETER;
    const status = this.#host.removeCallback(callback) >>> 0;
    if (NT_SUCCESS(status)) this.#callbacks.delete(callback);
    return status;
  }
}

/** True for a function of at most so many parameters that is neither async nor a generator: a promise is no verdict. */
export function isRoutine(value: unknown, parameters: number): boolean {
  if (typeof value !== 'function' || value.length > parameters) return false;
  return Object.prototype.toString.call(value) === '[object Function]';
}

function isPriority(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= MAX_PRIORITY;
}
