/**
 * Stock hook `rewrite-payload`: replaces a string in the payload of TCP or UDP packets.
 *
 * It is also the example of a replacement: the new datagram is a chain of two descriptors, headers and payload, that the
 * hook allocates and hands over. UDP datagrams may become longer or shorter. TCP segments may not: the sequence numbers
 * of the whole connection would be wrong from there on.
 *
 * Rule: what should have been rewritten and cannot be does not pass. Without memory, or longer than 65,535 octets,
 * the packet is dropped. Left as they are: fragments, packets that a capture cut off, and what spans two packets.
 *
 * @module
 */

import type { IPRcvBuf, Packet } from 'firehook';
import {
  DROP,
  defineHook,
  ExAllocatePoolWithTag,
  ExFreePool,
  FORWARD,
  fillChecksums,
  IPAllocBuff,
  IPFreeBuff,
  NonPagedPool,
  SIZEOF_IPRCVBUF,
} from 'firehook';
import {
  type OptionValues,
  optionError,
  optionsOf,
  readChoice,
  readInteger,
  readText,
  wrongOption,
} from './_options.ts';
import { PortRule } from './_port-rule.ts';

/** Options of `rewrite-payload`. */
export interface RewritePayloadOptions {
  /** Transport protocol of the packets. */
  readonly protocol: 'tcp' | 'udp';
  /** Port 0-65535, as source or as destination. */
  readonly port: number;
  /** What to look for; at least one octet. */
  readonly find: string;
  /** What to put in its place; for TCP of the same length in octets. */
  readonly replace: string;
  /**
   * How `find` and `replace` are written: as text, or as pairs of hexadecimal digits.
   *
   * @defaultValue `'utf8'`
   */
  readonly encoding?: 'utf8' | 'hex';
}

const PROTOCOL_UDP = 17;
const UDP_LENGTH = 4;
const IPV4_TOTAL_LENGTH = 2;
const IPV6_HEADER_LENGTH = 40;
const IPV6_PAYLOAD_LENGTH = 4;
/** Longest datagram that the runtime takes as a replacement, headers included, in octets. */
const MAXIMUM_LENGTH = 65_535;

/** The new datagram is put together here, in one piece: checksums run over both buffers of the chain. */
const scratch = Buffer.alloc(MAXIMUM_LENGTH);
/** What is looked for and what takes its place. */
interface Rewrite {
  readonly rule: PortRule;
  readonly needle: Buffer;
  readonly substitute: Buffer;
}

function readRewrite(values: OptionValues<'protocol' | 'port' | 'find' | 'replace' | 'encoding'>): Rewrite {
  const port = readInteger('port', values.port, 0, 65_535);
  const rule = new PortRule({ protocol: values.protocol, ports: port, direction: 'either' });
  const encoding = readChoice('encoding', values.encoding, ['utf8', 'hex'], 'utf8');
  const needle = readOctets('find', readText('find', values.find), encoding);
  // An empty replacement takes the string out.
  const substitute = readOctets('replace', values.replace, encoding);
  if (values.protocol === 'tcp' && needle.length !== substitute.length) {
    throw wrongOption(
      'replace',
      `${substitute.length} octets for ${needle.length}; expected the same length, TCP sequence numbers count octets`,
    );
  }
  return { rule, needle, substitute };
}

export default defineHook({
  name: 'rewrite-payload',
  checkable: true,
  options: optionsOf(['protocol', 'port', 'find', 'replace', 'encoding'], readRewrite),
  setup: (rewrite) => ({
    onPacket(packet) {
      if (!rewrite.rule.matches(packet) || packet.isFragment) return FORWARD;
      const found = packet.payload.indexOf(rewrite.needle);
      if (found === -1 || isCut(packet)) return FORWARD;
      const length = compose(rewrite, packet, found);
      if (length === -1) return DROP;
      const chain = buildChain(packet.payloadOffset, length);
      if (chain === null) return DROP;
      packet.replace(chain);
      return FORWARD;
    },
  }),
});

function readOctets(key: string, value: unknown, encoding: 'utf8' | 'hex'): Buffer<ArrayBuffer> {
  if (typeof value !== 'string') throw optionError(key, value, 'a string');
  if (encoding === 'hex' && !/^([0-9a-f]{2})*$/i.test(value)) {
    throw optionError(key, value, 'pairs of hexadecimal digits');
  }
  return Buffer.from(value, encoding);
}

/** True when the datagram says that it is longer than what was captured of it; 0 is what super-frames say. */
function isCut(packet: Packet): boolean {
  const declared =
    packet.version === 4
      ? packet.bytes.readUInt16BE(IPV4_TOTAL_LENGTH)
      : IPV6_HEADER_LENGTH + packet.bytes.readUInt16BE(IPV6_PAYLOAD_LENGTH);
  return declared > packet.length;
}

/**
 * Writes the new datagram to the scratch buffer, checksums included.
 *
 * @param firstFound - where in the payload the needle stands for the first time
 * @returns its length in octets; -1 when it would be longer than a replacement may be
 */
function compose({ needle, substitute }: Rewrite, packet: Packet, firstFound: number): number {
  const { bytes, payload, payloadOffset, transportOffset, version } = packet;
  const end = payloadOffset + payload.length;
  let read = 0;
  let written = 0;
  for (let at = firstFound; at !== -1; at = payload.indexOf(needle, read - payloadOffset)) {
    const found = payloadOffset + at;
    if (written + (found - read) + substitute.length > MAXIMUM_LENGTH) return -1;
    written += bytes.copy(scratch, written, read, found);
    written += substitute.copy(scratch, written);
    read = found + needle.length;
  }
  const dataEnd = written + end - read;
  const length = written + packet.length - read;
  if (length > MAXIMUM_LENGTH) return -1;
  bytes.copy(scratch, written, read, packet.length);
  if (version === 4) scratch.writeUInt16BE(length, IPV4_TOTAL_LENGTH);
  else scratch.writeUInt16BE(length - IPV6_HEADER_LENGTH, IPV6_PAYLOAD_LENGTH);
  if (packet.protocol === PROTOCOL_UDP) {
    scratch.writeUInt16BE(dataEnd - transportOffset, transportOffset + UDP_LENGTH);
  }
  return fillChecksums(scratch, length) ? length : -1;
}

/**
 * The datagram in the scratch buffer as a chain: one descriptor for the headers, one for the payload if there is any.
 *
 * @returns null when the pool is exhausted; nothing is left allocated then
 */
function buildChain(headerLength: number, length: number): IPRcvBuf | null {
  const head = allocate(0, headerLength);
  if (head === null || headerLength === length) return head;
  head.ipr_next = allocate(headerLength, length);
  if (head.ipr_next !== null) return head;
  IPFreeBuff(head);
  return null;
}

function allocate(start: number, end: number): IPRcvBuf | null {
  const descriptor = ExAllocatePoolWithTag(NonPagedPool, SIZEOF_IPRCVBUF, 'fPCT');
  if (descriptor === null) return null;
  if (IPAllocBuff(descriptor, end - start) !== 1 || descriptor.ipr_buffer === null) {
    ExFreePool(descriptor);
    return null;
  }
  scratch.copy(descriptor.ipr_buffer, 0, start, end);
  return descriptor;
}
