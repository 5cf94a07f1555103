/**
 * Assertions on what became of a packet. They throw an AssertionError of Node.js, so any test runner shows them.
 *
 * ```ts
 * assertForwarded(outcome, fields({ destinationPort: 5353 }), differsOnlyIn(datagram, 'destinationPort'))
 * ```
 * Rule: a failure says what became of the packet, why, and shows the packet. A fault of a hook is told first: it explains the rest.
 *
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import { RST } from '../wire/tcp.ts';
import type { PacketCheck } from './checks.ts';
import { failWith, showPacket } from './fail.ts';
import type { Fate, Outcome } from './lab-contract.ts';
import { lineOf } from './lab-records.ts';
import { type PacketFields, readPacket } from './read-packet.ts';

type AnyFunction = (...parameters: never[]) => unknown;

const ICMP_UNREACHABLE = 3;
const ICMPV6_UNREACHABLE = 1;

/** The datagram passes all checks. */
export function assertPacket(datagram: OctetBuffer, ...checks: readonly PacketCheck[]): void {
  check(datagram, checks, assertPacket);
}

/**
 * The packet went on: its checksums are right if they were, and with checks it is one datagram that passes them.
 */
export function assertForwarded(outcome: Outcome, ...checks: readonly PacketCheck[]): void {
  assertFate(outcome, 'forwarded', assertForwarded);
  const { arrived, out } = outcome;
  const wasRight = arrived !== null && readPacket(arrived)?.checksumsRight === true;
  for (const datagram of wasRight ? out : []) check(datagram, [checksumsStay], assertForwarded);
  if (checks.length === 0) return;
  const [datagram] = out;
  if (datagram === undefined || out.length > 1)
    failWith(`checks are for one datagram, and ${out.length} left at the other side`, assertForwarded);
  check(datagram, checks, assertForwarded);
}

/**
 * A hook dropped the packet by its verdict, and nothing was sent.
 *
 * @param by - which one; any when left out
 */
export function assertDropped(outcome: Outcome, by?: string): void {
  assertFate(outcome, 'dropped', assertDropped);
  if (outcome.reason !== 'droppedByHook') failWith(`expected a verdict of a hook; ${told(outcome)}`, assertDropped);
  assertBy(outcome, by, assertDropped);
  const { length } = [...outcome.out, ...outcome.back];
  if (length > 0) failWith(`${told(outcome)}, and ${length} datagrams left`, assertDropped);
}

/**
 * A hook rejected the packet, and one ICMP error about it went back.
 *
 * @param by - which one; any when left out
 */
export function assertRejected(outcome: Outcome, by?: string): void {
  assertFate(outcome, 'rejected', assertRejected);
  assertBy(outcome, by, assertRejected);
  const [answer] = outcome.back;
  if (answer === undefined || outcome.back.length > 1)
    failWith(`${told(outcome)}: expected one ICMP error to go back, ${outcome.back.length} did`, assertRejected);
  check(answer, [(datagram) => quotes(readPacket(datagram), outcome.arrived)], assertRejected);
}

/**
 * A hook sent the packet back (REPLY): one datagram went to where it came from, with right checksums, and passes the checks.
 *
 * @param by - which one; any when undefined
 */
export function assertReplied(outcome: Outcome, by?: string, ...checks: readonly PacketCheck[]): void {
  assertFate(outcome, 'replied', assertReplied);
  assertBy(outcome, by, assertReplied);
  const [answer] = outcome.back;
  if (answer === undefined || outcome.back.length > 1)
    failWith(`${told(outcome)}: expected one datagram to go back, ${outcome.back.length} did`, assertReplied);
  check(answer, [checksumsStay, ...checks], assertReplied);
}

/**
 * A hook reset the TCP connection of the packet: whoever sent it was told. The other end is told where it can know of the connection.
 *
 * @param by - which one; any when left out
 */
export function assertReset(outcome: Outcome, by?: string): void {
  assertFate(outcome, 'reset', assertReset);
  assertBy(outcome, by, assertReset);
  const [back] = outcome.back;
  if (back === undefined || outcome.back.length > 1)
    failWith(`${told(outcome)}: expected one reset to go back, ${outcome.back.length} did`, assertReset);
  for (const datagram of [back, ...outcome.out]) check(datagram, [isReset], assertReset);
}

/**
 * A hook holds the packet, and nothing was sent.
 *
 * @param by - which one; any when left out
 */
export function assertHeld(outcome: Outcome, by?: string): void {
  assertFate(outcome, 'held', assertHeld);
  assertBy(outcome, by, assertHeld);
  const { length } = [...outcome.out, ...outcome.back];
  if (length > 0) failWith(`${told(outcome)}, and ${length} datagrams left`, assertHeld);
}

/**
 * The packet was to go on and could not.
 *
 * @param reason - the counter of the ledger that says why, `lostTooLong` for example; any when left out
 */
export function assertLost(outcome: Outcome, reason?: Outcome['reason']): void {
  assertFate(outcome, 'lost', assertLost);
  if (reason !== undefined && outcome.reason !== reason)
    failWith(`expected it to be lost as ${String(reason)}; ${told(outcome)}`, assertLost);
}

function assertFate(outcome: Outcome, expected: Fate, at: AnyFunction): void {
  if (outcome.verdict !== expected)
    failWith(`expected the packet to be ${expected}; ${told(outcome)}${shown(outcome)}`, at);
}

function assertBy(outcome: Outcome, by: string | undefined, at: AnyFunction): void {
  if (by !== undefined && outcome.by !== by)
    failWith(`expected hook ${by} to do it; ${told(outcome)}${shown(outcome)}`, at);
}

/** `it was dropped by hook drop-telnet (droppedByHook)`. */
function told({ verdict, reason, by, faults }: Outcome): string {
  const fault = faults.length === 0 ? '' : `hook ${faults.map(lineOf).join('; hook ')}; `;
  const who = by === null ? '' : ` by hook ${by}`;
  return `${fault}it was ${verdict}${who}${reason === null ? '' : ` (${reason})`}`;
}

function shown({ arrived }: Outcome): string {
  return arrived === null ? '' : `\n${showPacket(arrived)}`;
}

function check(datagram: OctetBuffer, checks: readonly PacketCheck[], at: AnyFunction): void {
  const problems = checks.flatMap((one) => one(datagram));
  if (problems.length > 0) failWith(`${problems.join('\n')}\n${showPacket(datagram)}`, at);
}

function isReset(datagram: OctetBuffer): string[] {
  const flags = readPacket(datagram)?.tcp?.flags ?? 0;
  return (flags & RST) === 0 ? ['expected a TCP reset'] : [];
}

function checksumsStay(datagram: OctetBuffer): string[] {
  return readPacket(datagram)?.checksumsRight === true ? [] : ['a checksum is wrong, and was right before'];
}

/** What is wrong with the ICMP error about a packet. */
function quotes(answer: PacketFields | null, arrived: OctetBuffer | null): string[] {
  if (answer === null || answer.icmp === null) return ['expected an ICMP error'];
  const { type, quoted } = answer.icmp;
  const packet = arrived === null ? null : readPacket(arrived);
  const problems = type === (answer.version === 4 ? ICMP_UNREACHABLE : ICMPV6_UNREACHABLE) ? [] : [`ICMP type ${type}`];
  if (!answer.checksumsRight) problems.push('a checksum is wrong');
  if (quoted?.source !== packet?.source || quoted?.destination !== packet?.destination)
    problems.push('it quotes another packet');
  return problems;
}
