/**
 * The schema against what is written about it: the JSON schema for editors and the table of docs/configuration.md.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { attachInterfaces, attachTolerates, configJsonSchema } from '../../../src/config/schema.ts';

/** The part of a JSON schema that the table shows. */
interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly maximum?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  /** What each value of a mapping with names of the operator's own has. */
  readonly additionalProperties?: SchemaNode | false;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
}

interface Row {
  readonly key: string;
  readonly type: string;
  readonly fallback: string;
  readonly meaning: string;
}

const read = (name: string) => readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');

/** Every key that holds no further keys, as `policy.onDown` and `hooks[].module`. */
function leavesOf(node: SchemaNode, key: string, parent?: SchemaNode): Row[] {
  const alternatives = [node, ...(node.items ? [node.items] : [])].flatMap((one) => [one, ...(one.anyOf ?? [])]);
  const isListOfValues = ['integer', 'string'].includes(node.items?.type ?? '') || node.items?.enum !== undefined;
  const prefix = node.items && !isListOfValues ? `${key}[]` : key;
  const named = node.additionalProperties;
  if (named && named.properties !== undefined) return leavesOf(named, `${key}.NAME`, node);
  const children = alternatives.flatMap((one) =>
    Object.entries(one.properties ?? {}).flatMap(([name, child]) =>
      leavesOf(child, prefix === '' ? name : `${prefix}.${name}`, one),
    ),
  );
  if (children.length > 0) return children;
  const name = key.slice(key.lastIndexOf('.') + 1);
  const isNeeded = parent?.required?.includes(name) === true;
  const fallback = node.default === undefined ? (isNeeded ? 'needed' : 'none') : `\`${JSON.stringify(node.default)}\``;
  return [{ key, type: typeOf(node), fallback, meaning: node.description ?? '' }];
}

function typeOf(node: SchemaNode): string {
  if (node.enum) return node.enum.map((value) => `\`${value}\``).join(', ');
  switch (node.type) {
    case 'integer': {
      const { minimum = 0, maximum = 0 } = node;
      if (minimum === Number.MIN_SAFE_INTEGER) return 'whole number';
      return maximum === Number.MAX_SAFE_INTEGER
        ? `whole number, ${minimum} or more`
        : `whole number, ${minimum} to ${maximum}`;
    }
    case 'number':
      return `number, ${node.minimum ?? 0} or more`;
    case 'boolean':
      return '`true`, `false`';
    case 'array':
      if (node.items?.enum) return `list of ${node.items.enum.map((value) => `\`${value}\``).join(', ')}`;
      if (node.items?.pattern !== undefined) return 'list of interfaces';
      if (node.items?.type === 'string')
        return node.items.minLength === undefined ? 'list of servers' : 'list of paths';
      return node.items ? 'list of CPUs' : 'two names';
    case 'object':
      return 'mapping';
    default:
      return 'text';
  }
}

test('config/firehook.schema.json is up to date (node --import tsx src/config/write-schema.ts)', () => {
  assert.deepEqual(JSON.parse(read('config/firehook.schema.json')), JSON.parse(JSON.stringify(configJsonSchema())));
});

test('the table of docs/configuration.md has every key with its type, default and meaning', () => {
  const rows = [
    ...read('docs/configuration.md').matchAll(/^\| `([\w.[\]]+)` +\| (.*?) +\| (.*?) +\| (.*?) +\|$/gm),
  ].map(([, key = '', type = '', fallback = '', meaning = '']): Row => ({ key, type, fallback, meaning }));
  const documented = rows.map((row) => row.key);
  // A key that two kinds of attach have is written once.
  const leaves = [...new Map(leavesOf(configJsonSchema() as SchemaNode, '').map((leaf) => [leaf.key, leaf])).values()];
  assert.deepEqual(
    documented,
    leaves.map((leaf) => leaf.key),
  );
  assert.deepEqual(rows, leaves);
});

test('the interfaces of an attach come in the order they are written', () => {
  assert.deepEqual(attachInterfaces({ bridge: ['b', 'a'] }), ['b', 'a']);
  assert.deepEqual(attachInterfaces({ host: 'eth0' }), ['eth0']);
  assert.deepEqual(attachInterfaces({ tap: 'eth0' }), ['eth0']);
});

test('an attach tolerates what it names and nothing else, a tap nothing at all', () => {
  assert.deepEqual(attachTolerates({ bridge: ['b', 'a'], tolerate: ['xdp', 'tc'] }), ['xdp', 'tc']);
  assert.deepEqual(attachTolerates({ host: 'eth0', tolerate: [] }), []);
  assert.deepEqual(attachTolerates({ host: 'eth0' }), []);
  assert.deepEqual(attachTolerates({ tap: 'eth0' }), []);
});
