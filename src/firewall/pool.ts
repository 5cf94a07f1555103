/**
 * The pool: memory that hooks allocate and free under the rules of the Windows nonpaged pool, with books.
 *
 * ```
 *   descriptor (IPRcvBuf) ──#record──> its books ──> slot of a slab   one data buffer, from IPAllocBuff
 *   block (Buffer) ─────────WeakMap──> its books ──> slot of a slab
 * ```
 * Floor 1. Rules: the pool believes its own record, never the nine members, which a hook may overwrite; a misuse is
 * refused before anything changed, is counted on the running hook, and is thrown as a `FIREHOOK_POOL_` error; a
 * descriptor object is never used twice, so its identity tells a freed one from a fresh one.
 *
 * Sources: the pages of ExAllocatePoolWithTag, IPAllocBuff, IPFreeBuff, FreeIprBuff and of PoolMon's display.
 *
 * @module
 */

import type { ErrorCode } from '../errors.ts';
import { FirehookError } from '../errors.ts';
import type { OctetBuffer } from '../wire/octet-buffer.ts';
import type { POOL_TYPE } from './constants.ts';
import { IPR_OWNER_POOL, NonPagedPool, PagedPool, SIZEOF_IPRCVBUF } from './constants.ts';
import { IPRcvBuf, isCyclic, isIPRcvBuf, recordOf } from './ip-rcv-buf.ts';
import type { OwnerUsage, PoolTagUsage, PoolTotals } from './pool-books.ts';
import { OwnerBook, TagBook } from './pool-books.ts';
import { clearData, DescriptorBook, holdsData, isOwnMemory, sharesMemory } from './pool-descriptor.ts';
import type { PoolTag } from './pool-tag.ts';
import { formatTag, parseTag, TAG_DATA, TAG_DESCRIPTOR } from './pool-tag.ts';
import type { Slot } from './slab.ts';
import { MAX_SLOT_OCTETS, SlabStore } from './slab.ts';

/** Value of {@link Pool.owner} while no hook runs. */
export const RUNTIME_OWNER = -1;
/** Largest data buffer of one descriptor, in octets: the longest IPv4 datagram. */
export const MAX_DATA_OCTETS = 65_535;
/** Largest block of memory, in octets. */
export const MAX_BLOCK_OCTETS = MAX_SLOT_OCTETS;

/** What a verifier fills fresh and freed memory with: the octets that Windows uses are not published for every pool. */
const FRESH = 0xb0;
const FREED = 0xbd;

/** Books of one block. */
interface Block {
  live: boolean;
  readonly slot: Slot;
  readonly size: number;
  readonly book: TagBook;
  readonly maker: OwnerBook;
}

/** Descriptors, data buffers and blocks under one limit. */
export class Pool {
  readonly #store: SlabStore;
  readonly #blocks = new WeakMap<object, Block>();
  readonly #books: Record<POOL_TYPE, Map<number, TagBook>> = { [NonPagedPool]: new Map(), [PagedPool]: new Map() };
  readonly #owners: OwnerBook[] = [];
  readonly #descriptorBook: TagBook;
  readonly #dataBook: TagBook;
  /** The owner, plus one: memory of zeros stands for the runtime. */
  #running = new Int32Array(1);
  /** For a verifier: asked at each request of a hook whether it is to fail. Null for never. */
  refuses: (() => boolean) | null = null;
  /** For a verifier: fresh memory and descriptors hold no zeros and nulls, freed memory is overwritten. */
  isPoisoned = false;
  /** For a verifier: a hook that replaces the packet has to free the chain that stood for it. */
  hooksFreeOldChains = false;
  /** The misuse that was refused last; null when there was none. */
  lastFault: FirehookError | null = null;
  #faultsTotal = 0;
  #failuresTotal = 0;
  #leakedTotal = 0;

  /**
   * @param limitBytes - see {@link Pool.limitBytes}
   */
  constructor(limitBytes: number) {
    this.#store = new SlabStore(limitBytes);
    this.#descriptorBook = this.#tagBook(NonPagedPool, TAG_DESCRIPTOR);
    this.#dataBook = this.#tagBook(NonPagedPool, TAG_DATA);
  }

  /** Index of the hook that runs, {@link RUNTIME_OWNER} for the runtime. Set before each call of a hook. */
  get owner(): number {
    return (this.#running[0] as number) + RUNTIME_OWNER;
  }
  set owner(owner: number) {
    this.#running[0] = owner - RUNTIME_OWNER;
  }

  /** Keeps {@link Pool.owner} in memory that another process can see: who runs is known also where it does not return. */
  shareOwner(memory: Int32Array<ArrayBuffer>): void {
    this.#running = memory;
  }

  /**
   * Hard limit in octets: slabs as reserved, and 64 for each descriptor.
   *
   * May be lowered below what is in use: nothing is taken away, nothing new is handed out.
   */
  get limitBytes(): number {
    return this.#store.limitBytes;
  }
  set limitBytes(bytes: number) {
    this.#store.limitBytes = bytes;
  }

  /** Misuses refused since the start. */
  get faultsTotal(): number {
    return this.#faultsTotal;
  }

  /**
   * Allocates a descriptor ({@link SIZEOF_IPRCVBUF} octets asked for) or a block (any other size).
   *
   * Ownership: returns owned; {@link Pool.free} it. Cost: makes the object it returns and its record.
   * @param type - NonPagedPool or PagedPool; anything else is counted as a fault and answered with null
   * @param octets - 1 to {@link MAX_BLOCK_OCTETS}
   * @param tag - see {@link PoolTag}
   * @returns null when the limit is reached or `octets` is out of range; a block has exactly `octets`, uninitialised
   * @throws {@link FirehookError} FIREHOOK_POOL_BAD_TAG when the tag is bad
   */
  allocate(type: POOL_TYPE, octets: number, tag: PoolTag): IPRcvBuf | OctetBuffer | null {
    const number = this.#checkTag(tag, 'ExAllocatePoolWithTag');
    if (type !== NonPagedPool && type !== PagedPool) {
      this.#fault('FIREHOOK_POOL_BAD_TYPE', `ExAllocatePoolWithTag: ${String(type)}`);
      return null;
    }
    if (this.#isRefused()) return null;
    const book = this.#tagBook(type, number);
    const maker = this.#ownerBook(this.owner);
    if (octets !== SIZEOF_IPRCVBUF) return this.#makeBlock(book, maker, octets);
    const descriptor = this.#makeDescriptor(book, maker);
    if (descriptor !== null && this.isPoisoned) poison(descriptor);
    return descriptor;
  }

  /**
   * Frees a descriptor or a block. The data buffer a descriptor may still have is not freed with it: it is leaked, stays
   * in the books, and is counted.
   *
   * Ownership: takes `block`.
   * @param tag - when given, must be the tag of the allocation
   * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE, FIREHOOK_POOL_STRANGER, or FIREHOOK_POOL_BAD_TAG for a bad
   * or another tag; nothing changed then
   */
  free(block: IPRcvBuf | OctetBuffer, tag?: PoolTag): void {
    const call = tag === undefined ? 'ExFreePool' : 'ExFreePoolWithTag';
    const number = tag === undefined ? 0 : this.#checkTag(tag, call);
    if (isIPRcvBuf(block)) {
      const record = this.#recordFor(block, 'FIREHOOK_POOL_DOUBLE_FREE', call);
      this.#checkSameTag(record, number);
      if (record.slot !== null) {
        this.#leakedTotal++;
        record.slot = null;
      }
      this.#dropDescriptor(block, record);
      return;
    }
    const record = typeof block === 'object' && block !== null ? this.#blocks.get(block) : undefined;
    if (record === undefined) throw this.#fault('FIREHOOK_POOL_STRANGER', `${call}: nothing that the pool gave out`);
    if (!record.live)
      throw this.#fault('FIREHOOK_POOL_DOUBLE_FREE', `${call}: already freed, ${describe('block', record)}`);
    this.#checkSameTag(record, number);
    record.live = false;
    record.book.remove(record.size);
    record.maker.remove(record.size);
    this.#giveBack(record.slot);
  }

  /**
   * Gives a descriptor its data buffer: sets `ipr_buffer`, `ipr_size` and `ipr_owner`, nothing else.
   *
   * The buffer is the slot itself, uninitialised, and may be longer than `size`: a hook that writes too far meets slack,
   * never another allocation.
   * Ownership: borrows `descriptor`, which owns the buffer. Cost: allocates nothing but for a new slab.
   * @param size - octets, 1 to {@link MAX_DATA_OCTETS}
   * @returns 1; 0 when `size` is out of range, the limit is reached, or, counted as a fault, there is a buffer already
   * @throws {@link FirehookError} FIREHOOK_POOL_STRANGER, FIREHOOK_POOL_USE_AFTER_FREE; nothing changed then
   */
  allocateBuffer(descriptor: IPRcvBuf, size: number): 0 | 1 {
    const record = this.#recordFor(descriptor, 'FIREHOOK_POOL_USE_AFTER_FREE', 'IPAllocBuff');
    if (record.slot !== null) {
      this.#fault('FIREHOOK_POOL_LOST_BUFFER', `IPAllocBuff: it has one, ${describe('descriptor', record)}`);
      return 0;
    }
    if (this.#isRefused()) return 0;
    return this.#attachData(descriptor, record, this.#ownerBook(this.owner), size);
  }

  /**
   * Frees the data buffer of one descriptor, which stays; `ipr_buffer` is null and `ipr_size` 0 after it.
   *
   * Ownership: borrows `descriptor`, takes its buffer.
   * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE when there is no buffer, FIREHOOK_POOL_STRANGER,
   * FIREHOOK_POOL_USE_AFTER_FREE; nothing changed then
   */
  freeBuffer(descriptor: IPRcvBuf): void {
    const record = this.#recordFor(descriptor, 'FIREHOOK_POOL_USE_AFTER_FREE', 'FreeIprBuff');
    if (record.slot === null)
      throw this.#fault('FIREHOOK_POOL_DOUBLE_FREE', `FreeIprBuff: it has no data, ${describe('descriptor', record)}`);
    this.#dropData(record, record.slot);
    clearData(descriptor);
  }

  /**
   * Frees every data buffer and every descriptor of a chain.
   *
   * Ownership: takes the chain. O(n) in descriptors.
   * @throws {@link FirehookError} FIREHOOK_POOL_DOUBLE_FREE for a freed head, a cycle, or a buffer that stands in two
   * descriptors; FIREHOOK_POOL_USE_AFTER_FREE for a freed member; FIREHOOK_POOL_STRANGER. Nothing changed then
   */
  freeChain(head: IPRcvBuf): void {
    const first = this.#recordFor(head, 'FIREHOOK_POOL_DOUBLE_FREE', 'IPFreeBuff');
    const doubly = (why: string) =>
      this.#fault('FIREHOOK_POOL_DOUBLE_FREE', `IPFreeBuff: ${why}, ${describe('descriptor', first)}`);
    if (isCyclic(head)) throw doubly('the chain comes back to itself');
    let isMoved = false;
    for (let at: IPRcvBuf | null = head; at !== null; at = at.ipr_next) {
      const record = this.#recordFor(at, 'FIREHOOK_POOL_USE_AFTER_FREE', 'IPFreeBuff');
      if (at.ipr_buffer !== null && !isOwnMemory(record, at.ipr_buffer)) isMoved = true;
    }
    // Whoever keeps its own data shares it with nobody but with one that does not.
    if (isMoved && sharesMemory(head)) throw doubly('one data buffer in two descriptors of the chain');
    this.#dropChain(head);
  }

  /**
   * Makes one descriptor with `size` octets of data for the runtime. Hooks cannot free it.
   *
   * Ownership: returns owned; give it to {@link Pool.release}. Never throws.
   * @returns null when `size` is out of range or the limit is reached
   */
  allocateChain(size: number): IPRcvBuf | null {
    const runtime = this.#ownerBook(RUNTIME_OWNER);
    const descriptor = this.#makeDescriptor(this.#descriptorBook, runtime);
    if (descriptor === null) return null;
    const record = this.#ownRecord(descriptor);
    if (record === null) return null;
    record.lent = !this.hooksFreeOldChains;
    if (this.#attachData(descriptor, record, runtime, size) === 1) return descriptor;
    this.#dropDescriptor(descriptor, record);
    return null;
  }

  /**
   * Tells whether a chain that a hook handed over can be taken: every member is live, from this pool and not the
   * runtime's already; each one's data lies within what was asked for; no cycle.
   *
   * Ownership: borrows. Never throws, allocates nothing, O(n) in descriptors.
   */
  isOwnedChain(head: IPRcvBuf | null): boolean {
    if (head === null || isCyclic(head)) return false;
    for (let at: IPRcvBuf | null = head; at !== null; at = at.ipr_next) {
      const record = this.#ownRecord(at);
      if (record === null || record.lent || !holdsData(record, at)) return false;
    }
    return true;
  }

  /**
   * Makes a chain the runtime's: it is no longer outstanding for the hooks that made it, and later hooks may read and
   * write it, not free it. Call it when a hook hands a chain over, before the next hook sees it.
   *
   * Ownership: takes the chain; give it to {@link Pool.release}. Never throws, allocates nothing.
   * @returns false, with nothing changed, for a cycle or a member that is not live or not from this pool
   */
  adopt(head: IPRcvBuf | null): boolean {
    if (!this.#isLiveChain(head)) return false;
    const runtime = this.#ownerBook(RUNTIME_OWNER);
    for (let at = head; at !== null; at = at.ipr_next) {
      const record = this.#ownRecord(at);
      if (record === null) continue;
      record.lent = !this.hooksFreeOldChains;
      record.maker.moveTo(runtime, SIZEOF_IPRCVBUF);
      record.maker = runtime;
      if (record.slot === null) continue;
      record.dataMaker.moveTo(runtime, record.size);
      record.dataMaker = runtime;
    }
    return true;
  }

  /**
   * Frees a chain for the runtime, whoever made it.
   *
   * Ownership: takes the chain. Never throws, allocates nothing.
   * @returns false, with nothing changed, for a cycle or a member that is not live or not from this pool
   */
  release(head: IPRcvBuf | null): boolean {
    if (!this.#isLiveChain(head)) return false;
    this.#dropChain(head);
    return true;
  }

  /** Says what a hook is called in errors. */
  nameOwner(owner: number, name: string): void {
    this.#ownerBook(owner).name = name;
  }

  /** True for a chain of this pool with no freed member. Never throws. O(n) in descriptors. */
  isLive(head: IPRcvBuf | null): boolean {
    return this.#isLiveChain(head);
  }

  /** What a hook holds, and how often it misused the pool. Makes one small object. */
  ownerUsage(owner: number): OwnerUsage {
    const { outstanding, bytes, faults } = this.#ownerBook(owner);
    return { outstanding, bytes, faults };
  }

  /** The rows of PoolMon, sorted by tag. O(tags): meant for a few reads a second. */
  usage(): PoolTagUsage[] {
    const rows = [this.#books[NonPagedPool], this.#books[PagedPool]].flatMap((books) =>
      Array.from(books.values(), (book) => book.toUsage()),
    );
    return rows.sort((a, b) => (a.tag < b.tag ? -1 : Number(a.tag > b.tag)));
  }

  /** The head lines of PoolMon. O(tags). */
  totals(): PoolTotals {
    let bytesInUse = 0;
    for (const type of [NonPagedPool, PagedPool] as const) {
      for (const book of this.#books[type].values()) bytesInUse += book.bytes;
    }
    return {
      bytesInUse,
      limitBytes: this.#store.limitBytes,
      reservedBytes: this.#store.reservedBytes,
      slabs: this.#store.slabs,
      faultsTotal: this.#faultsTotal,
      failuresTotal: this.#failuresTotal,
      leakedTotal: this.#leakedTotal,
    };
  }

  #makeDescriptor(book: TagBook, maker: OwnerBook): IPRcvBuf | null {
    if (!this.#store.charge(SIZEOF_IPRCVBUF)) {
      this.#failuresTotal++;
      return null;
    }
    book.add(SIZEOF_IPRCVBUF);
    maker.add(SIZEOF_IPRCVBUF);
    return new IPRcvBuf(new DescriptorBook(this, book, maker));
  }

  #makeBlock(book: TagBook, maker: OwnerBook, octets: number): OctetBuffer | null {
    const slot = this.#takeSlot(octets, MAX_BLOCK_OCTETS);
    if (slot === null) return null;
    // A view of its own, not the slot's: its identity tells a second free from the free of a later allocation.
    const view = slot.view.subarray(0, octets);
    this.#blocks.set(view, { live: true, slot, size: octets, book, maker });
    book.add(octets);
    maker.add(octets);
    return view;
  }

  #attachData(descriptor: IPRcvBuf, record: DescriptorBook, maker: OwnerBook, size: number): 0 | 1 {
    const slot = this.#takeSlot(size, MAX_DATA_OCTETS);
    if (slot === null) return 0;
    record.slot = slot;
    record.size = size;
    record.dataMaker = maker;
    this.#dataBook.add(size);
    maker.add(size);
    descriptor.ipr_buffer = slot.view;
    descriptor.ipr_size = size;
    descriptor.ipr_owner = IPR_OWNER_POOL;
    return 1;
  }

  #takeSlot(octets: number, most: number): Slot | null {
    const inRange = Number.isInteger(octets) && octets >= 1 && octets <= most;
    const slot = inRange ? this.#store.acquire(octets) : null;
    if (slot === null) this.#failuresTotal++;
    else if (this.isPoisoned) slot.view.fill(FRESH);
    return slot;
  }

  #isRefused(): boolean {
    if (this.refuses === null || this.owner === RUNTIME_OWNER || !this.refuses()) return false;
    this.#failuresTotal++;
    return true;
  }

  #giveBack(slot: Slot): void {
    if (this.isPoisoned) slot.view.fill(FREED);
    this.#store.release(slot);
  }

  #dropChain(head: IPRcvBuf | null): void {
    let at = head;
    while (at !== null) {
      const next: IPRcvBuf | null = at.ipr_next;
      const record = this.#ownRecord(at);
      if (record !== null) {
        if (record.slot !== null) this.#dropData(record, record.slot);
        this.#dropDescriptor(at, record);
      }
      at = next;
    }
  }

  #dropData(record: DescriptorBook, slot: Slot): void {
    this.#dataBook.remove(record.size);
    record.dataMaker.remove(record.size);
    record.slot = null;
    this.#giveBack(slot);
  }

  /** What is left of a freed descriptor points nowhere: a late use meets null, not somebody else's data. */
  #dropDescriptor(descriptor: IPRcvBuf, record: DescriptorBook): void {
    record.live = false;
    record.book.remove(SIZEOF_IPRCVBUF);
    record.maker.remove(SIZEOF_IPRCVBUF);
    this.#store.discharge(SIZEOF_IPRCVBUF);
    descriptor.ipr_next = null;
    clearData(descriptor);
  }

  #isLiveChain(head: IPRcvBuf | null): boolean {
    if (head === null || isCyclic(head)) return false;
    for (let at: IPRcvBuf | null = head; at !== null; at = at.ipr_next) {
      if (this.#ownRecord(at) === null) return false;
    }
    return true;
  }

  /** The record of a live descriptor of this pool; null for anything else. */
  #ownRecord(descriptor: unknown): DescriptorBook | null {
    const record = recordOf(descriptor);
    return record instanceof DescriptorBook && record.pool === this && record.live ? record : null;
  }

  /** The record of a descriptor that the running code may use. Throws otherwise. */
  #recordFor(descriptor: unknown, whenFreed: ErrorCode, call: string): DescriptorBook {
    const record = recordOf(descriptor);
    if (!(record instanceof DescriptorBook) || record.pool !== this) {
      const what = record === undefined ? 'nothing that the pool gave out' : 'a descriptor that the runtime lends';
      throw this.#fault('FIREHOOK_POOL_STRANGER', `${call}: ${what}`);
    }
    if (!record.live) throw this.#fault(whenFreed, `${call}: already freed, ${describe('descriptor', record)}`);
    if (record.lent && this.owner !== RUNTIME_OWNER) {
      throw this.#fault('FIREHOOK_POOL_STRANGER', `${call}: a descriptor that is the runtime's by now`);
    }
    return record;
  }

  #checkTag(tag: PoolTag, call: string): number {
    const number = parseTag(tag);
    if (number === 0) throw this.#fault('FIREHOOK_POOL_BAD_TAG', `${call}: "${String(tag)}"`);
    return number;
  }

  #checkSameTag(record: { readonly book: TagBook; readonly maker: OwnerBook }, tag: number): void {
    if (tag === 0 || tag === record.book.tag) return;
    const detail = `ExFreePoolWithTag: freed as ${formatTag(tag)}, ${describe('block', record)}`;
    throw this.#fault('FIREHOOK_POOL_BAD_TAG', detail, 'free with the tag of the allocation');
  }

  #fault(code: ErrorCode, detail: string, advice?: string): FirehookError {
    this.#countFault();
    this.lastFault = new FirehookError(code, detail, advice === undefined ? {} : { advice });
    return this.lastFault;
  }

  #countFault(): void {
    this.#faultsTotal++;
    this.#ownerBook(this.owner).faults++;
  }

  #tagBook(type: POOL_TYPE, tag: number): TagBook {
    let book = this.#books[type].get(tag);
    if (book === undefined) {
      book = new TagBook(tag, type);
      this.#books[type].set(tag, book);
    }
    return book;
  }

  #ownerBook(owner: number): OwnerBook {
    const index = owner - RUNTIME_OWNER;
    let book = this.#owners[index];
    if (book === undefined) {
      book = new OwnerBook(owner === RUNTIME_OWNER ? 'the runtime' : `hook ${owner}`);
      this.#owners[index] = book;
    }
    return book;
  }
}

/** A member of a fresh descriptor that its maker did not set. */
const NOWHERE = new IPRcvBuf();
const GARBAGE = 0xb0b0b0b0;

/** What a driver relies on is not there: on Windows a fresh descriptor is whatever was in that memory. */
function poison(descriptor: IPRcvBuf): void {
  descriptor.ipr_next = NOWHERE;
  descriptor.ipr_owner = GARBAGE;
  descriptor.ipr_size = GARBAGE;
  descriptor.ipr_RcvOffset = GARBAGE;
  descriptor.ipr_flags = GARBAGE;
}

/** `descriptor TCPf allocated by drop-port`. */
function describe(what: string, { book, maker }: { readonly book: TagBook; readonly maker: OwnerBook }): string {
  return `${what} ${formatTag(book.tag)} allocated by ${maker.name}`;
}
