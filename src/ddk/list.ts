/**
 * Doubly linked lists: LIST_ENTRY and the functions over it.
 *
 * ```
 *   head ⇄ entry ⇄ entry ⇄ head        Flink forward, Blink back; an empty head points to itself
 * ```
 * Rules: the links are where C has them, so a walk reads as in C. What C finds by subtracting an offset, an entry knows
 * here: it is made with its record. A removal whose neighbours do not point back is refused, as Windows 8 and later do.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/kernel/singly-and-doubly-linked-lists
 *
 * @module
 */

import { bugCheck } from './bug-check.ts';

/**
 * Links of one entry, or the head of a list.
 *
 * Shape: a new one points to itself, as after InitializeListHead. Ownership: holds its record and its neighbours.
 *
 * @see https://learn.microsoft.com/en-us/windows/win32/api/ntdef/ns-ntdef-list_entry
 */
export class LIST_ENTRY<R = unknown> {
  /** Next entry; of the last one, the head. */
  Flink: LIST_ENTRY<R> = this;
  /** Entry before; of the first one, the head. */
  Blink: LIST_ENTRY<R> = this;
  /** The structure this entry is a member of; null in a head. Firehook's own member: see {@link CONTAINING_RECORD}. */
  readonly record: R | null;

  /** @param record - the structure this entry is a member of; nothing for a head */
  constructor(record: R | null = null) {
    this.record = record;
  }
}

/** Type of a pointer to an entry. */
export type PLIST_ENTRY<R = unknown> = LIST_ENTRY<R>;

/**
 * Makes a head empty. Entries that were in it are not touched.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-initializelisthead
 */
export function InitializeListHead<R>(ListHead: LIST_ENTRY<R>): void {
  ListHead.Flink = ListHead;
  ListHead.Blink = ListHead;
}

/**
 * True when no entry is in the list.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-islistempty
 */
export function IsListEmpty<R>(ListHead: LIST_ENTRY<R>): boolean {
  return ListHead.Flink === ListHead;
}

/**
 * Puts an entry first.
 *
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK KERNEL_SECURITY_CHECK_FAILURE for a damaged list, or an entry that is in a list already
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-insertheadlist
 */
export function InsertHeadList<R>(ListHead: LIST_ENTRY<R>, Entry: LIST_ENTRY<R>): void {
  link('InsertHeadList', ListHead, Entry, ListHead.Flink);
}

/**
 * Puts an entry last.
 *
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK KERNEL_SECURITY_CHECK_FAILURE for a damaged list, or an entry that is in a list already
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-inserttaillist
 */
export function InsertTailList<R>(ListHead: LIST_ENTRY<R>, Entry: LIST_ENTRY<R>): void {
  link('InsertTailList', ListHead.Blink, Entry, ListHead);
}

/**
 * Takes an entry out of its list. Its own links stay as they were, so the next entry can be read after it.
 *
 * @returns TRUE when the list is empty after it
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK KERNEL_SECURITY_CHECK_FAILURE when a neighbour does not point back, as after a second removal
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-removeentrylist
 */
export function RemoveEntryList<R>(Entry: LIST_ENTRY<R>): boolean {
  return unlink('RemoveEntryList', Entry);
}

/**
 * Takes the first entry out.
 *
 * @returns the entry; of an empty list the head itself, so ask {@link IsListEmpty} before
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK KERNEL_SECURITY_CHECK_FAILURE for a damaged list
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-removeheadlist
 */
export function RemoveHeadList<R>(ListHead: LIST_ENTRY<R>): LIST_ENTRY<R> {
  const entry = ListHead.Flink;
  unlink('RemoveHeadList', entry);
  return entry;
}

/**
 * Takes the last entry out.
 *
 * @returns the entry; of an empty list the head itself, so ask {@link IsListEmpty} before
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK KERNEL_SECURITY_CHECK_FAILURE for a damaged list
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-removetaillist
 */
export function RemoveTailList<R>(ListHead: LIST_ENTRY<R>): LIST_ENTRY<R> {
  const entry = ListHead.Blink;
  unlink('RemoveTailList', entry);
  return entry;
}

/**
 * Appends a list without its head to the end of another. As in C, `ListToAppend` is its first entry, and the head it had
 * must have been removed from it.
 *
 * @see https://learn.microsoft.com/en-us/windows-hardware/drivers/ddi/wdm/nf-wdm-appendtaillist
 */
export function AppendTailList<R>(ListHead: LIST_ENTRY<R>, ListToAppend: LIST_ENTRY<R>): void {
  const end = ListHead.Blink;
  const last = ListToAppend.Blink;
  end.Flink = ListToAppend;
  ListHead.Blink = last;
  last.Flink = ListHead;
  ListToAppend.Blink = end;
}

/**
 * Finds the structure that an entry is a member of. The names of the type and of the member are not passed: the entry
 * was made with its record.
 *
 * @throws {@link FirehookError} FIREHOOK_DDK_BUGCHECK PAGE_FAULT_IN_NONPAGED_AREA for a head, which is in no structure
 * @see https://learn.microsoft.com/en-us/windows/win32/api/ntdef/nf-ntdef-containing_record
 */
export function CONTAINING_RECORD<R>(Address: LIST_ENTRY<R>): R {
  if (Address.record !== null) return Address.record;
  throw bugCheck('PAGE_FAULT_IN_NONPAGED_AREA', 'CONTAINING_RECORD', 'the head of a list is in no structure');
}

function link<R>(call: string, before: LIST_ENTRY<R>, entry: LIST_ENTRY<R>, after: LIST_ENTRY<R>): void {
  if (before.Flink !== after || after.Blink !== before) throw damaged(call, 'the list is damaged');
  // A removed entry keeps its links, but no neighbour points back to it.
  if (entry.Flink !== entry && entry.Flink.Blink === entry) throw damaged(call, 'the entry is in a list already');
  entry.Flink = after;
  entry.Blink = before;
  before.Flink = entry;
  after.Blink = entry;
}

function unlink<R>(call: string, entry: LIST_ENTRY<R>): boolean {
  const { Flink: next, Blink: before } = entry;
  if (next.Blink !== entry || before.Flink !== entry) throw damaged(call, 'the entry is not in the list it points to');
  before.Flink = next;
  next.Blink = before;
  return next === before;
}

function damaged(call: string, reason: string): Error {
  return bugCheck('KERNEL_SECURITY_CHECK_FAILURE', call, reason);
}
