/**
 * The fields of an alert, with the names and in the order of Suricata.
 *
 * Rule: an alert has each of them, because its readers count on it. What a hook hands over wrongly is an error of the call.
 *
 * @see the Suricata user guide, "Event type: Alert"
 * @module
 */

import type { AlertDetails, EventFields } from './contract.ts';

/** Group of signatures: 1 is that of signatures which are no part of the engine, and firehook has no other. */
const GROUP = 1;
const MOST_SEVERITY = 255;
const MOST_NUMBER = 2 ** 32 - 1;
const MOST_SIGNATURE = 200;
const MOST_CATEGORY = 64;

/** @throws TypeError for what no alert can say */
export function alertFields(signature: unknown, details: AlertDetails = {}): EventFields {
  const { severity = 3, category = '', action = 'allowed', id = 0, revision = 1 } = details;
  if (action !== 'allowed' && action !== 'blocked')
    throw new TypeError(`alert: the action ${String(action)} is neither allowed nor blocked`);
  return {
    action,
    gid: GROUP,
    signature_id: whole('id', id, 0, MOST_NUMBER),
    rev: whole('revision', revision, 0, MOST_NUMBER),
    signature: text('signature', signature, MOST_SIGNATURE),
    category: text('category', category, MOST_CATEGORY),
    severity: whole('severity', severity, 1, MOST_SEVERITY),
  };
}

function whole(name: string, value: unknown, least: number, most: number): number {
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    throw new TypeError(`alert: ${name} has to be a whole number from ${least} to ${most}`);
  return value as number;
}

/** So much of it that everything behind it has room, whatever the characters: each is at most three octets for one of UTF-16. */
function text(name: string, value: unknown, octets: number): string {
  if (typeof value !== 'string') throw new TypeError(`alert: the ${name} is no text`);
  if (3 * value.length <= octets || Buffer.byteLength(value) <= octets) return value;
  let cut = value.slice(0, octets);
  while (Buffer.byteLength(cut) > octets) cut = cut.slice(0, -1);
  return cut;
}
