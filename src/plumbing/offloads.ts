/**
 * The offloads that firehook switches: at the ends of detours, and LRO at ports.
 *
 * Rule: what a kernel does not have, or does not let anybody switch, is as good as off.
 *
 * @module
 */

import type { NetlinkSocket } from '../netlink/socket.ts';
import { hasKernel, KERNEL_WITH_UDP_SUPER } from './kernel.ts';
import {
  type Features,
  findEthtool,
  getFeatures,
  readFamily,
  readFeatures,
  setFeatures,
} from './netlink/ethtool-messages.ts';

/** Merges packets in hardware in a way that cannot be undone when they are sent on. */
const LRO = 'rx-lro';

/** Reads and switches offloads. */
export class Offloads {
  readonly #generic: NetlinkSocket;
  #family = 0;

  constructor(generic: NetlinkSocket) {
    this.#generic = generic;
  }

  /** Those that are on at an end of a detour and ought to be off. */
  async wrongAt(ifindex: number, end: 'near' | 'far', superFrames: 'cut' | 'whole'): Promise<string[]> {
    const { active, changeable } = await this.#read(ifindex);
    return [...active].filter((name) => changeable.has(name) && isUnwanted(name, end, superFrames));
  }

  /** True when LRO is on and can be switched off. */
  async hasLro(ifindex: number): Promise<boolean> {
    const { active, changeable } = await this.#read(ifindex);
    return active.has(LRO) && changeable.has(LRO);
  }

  /** Switches LRO. */
  async setLro(ifindex: number, isOn: boolean): Promise<void> {
    await this.set(ifindex, [LRO], isOn);
  }

  /** Switches offloads by name. */
  async set(ifindex: number, names: readonly string[], isOn: boolean): Promise<void> {
    const operation = `switch ${names.join(', ')} of interface ${ifindex} ${isOn ? 'on' : 'off'}`;
    await this.#generic.request(operation, [setFeatures(await this.#number(), ifindex, names, isOn)]);
  }

  async #read(ifindex: number): Promise<Features> {
    const request = getFeatures(await this.#number(), ifindex);
    return readFeatures(await this.#generic.request(`read the offloads of interface ${ifindex}`, [request]));
  }

  async #number(): Promise<number> {
    if (this.#family === 0) this.#family = readFamily(await this.#generic.request('find ethtool', [findEthtool()]));
    return this.#family;
  }
}

/**
 * `cut`: the kernel cuts super-frames and completes checksums on the way into the detour, for a driver that cannot take them.
 * `whole`: a packet socket drops the super-frames that a virtio-net header has no word for, unless they are cut here.
 */
function isUnwanted(name: string, end: 'near' | 'far', superFrames: 'cut' | 'whole'): boolean {
  if (superFrames === 'whole') {
    if (end === 'far') return false;
    return name === 'tx-sctp-segmentation' || (name === 'tx-udp-segmentation' && !hasKernel(KERNEL_WITH_UDP_SUPER));
  }
  return name === 'rx-gro' || (end === 'near' && /^tx-(checksum-.*|.*-segmentation)$/.test(name));
}
