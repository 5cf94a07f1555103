/**
 * libpcap as the judge of filters: a program in C, compiled for a run, says which packets a filter takes.
 *
 * @see pcap-judge.c
 * @module
 */

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** libpcap's number of Ethernet. */
export const DLT_EN10MB = 1;
/** libpcap's number of raw IP. */
export const DLT_RAW = 12;

const SOURCE = fileURLToPath(new URL('./pcap-judge.c', import.meta.url));
const MAX_OUTPUT = 2 ** 30;
const TIMEOUT_MS = 300_000;

/** A packet as it was captured. */
export interface Captured {
  readonly bytes: Uint8Array;
  /** Octets that were on the wire. */
  readonly original: number;
}

/** What libpcap says of one filter. */
export interface Answer {
  /** Why it does not compile; '' when it does. */
  readonly error: string;
  /** One bit a packet, the first packet in the lowest bit. */
  readonly bits: Uint8Array;
}

/** What libpcap says of one filter, compiled as it is and optimized. */
export interface Answers {
  readonly plain: Answer;
  readonly optimized: Answer;
}

/** The compiled program. */
export class Judge {
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'firehook-judge-'));
  readonly #binary = path.join(this.#folder, 'pcap-judge');

  constructor() {
    execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', this.#binary, SOURCE, '-lpcap'], { stdio: 'inherit' });
  }

  /** Asks for every filter and every packet. */
  ask(linktype: number, filters: readonly string[], packets: readonly Captured[]): Answers[] {
    const expressions = path.join(this.#folder, 'expressions');
    const capture = path.join(this.#folder, 'packets');
    writeFileSync(expressions, filters.map((filter) => `${filter}\n`).join(''));
    writeFileSync(capture, Buffer.concat(packets.flatMap(packed)));
    const { stdout, stderr, status, error } = spawnSync(this.#binary, [String(linktype), expressions, capture], {
      maxBuffer: MAX_OUTPUT,
      timeout: TIMEOUT_MS,
    });
    if (status !== 0) throw error ?? new Error(`pcap-judge ended with ${status}: ${stderr.toString()}`);
    return unpacked(stdout, filters.length, Math.ceil(packets.length / 8));
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** True when libpcap takes packet number `index`. */
export function takes({ bits }: Answer, index: number): boolean {
  return (((bits[index >> 3] ?? 0) >> (index & 7)) & 1) === 1;
}

function packed({ bytes, original }: Captured): Uint8Array[] {
  return [new Uint8Array(Uint32Array.of(bytes.length, original).buffer), bytes];
}

function unpacked(output: Buffer, filters: number, mapLength: number): Answers[] {
  let at = 0;
  const answer = (): Answer => {
    const errorLength = new DataView(output.buffer, output.byteOffset + at, 4).getUint32(0, true);
    at += 4;
    const length = errorLength === 0 ? mapLength : errorLength;
    const octets = output.subarray(at, at + length);
    at += length;
    return errorLength === 0
      ? { error: '', bits: octets }
      : { error: octets.toString('latin1'), bits: new Uint8Array(0) };
  };
  return Array.from({ length: filters }, () => ({ plain: answer(), optimized: answer() }));
}
