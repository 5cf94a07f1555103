/*
 * The receive side of the native AF_PACKET driver: one memory-mapped TPACKET_V2 ring on one device (packet(7)).
 *
 *   slot:  | tpacket2_hdr ... | reserve | vnet header (10) | Ethernet frame ............ |
 *                                       ^ vnet             ^ frame (tp_mac)
 *
 * Frames come with their virtio-net header (PACKET_VNET_HDR): what is not final in a checksum and how a super-frame is to
 * be cut travels with the frame. A frame longer than a slot is read whole with recvmsg into an overflow buffer, in order
 * (PACKET_COPY_THRESH).
 *
 * A ring at a user's port has a fence (fence.h): a frame whose original the kernel may have sent on is given back unread.
 * The copy is in the ring before nftables decides about the original, so that a fence that is open after a batch was taken
 * holds for the whole batch.
 *
 * Rule: everything runs on the main thread. A slot belongs to this side from receive() until release(); the ring is given
 * back in the order it was filled. The Ring owns the mapping, the overflow memory and the descriptor.
 */
#ifndef FIREHOOK_NATIVE_RING_H_
#define FIREHOOK_NATIVE_RING_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fence.h"
#include "system-error.h"

namespace firehook {

/** Octets of a virtio-net header without merged buffers. */
constexpr size_t kVnetHeader = 10;
/** Longest frame of an overflow buffer: a super-frame of 64 KiB, its link header and tags. */
constexpr size_t kOverflowSlot = 68 * 1024;

/** Set in a frame's flags. */
constexpr uint32_t kChecksumPartial = 1;
constexpr uint32_t kSuperFrame = 2;
constexpr uint32_t kOverflow = 4;

/** Numbers of one frame in the array that receive() fills. */
constexpr size_t kFieldCount = 8;

struct RingOptions {
  int ifindex = 0;
  uint32_t slotSize = 0;
  uint32_t slotCount = 0;
  uint32_t overflowCount = 0;
  /** -1 for no fanout. */
  int fanoutGroup = -1;
  /** Leave out what this host sends on the device. */
  bool ignoreOutgoing = true;
  /** Classic BPF, 8 octets an instruction; empty for none. */
  std::vector<uint8_t> filter;
};

/** Where the reader of a ring stands between two batches. */
struct RingPlace {
  /** The slot that is looked at next. */
  uint32_t next = 0;
  /** Frames that have a slot and were not taken. */
  uint64_t unread = 0;
  uint64_t epoch = 0;
  /** Of the unread ones, those that were captured before the epoch. */
  uint64_t stale = 0;
};

class Ring {
 public:
  Ring() = default;
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  /** Opens the socket of a ring, with everything that needs rights. -1, with `error` set, when a call fails. */
  static int OpenSocket(const RingOptions& options, SystemError* error);

  /**
   * Takes over a socket of OpenSocket, opened with the same options, and maps its ring. False, with `error` set and the socket
   * closed, when that fails. Needs no rights.
   */
  bool Adopt(int fd, const RingOptions& options, SystemError* error);

  /** Both. */
  bool Open(const RingOptions& options, SystemError* error);

  /**
   * Gives the ring a fence; what has been captured so far is never handed out. The descriptor stays the caller's.
   * False, with `error` set, when it cannot be mapped.
   */
  bool SetFence(int fd, SystemError* error);

  /** Leaves everything in the ring to the process that reads it at the moment, until GoOn. To be called before SetFence. */
  void Wait() { isWaiting_ = true; }

  /**
   * Reads no more: another process goes on from here, with the same socket. What is out must have been given back.
   * False while something is out, or when another one reads already.
   */
  bool Leave(RingPlace* place);

  /** Reads on from where another process has left. False, and nothing has changed, for a place that this ring does not have. */
  bool GoOn(const RingPlace& place);

  /**
   * Takes note of a new epoch also when nothing arrives: what comes from then on is handed out.
   * Returns the epoch the ring is in; 0 without a fence.
   */
  uint64_t LookAtFence();

  /**
   * Fills `fields` with up to `max` frames that have arrived, kFieldCount numbers each:
   * memory offset of the frame, length, original length, flags, seconds, nanoseconds, slot, offset of the vnet header.
   * Offsets of overflow frames are into the overflow memory. Returns the number of frames.
   * With a fence it returns none until all that it handed out before has been given back.
   */
  uint32_t Receive(uint32_t* fields, uint32_t max);

  /** Puts a filter in the place of the one there is, if any. Needs no privilege. False, with `error` set, when refused. */
  bool SetFilter(const std::vector<uint8_t>& filter, SystemError* error);

  /** Gives the `count` oldest received frames back to the kernel. */
  void Release(uint32_t count);

  /** Frames the kernel dropped because the ring was full, since Open. */
  uint64_t Dropped();

  /** Frames given back unread because of the fence. */
  uint64_t Fenced() const { return fenced_; }

  /** Forgets an error of the socket: poll(2) reports it until then. */
  void ClearError();

  /** Unmaps and closes. Idempotent. */
  void Close();

  int fd() const { return fd_; }
  uint8_t* memory() const { return memory_; }
  size_t memoryLength() const { return memoryLength_; }
  uint8_t* overflow() { return overflow_.data(); }
  size_t overflowLength() const { return overflow_.size(); }

 private:
  uint8_t* Slot(uint32_t index) const;
  uint32_t Take(uint32_t* fields, uint32_t max);
  bool ReadOverflow(const uint8_t* header, uint32_t* fields);
  bool IsWithheld();
  void Discard(uint64_t max);
  void ReadStatistics();

  int fd_ = -1;
  /** Another process reads the ring: its frames and its statistics are that one's. */
  bool isWaiting_ = false;
  uint8_t* memory_ = nullptr;
  size_t memoryLength_ = 0;
  std::vector<uint8_t> overflow_;
  uint32_t slotSize_ = 0;
  uint32_t slotCount_ = 0;
  uint32_t slotsPerBlock_ = 0;
  size_t blockSize_ = 0;
  /** Next slot to look at, and the oldest that is not given back; they differ by what is out. */
  uint32_t next_ = 0;
  uint32_t oldest_ = 0;
  uint32_t out_ = 0;
  /** Overflow buffers in use by the frames that are out. */
  uint32_t overflowUsed_ = 0;
  uint64_t dropped_ = 0;
  /** Frames the kernel has given a slot to, and those that were taken from there; the difference is in the ring. */
  uint64_t captured_ = 0;
  uint64_t taken_ = 0;
  Fence fence_;
  uint64_t epoch_ = 0;
  /** Frames to come that were captured before the epoch. */
  uint64_t stale_ = 0;
  uint64_t fenced_ = 0;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_RING_H_
