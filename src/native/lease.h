/*
 * Holds the lease of the ports in a thread of its own: without it the kernel stops giving frames to the lanes.
 *
 *   every 200 ms, and at once when something changed:
 *     every lane's progress word moved, the main loop is alive, JavaScript allows it
 *       ─> one nf_tables batch ─> the kernel's ack ─> the fence is open for 900 ms, counted from before the batch was sent
 *     otherwise
 *       ─> the fence is closed ─> the batch that ends the lease
 *
 * An element of a port's set lives for one second in the kernel (docs/kernel-notes.md). The last 100 ms of it are not relied
 * on: the kernel counts in ticks, and ticks may be late. A renewal that the kernel refuses closes the fence and is tried
 * again; so is one whose ack came too late. No timer of JavaScript is on this path, and no allocation.
 *
 * Each closing counts up a generation: the ack of a renewal that was under way meanwhile no longer opens the fence.
 *
 * Rule: the fence is closed before anything that lets the kernel send frames on, and before the call that wants it returns.
 * Main thread but for the thread itself. The socket is shared with others: its turn is taken before the monitor, never after.
 */
#ifndef FIREHOOK_NATIVE_LEASE_H_
#define FIREHOOK_NATIVE_LEASE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <sys/types.h>
#include <thread>
#include <vector>

#include "fence-writer.h"
#include "monitor.h"
#include "netlink.h"
#include "system-error.h"

namespace firehook {

/** A lane's progress file, mapped. */
class ProgressWord {
 public:
  ProgressWord() = default;
  ~ProgressWord();
  ProgressWord(ProgressWord&& other) noexcept;
  ProgressWord& operator=(ProgressWord&& other) noexcept;

  /** Maps a file whose size is sealed. False, with `error` set, for any other. */
  bool Open(int fd, uint64_t nowNs, SystemError* error);

  /** Looks whether it moved. `passedNs` since the last look, as far as it is held against the lane. */
  void Look(uint64_t nowNs, uint64_t passedNs);
  /** Takes over what is known of the same file. */
  void Remember(const ProgressWord& earlier);

  bool IsSameFile(const ProgressWord& other) const { return device_ == other.device_ && inode_ == other.inode_; }
  bool Stands() const;
  uint64_t movedNs() const { return movedNs_; }

 private:
  uint64_t Read() const;

  const uint64_t* words_ = nullptr;
  dev_t device_ = 0;
  ino_t inode_ = 0;
  uint64_t last_ = 0;
  uint64_t movedNs_ = 0;
  uint64_t stillNs_ = 0;
};

struct LeaseNumbers {
  bool isHeld = false;
  uint64_t epoch = 0;
  uint64_t renewals = 0;
  uint64_t refusals = 0;
  int lastErrno = 0;
  double longestGapMs = 0;
  uint64_t lapses = 0;
  std::vector<double> lanesMs;
};

class Lease {
 public:
  /**
   * Closes the fence and starts the thread. `onChange` is called on it. Null, with `error` set, when a call fails.
   * `inherits`: another process has the lease. With the first batches it has left it (Leave), and this one goes on; until then the fence is
   * not touched.
   */
  static std::unique_ptr<Lease> Open(std::shared_ptr<Netlink> socket, int fenceFd, bool inherits,
                                     std::function<void()> onChange, SystemError* error);
  /** Closes without ending the lease in the kernel. */
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  /** Other batches are for other ports: the fence closes until the first renewal with them. The same ones change nothing. */
  void SetBatches(std::vector<uint8_t> renew, std::vector<uint8_t> lapse);
  /** False, with `error` set and the list as it was, when a file cannot be mapped. */
  bool SetLanes(const std::vector<int>& fds, SystemError* error);
  void Allow(bool allowed);
  void Beat();
  LeaseNumbers Numbers();
  /** Idempotent. */
  void Close(bool lapse);
  /**
   * Ends the thread and leaves the lease to another process: renewed with `renew`, which is certain for `certainNs`, when it is held; the fence is as
   * open. False when it is not held, or the kernel refuses: then it ends when the last renewal does.
   */
  bool Leave(const std::vector<uint8_t>& renew, uint64_t certainNs);

 private:
  struct Batches {
    std::vector<uint8_t> renew;
    std::vector<uint8_t> lapse;
  };
  enum class Why { kWanted, kLost };

  Lease() = default;
  void Run() noexcept;
  void Tell();
  // Those below are called with the monitor held. Renew and SendLapse let go of it while the kernel works.
  bool MayRenew(uint64_t nowNs);
  void Renew(uint64_t generation);
  void SendLapse();
  void End(Why why);
  void NoticeExpiry(uint64_t nowNs);
  void Wake();

  std::shared_ptr<Netlink> socket_;
  std::function<void()> onChange_;
  std::thread thread_;

  Monitor monitor_;
  FenceWriter fence_;
  std::vector<ProgressWord> lanes_;
  std::shared_ptr<const Batches> batches_;
  /** Sent before anything else: ends a lease that may be in the kernel. */
  std::shared_ptr<const Batches> pendingLapse_;
  /** A renewal was sent, and no lapse since. */
  bool mayLive_ = false;
  bool isAllowed_ = false;
  bool isEnding_ = false;
  /** Until the first batches: another process has it, and the fence. */
  bool isInherited_ = false;
  bool isWoken_ = false;
  /** Held as far as is known; the fence's time may be over. */
  bool isHeld_ = false;
  /** What JavaScript was told last. */
  bool wasHeld_ = false;
  bool wasRefused_ = false;
  bool isLoopLate_ = false;
  uint64_t generation_ = 0;
  uint64_t beatNs_ = 0;
  uint64_t lookNs_ = 0;
  /** Last renewal, or since when it is waited for; 0 while there is nothing to renew. */
  uint64_t gapStartNs_ = 0;
  uint64_t longestGapNs_ = 0;
  uint64_t renewals_ = 0;
  uint64_t refusals_ = 0;
  uint64_t lapses_ = 0;
  int lastErrno_ = 0;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_LEASE_H_
