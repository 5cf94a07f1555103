/**
 * Classic BPF as sockets and tc filters take it: instructions, and the programs that look at what the kernel keeps beside a frame.
 *
 * ```
 *   struct sock_filter: code (2)  jump if true (1)  jump if false (1)  operand (4)      in the order of this machine
 * ```
 * Rule: a program returns -1, take all of it, or 0, leave it.
 *
 * @see bpf(4), include/uapi/linux/filter.h, Documentation/networking/filter.rst of the kernel
 * @module
 */

import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, TYPE_OFFSET } from '../wire/ethernet.ts';

/** Code, jump if true, jump if false, operand. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/** Octets of an instruction. */
export const INSTRUCTION_OCTETS = 8;

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const LOAD_BYTE = 0x30;
const IF_EQUAL = 0x15;
const IF_ANY_BIT = 0x45;
const RETURN = 0x06;
/** Beside the frame: SKF_AD_OFF + SKF_AD_PKTTYPE, and + SKF_AD_MARK. */
const PACKET_TYPE = 0xffff_f004;
const MARK = 0xffff_f014;
/** Of the first octet of a destination address: broadcast or multicast. */
const GROUP_BIT = 0x01;
/** linux/if_packet.h */
const PACKET_OUTGOING = 4;

/** Takes the frame. */
export const TAKE: Instruction = [RETURN, 0, 0, 0xffff_ffff];
/** Leaves the frame. */
export const LEAVE: Instruction = [RETURN, 0, 0, 0];

/** Goes on with what this host sends, and leaves what arrives. */
export const IF_OUTGOING: readonly Instruction[] = [
  [LOAD_WORD, 0, 0, PACKET_TYPE],
  [IF_EQUAL, 1, 0, PACKET_OUTGOING],
  LEAVE,
];

/** Takes frames with a mark (`skb->mark`), and leaves the others. */
export function takeMarked(mark: number): readonly Instruction[] {
  return [[LOAD_WORD, 0, 0, MARK], [IF_EQUAL, 0, 1, mark], TAKE, LEAVE];
}

/** Takes frames with a mark that carry IPv4 or IPv6 to one MAC address behind no tag, and leaves the others. */
export function takeMarkedUnicast(mark: number): readonly Instruction[] {
  return [
    [LOAD_WORD, 0, 0, MARK],
    [IF_EQUAL, 0, 6, mark],
    [LOAD_BYTE, 0, 0, 0],
    [IF_ANY_BIT, 4, 0, GROUP_BIT],
    [LOAD_HALF, 0, 0, TYPE_OFFSET],
    [IF_EQUAL, 1, 0, ETHERTYPE_IPV4],
    [IF_EQUAL, 0, 1, ETHERTYPE_IPV6],
    TAKE,
    LEAVE,
  ];
}

/** The octets of a program. */
export function assemble(instructions: readonly Instruction[]): Uint8Array {
  const octets = Buffer.alloc(instructions.length * INSTRUCTION_OCTETS);
  for (const [i, [code, ifTrue, ifFalse, operand]] of instructions.entries()) {
    octets.writeUInt16LE(code, i * INSTRUCTION_OCTETS);
    octets.writeUInt8(ifTrue, i * INSTRUCTION_OCTETS + 2);
    octets.writeUInt8(ifFalse, i * INSTRUCTION_OCTETS + 3);
    octets.writeUInt32LE(operand, i * INSTRUCTION_OCTETS + 4);
  }
  return octets;
}
