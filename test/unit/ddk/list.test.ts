/**
 * Promises of LIST_ENTRY and the functions over it.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  AppendTailList,
  CONTAINING_RECORD,
  InitializeListHead,
  InsertHeadList,
  InsertTailList,
  IsListEmpty,
  LIST_ENTRY,
  RemoveEntryList,
  RemoveHeadList,
  RemoveTailList,
} from '../../../src/ddk/list.ts';
import { assertBugCheck } from './support.ts';

const CORRUPT = 'KERNEL_SECURITY_CHECK_FAILURE (0x139)';

function records(head: LIST_ENTRY<number>): number[] {
  const found: number[] = [];
  for (let at = head.Flink; at !== head; at = at.Flink) {
    assert.equal(at.Flink.Blink, at);
    found.push(CONTAINING_RECORD(at));
  }
  return found;
}

describe('a list', () => {
  test('is empty when new and after InitializeListHead', () => {
    const head = new LIST_ENTRY<number>();
    assert.ok(IsListEmpty(head));
    InsertTailList(head, new LIST_ENTRY(1));
    assert.ok(!IsListEmpty(head));
    InitializeListHead(head);
    assert.ok(IsListEmpty(head));
  });

  test('does what an array does, whatever is inserted and removed', () => {
    const step = fc.constantFrom('head', 'tail', 'pop', 'shift');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const head = new LIST_ENTRY<number>();
        const model: number[] = [];
        for (const [value, kind] of steps.entries()) {
          if (kind === 'head') {
            InsertHeadList(head, new LIST_ENTRY(value));
            model.unshift(value);
          } else if (kind === 'tail') {
            InsertTailList(head, new LIST_ENTRY(value));
            model.push(value);
          } else if (model.length > 0) {
            const entry = kind === 'pop' ? RemoveTailList(head) : RemoveHeadList(head);
            assert.equal(CONTAINING_RECORD(entry), kind === 'pop' ? model.pop() : model.shift());
          }
          assert.deepEqual(records(head), model);
        }
      }),
    );
  });

  test('says with RemoveEntryList whether it is empty now', () => {
    const head = new LIST_ENTRY<number>();
    const [first, second] = [new LIST_ENTRY(1), new LIST_ENTRY(2)];
    InsertTailList(head, first);
    InsertTailList(head, second);
    assert.equal(RemoveEntryList(first), false);
    assert.equal(RemoveEntryList(second), true);
  });

  test('gives its head from RemoveHeadList when it is empty, which is in no record', () => {
    const head = new LIST_ENTRY<number>();
    assert.equal(RemoveHeadList(head), head);
    assertBugCheck(() => CONTAINING_RECORD(head), 'PAGE_FAULT_IN_NONPAGED_AREA (0x50)', 'CONTAINING_RECORD');
  });

  test('can be walked while the entry at hand is removed', () => {
    const head = new LIST_ENTRY<number>();
    for (const value of [1, 2, 3, 4]) InsertTailList(head, new LIST_ENTRY(value));
    for (let at = head.Flink; at !== head; at = at.Flink) if (CONTAINING_RECORD(at) % 2 === 0) RemoveEntryList(at);
    assert.deepEqual(records(head), [1, 3]);
  });

  test('refuses a second removal, a second insertion and a damaged list', () => {
    const head = new LIST_ENTRY<number>();
    const entry = new LIST_ENTRY(1);
    InsertTailList(head, entry);
    InsertTailList(head, new LIST_ENTRY(2));
    assertBugCheck(() => InsertHeadList(head, entry), CORRUPT, 'InsertHeadList');
    RemoveEntryList(entry);
    assertBugCheck(() => RemoveEntryList(entry), CORRUPT, 'RemoveEntryList');
    InsertHeadList(head, entry);
    head.Blink = entry;
    assertBugCheck(() => InsertTailList(head, new LIST_ENTRY(3)), CORRUPT, 'InsertTailList');
  });

  test('takes another list without its head', () => {
    const head = new LIST_ENTRY<number>();
    const other = new LIST_ENTRY<number>();
    for (const value of [1, 2]) InsertTailList(head, new LIST_ENTRY(value));
    for (const value of [3, 4]) InsertTailList(other, new LIST_ENTRY(value));
    const first = other.Flink;
    RemoveEntryList(other);
    AppendTailList(head, first);
    assert.deepEqual(records(head), [1, 2, 3, 4]);
  });
});
