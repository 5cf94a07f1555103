/**
 * Offloads over generic netlink: which an interface has, and switching some of them.
 *
 * ```
 *   genlmsg: command (1) version (1) 0 (2), then attributes; a feature is a bit with a name, `rx-gro`
 * ```
 * Rule: pure. Features are named, never numbered: the numbers change from kernel to kernel.
 *
 * @see Documentation/networking/ethtool-netlink.rst, include/uapi/linux/ethtool_netlink.h
 * @module
 */

import { type Message, NLM_F_ACK, type Request } from '../../netlink/message.ts';
import {
  attribute,
  join,
  nested,
  readAttributeList,
  readAttributes,
  readText,
  readU16,
  text,
  u8,
  u16,
  u32,
} from '../../netlink/octets.ts';

/** The family that knows the numbers of the others. */
const GENL_ID_CTRL = 16;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const GENLMSG = 4;
const ETHTOOL_MSG_FEATURES_GET = 11;
const ETHTOOL_MSG_FEATURES_SET = 12;
const FEATURES_HEADER = 1;
const FEATURES_HW = 2;
const FEATURES_WANTED = 3;
const FEATURES_ACTIVE = 4;
const FEATURES_NOCHANGE = 5;
const HEADER_DEV_INDEX = 1;
const BITSET_BITS = 3;
const BIT_NAME = 2;
const BIT_VALUE = 3;

/** The offloads of an interface. */
export interface Features {
  /** Names of those that are on. */
  readonly active: ReadonlySet<string>;
  /** Names of those that can be switched. */
  readonly changeable: ReadonlySet<string>;
}

/** Asks for the number of ethtool's family. */
export function findEthtool(): Request {
  const attributes = [attribute(CTRL_ATTR_FAMILY_NAME, text('ethtool'))];
  return message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, NLM_F_ACK, attributes);
}

/** Reads the answer to {@link findEthtool}; 0 where there is none. */
export function readFamily(messages: readonly Message[]): number {
  return readU16(readAttributes(messages[0]?.body.subarray(GENLMSG)).get(CTRL_ATTR_FAMILY_ID));
}

/** Asks for the offloads of an interface. */
export function getFeatures(family: number, ifindex: number): Request {
  return message(family, ETHTOOL_MSG_FEATURES_GET, NLM_F_ACK, [device(ifindex)]);
}

/** Reads the answer to {@link getFeatures}. */
export function readFeatures(messages: readonly Message[]): Features {
  const attributes = readAttributes(messages[0]?.body.subarray(GENLMSG));
  const fixed = new Set(readBits(attributes.get(FEATURES_NOCHANGE)));
  return {
    active: new Set(readBits(attributes.get(FEATURES_ACTIVE))),
    changeable: new Set(readBits(attributes.get(FEATURES_HW)).filter((name) => !fixed.has(name))),
  };
}

/** Switches offloads. A name that the kernel does not know is refused. */
export function setFeatures(family: number, ifindex: number, names: readonly string[], isOn: boolean): Request {
  const bits = names.map((name) => nested(1, attribute(BIT_NAME, text(name)), ...(isOn ? [attribute(BIT_VALUE)] : [])));
  const wanted = nested(FEATURES_WANTED, nested(BITSET_BITS, ...bits));
  return message(family, ETHTOOL_MSG_FEATURES_SET, NLM_F_ACK, [device(ifindex), wanted]);
}

/** The names of the bits that are set. In a list without mask only those that are set are there; with one, each says so. */
function readBits(bytes: Uint8Array | undefined): string[] {
  const attributes = readAttributes(bytes);
  const isMasked = !attributes.has(1);
  return readAttributeList(attributes.get(BITSET_BITS)).flatMap(([, value]) => {
    const bit = readAttributes(value);
    return isMasked && !bit.has(BIT_VALUE) ? [] : [readText(bit.get(BIT_NAME))];
  });
}

function device(ifindex: number): Uint8Array {
  return nested(FEATURES_HEADER, attribute(HEADER_DEV_INDEX, u32(ifindex)));
}

function message(type: number, command: number, flags: number, attributes: readonly Uint8Array[]): Request {
  return { type, flags, body: join([u8(command), u8(1), u16(0), ...attributes]) };
}
