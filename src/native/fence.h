/*
 * The fence of a ring at a user's port: says whether the kernel withholds what the ring captures (docs/kernel-notes.md).
 *
 *   octet  0       8          16      24      three uint64 of this machine, in a file that supervisor and lanes share
 *          | epoch | until ns | sum   |       sum = epoch + until, or the page is half written
 *
 * While the lease lives nftables drops the original of each captured frame, and the lane's copy is the only one. `until` is
 * the moment, on CLOCK_MONOTONIC, up to which that is certain; 0 is a closed fence. `epoch` rises whenever the lease may have
 * lapsed in between. Writer: fence-writer.h, from the thread that holds the lease.
 *
 * Rule: in doubt it is closed. The mapping is read-only, and the file is sealed: it does not get shorter behind it.
 */
#ifndef FIREHOOK_NATIVE_FENCE_H_
#define FIREHOOK_NATIVE_FENCE_H_

#include <cstddef>
#include <cstdint>

namespace firehook {

class Fence {
 public:
  Fence() = default;
  ~Fence();
  Fence(const Fence&) = delete;
  Fence& operator=(const Fence&) = delete;

  /**
   * Maps the page of a file; the descriptor stays the caller's.
   * Returns null, or the name of the call that failed, with errno set and nothing mapped.
   */
  const char* Open(int fd);

  /** True after Open, until Close. */
  bool IsSet() const { return page_ != nullptr; }

  /** Writes the epoch to `epoch`; true while what is captured is certainly withheld. Reads the clock last. */
  bool IsOpen(uint64_t* epoch) const;

  /** Unmaps. Idempotent. */
  void Close();

 private:
  const uint64_t* page_ = nullptr;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_FENCE_H_
