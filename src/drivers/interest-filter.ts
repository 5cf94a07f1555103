/**
 * Compiles interests to classic BPF over an Ethernet frame, for a socket that need not see what nobody is interested in.
 *
 * ```
 *   type, after up to four tags ─> version ─> protocol ─> later fragment? options? ─> either port ─> take or leave
 * ```
 * The frame is as the kernel shows it to a packet socket: with its link header, and without the VLAN tag that it keeps
 * beside the frame. Tags inside are stepped over with X as the base of all that follows.
 *
 * Rule: a packet of interest always passes; in doubt any packet does. IPv6 extension headers are not followed, nor PPPoE
 * sessions and MPLS labels: what has one passes. Reading behind the end of a frame leaves it, which befalls malformed packets only.
 *
 * @see bpf(4), linux/filter.h, Documentation/networking/filter.rst of the kernel
 * @module
 */

import { ETHERTYPE_IPV4, ETHERTYPE_IPV6, MAX_VLAN_TAGS, VLAN_TAG_LENGTH, VLAN_TYPES } from '../wire/ethernet.ts';
import { type Interest, versionsOf } from '../wire/interest.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { ETHERTYPE_MPLS, ETHERTYPE_MPLS_UPSTREAM } from '../wire/mpls.ts';
import { ETHERTYPE_PPPOE_SESSION } from '../wire/pppoe.ts';
import { type Instruction, LEAVE, TAKE } from './classic-bpf.ts';

/** The longest filter that is made, in instructions: a longer one costs more than it spares, and old kernels refuse it. */
export const MAX_INSTRUCTIONS = 512;

const LOAD_HALF = 0x28;
const LOAD_HALF_AT_X = 0x48;
const LOAD_BYTE_AT_X = 0x50;
const SET_X = 0x01;
const COPY_TO_X = 0x07;
const ADD_X = 0x0c;
const AND = 0x54;
const SHIFT_LEFT = 0x64;
const SHIFT_RIGHT = 0x74;
const JUMP = 0x05;
const IF_EQUAL = 0x15;
const IF_GREATER = 0x25;
const IF_AT_LEAST = 0x35;
const IF_ANY_BIT = 0x45;

const ETHERNET_TYPE = 12;
const ETHERNET_HEADER = 14;
/** Behind these the lane looks for IP; here it would take a loop, which classic BPF has none of. */
const TYPES_ABOUT_IP = [ETHERTYPE_PPPOE_SESSION, ETHERTYPE_MPLS, ETHERTYPE_MPLS_UPSTREAM];
const EXTENSION_HEADERS = Array.from({ length: 256 }, (_, type) => type).filter(ipv6.isExtensionHeader);
const FRAGMENT_FIELD = 6;
const FRAGMENT_OFFSET_BITS = 0x1fff;
const IPV4_PROTOCOL = 9;
const IPV6_NEXT_HEADER = 6;
const HEADER_WORDS_BITS = 0x0f;
const DESTINATION_PORT = 2;

/**
 * Compiles a list of interests.
 *
 * @returns a program that returns -1, take all of it, for a frame of interest, and 0 for others; null when it would be
 * longer than {@link MAX_INSTRUCTIONS}
 */
export function compileInterests(interests: readonly Interest[]): readonly Instruction[] | null {
  const program = [...findDatagram(), ...ofVersion(4, interests), ...ofVersion(6, interests), LEAVE];
  return program.length > MAX_INSTRUCTIONS ? null : program;
}

/** Sets X to where the datagram starts and A to its version; takes what may hold IP, and leaves what is not IP. */
function findDatagram(): Instruction[] {
  return [
    ...stepOverTags(0),
    ...whenAny(TYPES_ABOUT_IP, [TAKE]),
    [IF_EQUAL, 2, 0, ETHERTYPE_IPV4],
    [IF_EQUAL, 1, 0, ETHERTYPE_IPV6],
    LEAVE,
    // The datagram itself says which version it is, to the lane as well; the type only that it is one of the two.
    [LOAD_BYTE_AT_X, 0, 0, 0],
    [SHIFT_RIGHT, 0, 0, 4],
  ];
}

/** Sets A to the type behind all tags and X to the octet after it. */
function stepOverTags(tags: number): Instruction[] {
  const at = tags * VLAN_TAG_LENGTH;
  const here: Instruction[] = [
    [SET_X, 0, 0, ETHERNET_HEADER + at],
    [LOAD_HALF, 0, 0, ETHERNET_TYPE + at],
  ];
  return tags === MAX_VLAN_TAGS ? here : [...here, ...whenAny(VLAN_TYPES, stepOverTags(tags + 1))];
}

/** What to do with datagrams of a version; does not come back from them. Others pass with A as it was. */
function ofVersion(version: 4 | 6, interests: readonly Interest[]): Instruction[] {
  const wanted = interests.filter((interest) => versionsOf(interest).includes(version));
  if (wanted.length === 0) return [];
  if (wanted.some(({ protocols }) => protocols === undefined)) return whenAny([version], [TAKE]);
  const whole = new Set(version === 6 ? EXTENSION_HEADERS : []);
  const byPorts = new Map<number, Set<number>>();
  for (const { protocols = [], ports } of wanted) {
    for (const protocol of protocols) {
      if (ports === undefined) whole.add(protocol);
      else byPorts.set(protocol, new Set([...(byPorts.get(protocol) ?? []), ...ports]));
    }
  }
  return whenAny(
    [version],
    [
      [LOAD_BYTE_AT_X, 0, 0, version === 4 ? IPV4_PROTOCOL : IPV6_NEXT_HEADER],
      ...whenAny([...whole], [TAKE]),
      ...protocolsByPorts(byPorts).flatMap(([protocols, ports]) => whenAny(protocols, byPort(version, ports))),
      LEAVE,
    ],
  );
}

/** Protocols of which the same ports are wanted share one test of them. */
function protocolsByPorts(byPorts: ReadonlyMap<number, ReadonlySet<number>>): [number[], number[]][] {
  const groups = new Map<string, [number[], number[]]>();
  for (const [protocol, set] of byPorts) {
    const ports = Array.from(set).sort((a, b) => a - b);
    const group = groups.get(ports.join());
    if (group === undefined) groups.set(ports.join(), [[protocol], ports]);
    else group[0].push(protocol);
  }
  return Array.from(groups.values());
}

/** Takes datagrams with one of the ports, and later fragments; leaves the others. */
function byPort(version: 4 | 6, ports: readonly number[]): Instruction[] {
  const transport = version === 4 ? 0 : ipv6.HEADER_LENGTH;
  const toTransport: Instruction[] = [
    [LOAD_HALF_AT_X, 0, 0, FRAGMENT_FIELD],
    [IF_ANY_BIT, 0, 1, FRAGMENT_OFFSET_BITS],
    TAKE,
    [LOAD_BYTE_AT_X, 0, 0, 0],
    [AND, 0, 0, HEADER_WORDS_BITS],
    [SHIFT_LEFT, 0, 0, 2],
    [ADD_X, 0, 0, 0],
    [COPY_TO_X, 0, 0, 0],
  ];
  const isOneOf = rangesOf(ports).flatMap(takeRange);
  return [
    ...(version === 4 ? toTransport : []),
    [LOAD_HALF_AT_X, 0, 0, transport],
    ...isOneOf,
    [LOAD_HALF_AT_X, 0, 0, transport + DESTINATION_PORT],
    ...isOneOf,
    LEAVE,
  ];
}

/** Takes the datagram when A lies in the range. */
function takeRange([first, last]: readonly [number, number]): Instruction[] {
  if (first === last) return [[IF_EQUAL, 0, 1, first], TAKE];
  return [[IF_AT_LEAST, 0, 2, first], [IF_GREATER, 1, 0, last], TAKE];
}

/** Neighbours among sorted numbers put together. */
function rangesOf(sorted: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of sorted) {
    const last = ranges.at(-1);
    if (last?.[1] === number - 1) last[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

/** Goes through `block` when A is one of the values, and past it otherwise. Blocks may be longer than a conditional jump. */
function whenAny(values: readonly number[], block: readonly Instruction[]): Instruction[] {
  const tests = values.flatMap((value, index): Instruction[] => [
    [IF_EQUAL, 0, 1, value],
    [JUMP, 0, 0, 2 * (values.length - 1 - index) + 1],
  ]);
  return [...tests, [JUMP, 0, 0, block.length], ...block];
}
