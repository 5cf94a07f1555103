/**
 * Hooks that only forward, each a file of its own: hooks of one chain have names of their own.
 *
 * @module
 */

/** Names and contents of `count` files, none for a count below 1. */
export function trivialHooks(count: number): Record<string, string> {
  const numbers = Array.from({ length: Math.max(0, count) }, (_, i) => i + 1);
  return Object.fromEntries(numbers.map((number) => [`trivial-${number}.ts`, contentOf(number)]));
}

function contentOf(number: number): string {
  return [
    `import { defineHook, FORWARD } from 'firehook';`,
    `export default defineHook({ name: 'trivial-${number}', onPacket: () => FORWARD });`,
    '',
  ].join('\n');
}
