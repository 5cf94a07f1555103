/**
 * A process that writes to a table which others have too, until it is killed: `table-writer.ts honest|hostile OCTETS`, the memory as descriptor 3.
 *
 * Rule: an honest one gives each key only values that are {@link KEYS} times something, and the number of the key.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { loadNative } from '../../../src/native/load-native.ts';
import { KEYS, keyOf, openShared } from './shared-rig.ts';

const MEMORY_FD = 3;
/** Calls between two looks at whether somebody has ended this process. */
const AT_ONCE = 2_000;

const [kind, octets] = process.argv.slice(2);
const memory = loadNative().mapMemory(MEMORY_FD, Number(octets));

async function write(): Promise<never> {
  const table = openShared(memory);
  for (let count = 1; ; ) {
    for (let call = 0; call < AT_ONCE; call++, count = (count + 1) & 0xfffff) {
      const key = Math.imul(count, 0x9e37_79b1) >>> 8;
      table.set(keyOf(key % KEYS), KEYS * (1 + (count & 0xffff)) + (key % KEYS));
      if ((count & 63) === 0) table.delete(keyOf(count % KEYS));
    }
    await nextTurn();
  }
}

async function scribble(): Promise<never> {
  const all = new Int32Array(memory);
  const random = new Int32Array(AT_ONCE);
  for (;;) {
    randomFillSync(random);
    for (let index = 0; index + 1 < random.length; index += 2)
      all[(random[index] as number) % all.length] = random[index + 1] as number;
    await nextTurn();
  }
}

process.stdout.write('ready\n');
await (kind === 'hostile' ? scribble() : write());
