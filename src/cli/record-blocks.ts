/**
 * A recorded packet as blocks of pcapng: the frame that came in, and each frame that went out for it.
 *
 * ```
 *   section │ interface "lan0 in" │ packet: in, comment │ interface "wan0 out" │ packet: out, comment │ packet ...
 * ```
 * Rule: an interface block stands before the first packet of its interface, and a packet says with `epb_packetid` which frames belong together.
 * `epb_verdict` is not written: it has numbers for hardware and for eBPF alone (draft-ietf-opsawg-pcapng, 4.3).
 *
 * @module
 */

import type { FrameLine, PacketLine } from '../control/trace-control.ts';
import { printable } from '../telemetry/printable.ts';
import {
  emitInterface,
  emitPacket,
  emitPacketOptions,
  emitSection,
  packetBlockLength,
} from '../wire/savefile-pcapng.ts';
import { changeOf, endOf, verdictOf } from './show-trace.ts';

const NANOSECONDS_RESOLUTION = 9;
const NANOSECONDS = 1_000_000_000n;
const WORD_BITS = 32n;
const WORD_MASK = 0xffff_ffffn;
const IS_BIG_ENDIAN = false;

/** Makes the blocks of one file. */
export class RecordBlocks {
  readonly #snaplen: number;
  readonly #interfaces: string[] = [];
  #packets = 0;

  /** @param snaplen - most octets of a frame */
  constructor(snaplen: number) {
    this.#snaplen = snaplen;
  }

  /** How the file begins. Owned. */
  get head(): Buffer {
    return emitSection(IS_BIG_ENDIAN);
  }

  /** The blocks of a packet: of its frames, and of interfaces that are new. Owned. */
  blocksOf({ packet, frames = [] }: PacketLine): Buffer {
    this.#packets += 1;
    const comment = commentOf(packet);
    return Buffer.concat(frames.flatMap((frame) => this.#frame(frame, comment)));
  }

  #frame(frame: FrameLine, said: string): Buffer[] {
    const direction = frame.kind === 'in' ? 'in' : 'out';
    const name = `${printable(frame.name)} ${direction}`;
    const [id, head] = this.#interfaceOf(name, frame.linktype, direction);
    const comment = direction === 'in' || frame.kind === 'forwarded' ? said : `${frame.kind}; ${said}`;
    const options = emitPacketOptions({ comment, direction, packetId: this.#packets }, IS_BIG_ENDIAN);
    const octets = Buffer.from(frame.octets, 'base64');
    const units = BigInt(frame.seconds) * NANOSECONDS + BigInt(frame.nanoseconds);
    const record = {
      interfaceId: id,
      length: octets.length,
      originalLength: frame.length,
      timestampHigh: Number((units >> WORD_BITS) & WORD_MASK),
      timestampLow: Number(units & WORD_MASK),
    };
    const out = Buffer.alloc(packetBlockLength(octets.length, options.length));
    emitPacket(record, octets, options, out, 0, IS_BIG_ENDIAN);
    return [...head, out];
  }

  #interfaceOf(name: string, linktype: number, direction: 'in' | 'out'): [id: number, head: Buffer[]] {
    const key = `${linktype} ${name}`;
    const known = this.#interfaces.indexOf(key);
    if (known !== -1) return [known, []];
    const block = emitInterface(
      {
        linktype,
        snaplen: this.#snaplen,
        resolution: NANOSECONDS_RESOLUTION,
        name,
        description: direction === 'in' ? 'what firehook took in' : 'what firehook sent',
      },
      IS_BIG_ENDIAN,
    );
    return [this.#interfaces.push(key) - 1, [block]];
  }
}

/**
 * What became of a packet, in one line: the hook that decided with its verdict and reason, what hooks changed, what they did wrong.
 */
export function commentOf(packet: PacketLine['packet']): string {
  const decided = packet.hooks.find(({ hook }) => hook === packet.by);
  const verdict =
    decided === undefined
      ? []
      : [
          `hook ${decided.hook}: verdict ${verdictOf(decided)}${packet.reason === null ? '' : `, reason ${packet.reason}`}`,
        ];
  const others = packet.hooks.flatMap((hook) => {
    const change = changeOf(hook);
    const isTold = hook !== decided && hook.skipped === null && (hook.faults > 0 || hook.released);
    const said = isTold ? [verdictOf(hook)] : [];
    return [...said, ...(change === '' ? [] : [hook.replaced ? change : `changed ${change}`])].map(
      (text) => `hook ${hook.hook}: ${text}`,
    );
  });
  const waited = packet.resumed ? ['had waited'] : [];
  return printable([...verdict, ...others, ...waited, endOf({ ...packet, by: null, reason: null })].join('; '));
}
