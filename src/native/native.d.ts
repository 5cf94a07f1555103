/**
 * What the native addon exports: the one declaration of it. C++: exports.h; loader: load-native.ts.
 *
 * @module
 */

/** A ring on one device. Opaque; made by `openRing`. */
export interface NativeRing {
  /** The mapped ring. Detached by `closeRing`: views of it have length 0 from then on. */
  readonly memory: ArrayBuffer;
  /** Buffers for frames longer than a slot. Detached by `closeRing`. */
  readonly overflow: ArrayBuffer;
  /**
   * The batch that is being handed out; eight 32-bit numbers a frame: offset of the frame in `memory` (or `overflow`), length,
   * original length, flags (1 checksum partial, 2 super-frame, 4 in overflow), seconds, nanoseconds, slot, offset of its vnet
   * header. Detached by `closeRing`.
   */
  readonly fields: ArrayBuffer;
}

/** A sending socket on one device, and its queue. Made by `openSender`; all arrays are detached by `closeSender`. */
export interface NativeSender {
  /**
   * 32-bit numbers: frames in the queue (at most 256), frames of the last flush that were not sent, then three numbers a
   * frame: 0 `memory` of the ring, 1 its `overflow`, 2 `made`; offset of the vnet header in it; octets from there on.
   */
  readonly queue: ArrayBuffer;
  /** An octet for each frame of the last flush: 1 was not sent, also because it pointed outside its memory. */
  readonly failed: ArrayBuffer;
  /** 1 MiB for frames that are made. */
  readonly made: ArrayBuffer;
}

/** Raw sockets for IP datagrams, one a family. Opaque; made by `openDatagramSender`. */
export interface NativeDatagramSender {
  /** False on a host without IPv6: then every IPv6 datagram is refused. */
  readonly hasIpv6: boolean;
}

/** A netlink socket. Made by `openNetlink`. */
export interface NativeNetlink {
  /** Its address. Whatever it makes in nf_tables with an owner belongs to this number. */
  readonly portId: number;
}

/** The thread that holds the lease. Opaque; made by `openLease`. */
export interface NativeLease {
  readonly opaque: true;
}

/** The exports. Every function throws a TypeError for a wrong argument, and an Error with `syscall`, `errno` and `code`. */
export interface NativeModule {
  /**
   * @param slotSize - octets, a multiple of 16
   * @param slotCount - rounded up to whole blocks of 256 KiB
   * @param overflowCount - buffers for frames longer than a slot, 68 KiB each
   * @param fanoutGroup - group of PACKET_FANOUT_HASH, -1 for none
   * @param ignoreOutgoing - leave out what this host sends on the device
   * @param filter - classic BPF, 8 octets an instruction; empty for none
   */
  openRing(
    ifindex: number,
    slotSize: number,
    slotCount: number,
    overflowCount: number,
    fanoutGroup: number,
    ignoreOutgoing: boolean,
    filter: Uint8Array,
  ): NativeRing;
  /**
   * Puts a filter in the place of the one there is, if any. Frames that are in the ring already stay. Needs no privilege.
   *
   * @param filter - classic BPF, 8 octets an instruction, at least one
   */
  setFilter(ring: NativeRing, filter: Uint8Array): void;
  /** Frames dropped because the ring was full, since it was opened. */
  dropped(ring: NativeRing): number;
  /**
   * Gives a ring at a user's port its fence (fence.h): frames whose original the kernel may have sent on are given
   * back unread, and so is what was captured before.
   *
   * @param descriptor - of the fence's file; it may be closed afterwards
   */
  setFence(ring: NativeRing, descriptor: number): void;
  /**
   * Takes note of a new epoch also when nothing arrives: what comes from then on is handed out. To be called often.
   *
   * @returns the epoch that the ring is in; 0 without a fence
   */
  lookAtFence(ring: NativeRing): number;
  /** Frames given back unread because of the fence. */
  fenced(ring: NativeRing): number;
  /**
   * Calls back with every batch of frames, without a turn of the event loop in between as long as the loop has nothing to do.
   * When the call returns, the queues of all senders are flushed and the frames are given back to the kernel. Once a ring.
   *
   * @param onLost - called before the frames are given back when some were not sent
   */
  watch(ring: NativeRing, onBatch: (count: number) => void, onLost: () => void): void;
  closeRing(ring: NativeRing): void;
  /**
   * Confines all threads of this process for good: system calls that hooks have no business with are refused, and the addon takes
   * over no more sockets. Needs nothing but Linux 3.17.
   *
   * @param sockets - of the packet path: only the addon reads and writes them
   * @param byOthers - other code than the addon's sends and receives on them (npm `pcap` and `raw-socket`)
   * @param network - sockets of IPv4 and IPv6 may be opened
   */
  confine(sockets: Int32Array, byOthers: boolean, network: boolean): void;
  /** Version of the Landlock interface of this kernel; 0 where it has none. @see landlock(7) */
  landlockVersion(): number;
  /** The socket of a ring, with everything that takes rights: a descriptor for {@link adoptRing}. Takes what `openRing` takes. */
  openRingSocket(...options: Parameters<NativeModule['openRing']>): number;
  /**
   * A ring on a socket of {@link openRingSocket} that was opened with the same numbers. The descriptor is the ring's from now on.
   *
   * @param waits - another process reads it, until {@link goOnWithRing}
   */
  adoptRing(descriptor: number, slotSize: number, slotCount: number, overflowCount: number, waits: boolean): NativeRing;
  /**
   * Reads the ring no more, so that another process can go on with its socket.
   *
   * @returns where it stands: next slot, frames that are there unread, epoch, stale ones of them; null within a batch, and where another one reads it
   */
  leaveRing(ring: NativeRing): [next: number, unread: number, epoch: number, stale: number] | null;
  /** Reads on from where another process has left. @returns false for a place that the ring does not have, and where it is read already */
  goOnWithRing(ring: NativeRing, next: number, unread: number, epoch: number, stale: number): boolean;
  /**
   * Makes a bound packet socket a member of a group in which each frame goes to exactly one member: to the first one, until {@link turnSwitch}.
   *
   * @param group - 16 bits
   * @see packet(7), PACKET_FANOUT_CBPF
   */
  joinSwitch(descriptor: number, group: number): void;
  /** Has all frames go to one member of the socket's group from now on. @param member - 0 or 1, in the order in which they joined */
  turnSwitch(descriptor: number, member: number): void;
  /** The socket of a sender: a descriptor for {@link adoptSender}. Takes what {@link openSender} takes. */
  openSenderSocket(ifindex: number, mark: number): number;
  /** A sender on a socket of {@link openSenderSocket}. The descriptor is the sender's from now on. */
  adoptSender(descriptor: number): NativeSender;
  /** The sockets of a datagram sender, for IPv4 and IPv6: descriptors for {@link adoptDatagramSender}; -1 on a host without IPv6. */
  openDatagramSockets(): [ipv4: number, ipv6: number];
  /** A datagram sender on sockets of {@link openDatagramSockets}. The descriptors are the sender's from now on. */
  adoptDatagramSender(ipv4: number, ipv6: number): NativeDatagramSender;
  /**
   * @param mark - of each frame that is sent (SO_MARK), which needs CAP_NET_ADMIN or CAP_NET_RAW; 0 for none
   */
  openSender(ifindex: number, mark: number): NativeSender;
  /**
   * Sends what is in the queue, and empties it: only needed before the batch ends, when it is full.
   *
   * @param ring - whose memory the entries point into
   * @returns frames not sent
   */
  flush(sender: NativeSender, ring: NativeRing): number;
  closeSender(sender: NativeSender): void;
  openDatagramSender(): NativeDatagramSender;
  /**
   * Sends IP datagrams by the routing table, to the address in their header; at most 256, IPv4 first.
   *
   * @param entries - two numbers a datagram: offset in `memory`; octets from there
   * @param failed - set to the errno of each datagram that was not sent, to 0 for the others
   * @returns datagrams not sent
   */
  sendDatagrams(
    sender: NativeDatagramSender,
    memory: Uint8Array,
    entries: Uint32Array,
    count: number,
    failed: Uint8Array,
  ): number;
  closeDatagramSender(sender: NativeDatagramSender): void;
  /** setegid(2), for the whole process. `identity.ts` says when. */
  setEffectiveGroup(group: number): void;
  /** Real, effective and saved user and group of the whole process, and no supplementary groups. There is no way back. */
  becomeUser(user: number, group: number): void;
  /**
   * Opens a netlink socket with a receive buffer of 4 MiB, whose errors say what was wrong (NETLINK_EXT_ACK) and which does not
   * repeat the request in them (NETLINK_CAP_ACK). With groups it is for `watchNetlink` only, without for `requestNetlink`.
   *
   * @param protocol - NETLINK_ROUTE 0, NETLINK_NETFILTER 12, NETLINK_GENERIC 16
   * @param groups - numbers of multicast groups (RTNLGRP_*, NFNLGRP_*), at most 64
   */
  openNetlink(protocol: number, groups: readonly number[]): NativeNetlink;
  /** A socket without groups of `openNetlink` in another process. The descriptor is the socket's from now on. */
  adoptNetlink(descriptor: number): NativeNetlink;
  /** Its descriptor, borrowed: to be sent to another process. */
  netlinkDescriptor(netlink: NativeNetlink): number;
  /**
   * Sends the messages as one datagram, on a thread of the pool, and resolves with every answer one behind the other: acks,
   * errors, parts of dumps. Requests of one socket run one after another, in order. Every message needs a number (nlmsg_seq)
   * of its own: a dump is over when NLMSG_DONE or an error with its number came. What the kernel refuses is an answer;
   * what the socket refuses rejects with `code`: ENOBUFS when answers were lost, ETIMEDOUT when a dump stood still for ten
   * seconds, ECANCELED when the socket was closed before it was sent.
   *
   * @param messages - whole messages, the last one padded to 4 octets too; copied
   */
  requestNetlink(netlink: NativeNetlink, messages: Uint8Array): Promise<ArrayBuffer>;
  /**
   * Sends messages and returns every answer, now, on the calling thread: for requests that the kernel answers at once, not for
   * dumps. Throws what `requestNetlink` rejects with, and EBUSY while one of that is under way on the socket.
   *
   * @param messages - whole messages, 64 KiB at most
   */
  askNetlink(netlink: NativeNetlink, messages: Uint8Array): ArrayBuffer;
  /**
   * Calls back on the event loop with what the groups of the socket sent. Does not keep the process alive. Once a socket.
   *
   * @param onMessages - null after an overrun: messages were lost, look at everything
   */
  watchNetlink(netlink: NativeNetlink, onMessages: (messages: ArrayBuffer | null) => void): void;
  /** Closes the socket when what is under way has ended. Idempotent. */
  closeNetlink(netlink: NativeNetlink): void;
  /**
   * Makes a file in memory, zeroed, that has this size for ever (F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_SEAL) and that only its
   * owner can open once more through /proc. Close-on-exec.
   *
   * @param name - to be seen in /proc, at most 249 octets
   * @param octets - at most 1 GiB; the memory is had at once
   * @returns the descriptor, for reading and writing
   */
  createMemory(name: string, octets: number): number;
  /**
   * Maps the start of such a file for reading and writing, until the process ends: what is written shows in every other mapping
   * and to whoever reads the file, at once and without a system call.
   *
   * @param fd - of `createMemory`; may be closed afterwards
   * @param octets - at most those of the file
   */
  mapMemory(fd: number, octets: number): ArrayBuffer;
  /**
   * Makes a file in memory of these octets that nobody can change any more (F_SEAL_WRITE beside the seals of `createMemory`), whoever
   * has a descriptor of it. Close-on-exec.
   *
   * @param name - to be seen in /proc, at most 249 octets
   * @param octets - 1 octet to 1 GiB; copied
   * @returns the descriptor
   */
  createConstant(name: string, octets: Uint8Array): number;
  /**
   * Maps the start of such a file, until `unmapConstant`. **To be read only**: whoever writes into it ends the process.
   *
   * @param fd - of `createConstant`; may be closed afterwards
   * @param octets - at most those of the file
   */
  mapConstant(fd: number, octets: number): ArrayBuffer;
  /** Detaches and unmaps what `mapConstant` gave: every view of it has length 0 from then on. A TypeError for any other. */
  unmapConstant(memory: ArrayBuffer): void;
  /** A pair of sockets for `sendDescriptor` and `receiveDescriptor`. Close-on-exec; they never wait. */
  openHandover(): [number, number];
  /**
   * Sends a descriptor to who has the other end; the caller's stays open (SCM_RIGHTS of unix(7)).
   *
   * @param number - comes with it
   * @returns false where the other end has not taken what was sent before
   */
  sendDescriptor(socket: number, number: number, descriptor: number): boolean;
  /** The next descriptor, close-on-exec, and its number; null where none is there, or where the other end is closed. */
  receiveDescriptor(socket: number): [number: number, descriptor: number] | null;
  /**
   * Opens the file (made with mode 0600 where there is none; no symbolic link, plain files only, close-on-exec) and locks
   * it (flock(2)). The lock goes with the descriptor and with the process.
   *
   * @returns the descriptor, or -1 where another holds the lock
   */
  lockFile(path: string): number;
  /**
   * An extended attribute of a file, one character for each octet (xattr(7)).
   *
   * @returns null where the file has none of that name; longer than 255 octets is an error (ERANGE)
   */
  readAttribute(path: string, name: string): string | null;
  /**
   * Writes without ever waiting, and leaves the flags of the descriptor as they are. For pipes, terminals and sockets; a
   * plain file takes everything.
   *
   * @returns octets written, which may be fewer than there are; 0 where it would wait
   */
  writeNow(fd: number, bytes: Uint8Array): number;
  /**
   * Sends a datagram to a unix socket, a path or an abstract name after `@`, without waiting; sd_notify(3).
   *
   * @returns false where it would wait
   */
  notify(address: string, octets: Uint8Array): boolean;
  /**
   * Sends one Ethernet frame. The socket is opened by the first call, with the effective group of then, and kept.
   *
   * @param mark - SO_MARK
   * @param frame - with its Ethernet header
   */
  sendFrame(ifindex: number, mark: number, frame: Uint8Array): void;
  /** Programs attached to the ingress of the device by tcx; 0 on a kernel that has no tcx (before 6.6). */
  countTcxPrograms(ifindex: number): number;
  /**
   * Starts the thread that holds the lease of all ports (lease.h); not allowed to, without ports and without lanes. It shares the
   * socket with `requestNetlink` and keeps it open until it ends. A renewal waits for the request that is under way: whoever
   * only reads, dumps above all, does it on another socket.
   *
   * @param fenceFd - of `createMemory`, at least 24 octets: epoch, until, sum (fence.h); may be closed afterwards
   * @param inherits - another process has the lease. With the first `setLeaseBatches` it has left it by `leaveLease`, and this one goes on with the
   * fence as open as it is; until then nothing is done to it
   * @param onChange - called on the event loop when the lease is held or no longer held, and after each refusal of the kernel;
   * several changes may come as one call. Does not keep the process alive
   */
  openLease(netlink: NativeNetlink, fenceFd: number, inherits: boolean, onChange: () => void): NativeLease;
  /**
   * The batches of nf_tables that renew and that end the lease of all ports, each as one datagram; copied. A renewal counts
   * when at least one message was acknowledged (NLM_F_ACK) and none refused. Both empty: no ports, and it is never held.
   *
   * Other batches than before close the fence until the kernel has confirmed the first renewal with them, which follows at once:
   * a new port has no lease yet, and the fence is for all. The same ones, octet for octet, change nothing.
   */
  setLeaseBatches(lease: NativeLease, renew: Uint8Array, lapse: Uint8Array): void;
  /**
   * The progress files of the lanes, in place of those before. The 8 octets at offset 8 have to change within 400 ms, or the
   * lease ends until they do. A file that was in the list before goes on counting.
   *
   * @param progressFds - of `createMemory`, at least 16 octets; may be closed afterwards
   */
  setLeaseLanes(lease: NativeLease, progressFds: readonly number[]): void;
  /**
   * False: the fence is closed when this returns, and the thread ends the lease in the kernel at once.
   * True: it is renewed from now on, the first time at once.
   */
  allowLease(lease: NativeLease, allowed: boolean): void;
  /** The main loop is alive. Without it for five seconds the lease ends until it comes. */
  beatLease(lease: NativeLease): void;
  /**
   * Numbers: 1 when it is held now, otherwise 0; epoch; renewals; refusals; errno of the last refusal, 0 without any; longest time
   * between two renewals while they were allowed, ms, the one that lasts included; times that it was lost (not by `allowLease`,
   * `setLeaseBatches` or `closeLease`); then for each lane how long ago it was seen to move, ms, at most 200 too little.
   */
  leaseState(lease: NativeLease): Float64Array;
  /**
   * Closes the fence, ends the lease in the kernel when `lapse`, and then the thread. The other functions do nothing from then on.
   * Waits for what the kernel is doing. Idempotent.
   */
  closeLease(lease: NativeLease, lapse: boolean): void;
  /**
   * Ends the thread and leaves the lease to another process, which has the socket and the fence as well: renewed once more, where it is
   * held, and the fence as open.
   *
   * @param renew - the batch of that renewal
   * @param certainMs - for how long it is certain
   * @returns false where the lease is not held, or the kernel refuses
   */
  leaveLease(lease: NativeLease, renew: Uint8Array, certainMs: number): boolean;
}
