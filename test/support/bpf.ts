/**
 * A small interpreter of classic BPF, as the kernel runs it for a socket filter on a packet socket.
 *
 * Only what the project's filters use; any other instruction is an error of the filter. Rule: as strict as the kernel where
 * it checks a program (jumps forward and inside, a return at the end), and reading outside of the frame leaves it.
 *
 * @see linux/filter.h, net/core/filter.c (bpf_check_classic)
 * @module
 */

import assert from 'node:assert/strict';
import type { Instruction } from '../../src/drivers/classic-bpf.ts';

const MAX_PROGRAM = 4096;
const RETURN = 0x06;

/** Fails unless the kernel would take the program. */
export function checkProgram(program: readonly Instruction[]): void {
  assert.ok(program.length > 0 && program.length <= MAX_PROGRAM, `${program.length} instructions`);
  for (const [at, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    const left = program.length - at - 1;
    if (code === 0x05) assert.ok(operand < left, `jump at ${at}`);
    else if ((code & 0x07) === 0x05) {
      assert.ok(ifTrue <= 255 && ifFalse <= 255, `a jump at ${at} that is too far`);
      assert.ok(ifTrue < left && ifFalse < left, `branch at ${at}`);
    }
  }
  assert.equal(program.at(-1)?.[0], RETURN);
}

/** What the program returns for a frame: octets to take of it. */
export function runProgram(program: readonly Instruction[], frame: Uint8Array): number {
  let a = 0;
  let x = 0;
  const load = (at: number, size: 1 | 2): number => {
    if (at + size > frame.length) return -1;
    const high = frame[at] as number;
    return size === 1 ? high : (high << 8) | (frame[at + 1] as number);
  };
  for (let at = 0; ; at++) {
    const instruction = program[at];
    assert.ok(instruction !== undefined, `the program runs past its end at ${at}`);
    const [code, ifTrue, ifFalse, k] = instruction;
    switch (code) {
      case 0x28:
        a = load(k, 2);
        break;
      case 0x48:
        a = load(x + k, 2);
        break;
      case 0x50:
        a = load(x + k, 1);
        break;
      case 0x01:
        x = k;
        break;
      case 0x07:
        x = a;
        break;
      case 0x0c:
        a = (a + x) >>> 0;
        break;
      case 0x54:
        a = (a & k) >>> 0;
        break;
      case 0x64:
        a = (a << k) >>> 0;
        break;
      case 0x74:
        a >>>= k;
        break;
      case 0x05:
        at += k;
        break;
      case 0x15:
        at += a === k ? ifTrue : ifFalse;
        break;
      case 0x25:
        at += a > k ? ifTrue : ifFalse;
        break;
      case 0x35:
        at += a >= k ? ifTrue : ifFalse;
        break;
      case 0x45:
        at += (a & k) !== 0 ? ifTrue : ifFalse;
        break;
      case RETURN:
        return k;
      default:
        assert.fail(`instruction ${code} at ${at}`);
    }
    if (a === -1) return 0;
  }
}
