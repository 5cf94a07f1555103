/**
 * Two hooks, one through each door, that do at random what a hook must not do, and now and then what it may.
 *
 * Rule: they are wrong, not hostile: they write anything into what they are handed and use every function they are given
 * in the wrong order, but they do not redefine the properties of the runtime's objects.
 *
 * @module
 */

import {
  DROP,
  FORWARD,
  type FORWARD_ACTION,
  ICMP_ON_DROP,
  type IPPacketFirewallPtr,
  IPR_FLAG_CHECKSUM_OFFLOAD,
  NonPagedPool,
  SIZEOF_IPRCVBUF,
} from '../../src/firewall/constants.ts';
import {
  ExAllocatePoolWithTag,
  ExFreePool,
  FreeIprBuff,
  IPAllocBuff,
  IPFreeBuff,
  systemPool,
} from '../../src/firewall/ddk.ts';
import { IPRcvBuf } from '../../src/firewall/ip-rcv-buf.ts';
import type { OnPacket } from '../support/loaded-hook.ts';

/** Numbers below `bound`, the same for the same seed. */
export type Random = (bound: number) => number;

const VERDICTS: readonly unknown[] = [
  ...[FORWARD, FORWARD, FORWARD, FORWARD, DROP, ICMP_ON_DROP],
  ...[3, -1, 7, Number.NaN, 0.5, undefined, null, '0', true, 1n, {}, [], Promise.resolve(FORWARD), Symbol('verdict')],
];
const SIZES: readonly unknown[] = [
  0,
  1,
  19,
  20,
  1e9,
  -1,
  Number.NaN,
  0.5,
  Number.POSITIVE_INFINITY,
  '20',
  null,
  undefined,
];
const FLAGS: readonly unknown[] = [0, IPR_FLAG_CHECKSUM_OFFLOAD, -1, 2n, '2', Number.NaN, null];
const INDEXES: readonly unknown[] = [1, 2, 0, 99, 0xffffffff, -1, Number.NaN, 'eth0', undefined];

/** The hooks, and what they leave lying about. */
export interface Misbehaving {
  readonly onPacket: OnPacket;
  readonly firewallHook: IPPacketFirewallPtr;
  /** Frees what the hooks allocated and neither freed nor handed over. */
  cleanUp(): void;
}

/** Makes the pair. */
export function createMisbehaving(random: Random): Misbehaving {
  const made: IPRcvBuf[] = [];
  /** Descriptors of earlier packets: some freed, some the runtime's own. */
  const stale: IPRcvBuf[] = [];
  const pick = <T>(values: readonly T[]): T => values[random(values.length)] as T;

  function descriptor(size: number): IPRcvBuf | null {
    const fresh = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
    if (fresh === null) return null;
    made.push(fresh);
    if (size > 0) IPAllocBuff(fresh, size);
    return fresh;
  }

  /** A chain with the octets of `bytes`, cut where chance has it; null when the pool has no more. */
  function copyOf(bytes: Uint8Array): IPRcvBuf | null {
    let head: IPRcvBuf | null = null;
    for (let end = bytes.length; end > 0; ) {
      const start = random(3) === 0 ? random(end) : 0;
      const part = descriptor(end - start);
      if (part === null || part.ipr_buffer === null) return head;
      part.ipr_buffer.set(bytes.subarray(start, end));
      part.ipr_next = head;
      head = part;
      end = start;
    }
    return head;
  }

  /** A longer IPv4 datagram for a short one: many of them do not fit the way out. */
  function grown(bytes: Uint8Array): Uint8Array {
    const longer = Buffer.alloc(Math.min(60_000, bytes.length + random(4000)));
    longer.set(bytes);
    if ((longer[0] ?? 0) >>> 4 === 4) longer.writeUInt16BE(longer.length, 2);
    else longer.writeUInt16BE(Math.max(0, longer.length - 40), 4);
    return longer;
  }

  function anyChain(bytes: Uint8Array, current: IPRcvBuf | null): IPRcvBuf | null {
    switch (random(12)) {
      case 0:
      case 1:
      case 2:
        return copyOf(bytes);
      case 3:
      case 4:
        return copyOf(grown(bytes));
      case 5: {
        const noise = copyOf(bytes);
        noise?.ipr_buffer?.fill(random(256));
        return noise;
      }
      case 6: {
        const freed = copyOf(bytes);
        if (freed !== null) IPFreeBuff(freed);
        return freed;
      }
      case 7: {
        const cyclic = copyOf(bytes);
        if (cyclic !== null) cyclic.ipr_next = cyclic;
        return cyclic;
      }
      case 8: {
        const before = descriptor(random(40));
        if (before !== null) before.ipr_next = current;
        return before;
      }
      case 9:
        return pick([new IPRcvBuf(), undefined, 7, 'chain', {}, null]) as IPRcvBuf | null;
      case 10:
        return stale.length > 0 ? pick(stale) : null;
      default:
        return current;
    }
  }

  function meddle(chain: IPRcvBuf | null, bytes: Uint8Array): void {
    let at = chain;
    for (let steps = random(3); steps > 0 && at instanceof IPRcvBuf && at.ipr_next !== null; steps--) at = at.ipr_next;
    if (!(at instanceof IPRcvBuf)) return;
    switch (random(9)) {
      case 0:
        at.ipr_size = pick(SIZES) as number;
        break;
      case 1:
        at.ipr_next = anyChain(bytes, chain);
        break;
      case 2:
        at.ipr_buffer = pick([null, Buffer.alloc(10), {}, 'x']) as Buffer | null;
        break;
      case 3:
        at.ipr_flags = pick(FLAGS) as number;
        break;
      case 4:
        at.ipr_size -= random(30);
        break;
      case 5:
        at.ipr_next = null;
        break;
      case 6:
        IPFreeBuff(at);
        break;
      case 7:
        FreeIprBuff(at);
        break;
      default:
        if (at.ipr_buffer instanceof Buffer && at.ipr_buffer.length > 0) {
          for (let count = random(8); count > 0; count--)
            at.ipr_buffer[random(60) % at.ipr_buffer.length] = random(256);
        }
    }
  }

  function misuse(): void {
    // Without data: a descriptor that is freed before its data leaks it for good, as on Windows.
    const chain = descriptor(0);
    if (chain === null) return;
    ExFreePool(chain);
    try {
      ExFreePool(chain);
    } catch {
      // A hook that hides its fault.
    }
  }

  function remember(chain: IPRcvBuf | null): void {
    if (chain instanceof IPRcvBuf && random(8) === 0) stale[random(16)] = chain;
  }

  return {
    onPacket(packet, context) {
      const bytes = packet.bytes.subarray(0, packet.length);
      remember(packet.chain);
      for (let deeds = random(4); deeds > 0; deeds--) {
        switch (random(8)) {
          case 0:
            throw pick<unknown>([new Error('no'), undefined, 'text', Object.create(null), 7n]);
          case 1:
          case 2:
          case 3:
            packet.replace(anyChain(bytes, packet.chain) as IPRcvBuf);
            break;
          case 4:
          case 5:
            meddle(packet.chain, bytes);
            break;
          case 6:
            context.sendInterfaceIndex = pick(INDEXES) as number;
            context.destinationType = random(300);
            break;
          default:
            misuse();
        }
      }
      return pick(VERDICTS) as FORWARD_ACTION;
    },
    firewallHook(pData, _recv, pSend, pType, _context, _length, ppRcvBuf) {
      const chain = pData.value;
      remember(chain);
      const bytes = Buffer.from(chain?.ipr_buffer?.subarray(0, Math.min(2000, chain.ipr_size)) ?? []);
      for (let deeds = random(4); deeds > 0; deeds--) {
        switch (random(8)) {
          case 0:
            throw new Error('no');
          case 1:
          case 2:
            ppRcvBuf.value = anyChain(bytes, chain);
            break;
          case 3:
            pData.value = anyChain(bytes, chain);
            break;
          case 4:
          case 5:
            meddle(chain, bytes);
            break;
          case 6:
            pSend.value = pick(INDEXES) as number;
            pType.value = pick(INDEXES) as number;
            break;
          default:
            misuse();
        }
      }
      return pick(VERDICTS) as FORWARD_ACTION;
    },
    cleanUp() {
      for (const left of made) {
        left.ipr_next = null;
        systemPool.release(left);
      }
      made.length = 0;
    },
  };
}
