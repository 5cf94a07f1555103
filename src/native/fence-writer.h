/*
 * Writes the page of a fence (fence.h), in the process that holds the lease.
 *
 *   Extend while it is open   ─> `until` moves on, same epoch: nothing captured since was ever sent on by the kernel
 *   Extend when it is closed  ─> a new epoch: the lease may have lapsed, and what was captured before is not to be sent
 *   Close                     ─> `until` 0
 *
 * Rule: it is closed before anything is done that lets the kernel send frames on. The file cannot become shorter, so that a
 * write always finds its page. Not for two threads at once.
 */
#ifndef FIREHOOK_NATIVE_FENCE_WRITER_H_
#define FIREHOOK_NATIVE_FENCE_WRITER_H_

#include <cstdint>

#include "system-error.h"

namespace firehook {

class FenceWriter {
 public:
  FenceWriter() = default;
  ~FenceWriter();
  FenceWriter(const FenceWriter&) = delete;
  FenceWriter& operator=(const FenceWriter&) = delete;

  /** Maps the page and closes the fence; the epoch goes on from what is there. False, with `error` set, when that fails. */
  bool Open(int fd, SystemError* error);
  /** The same, but it stays as it is: another process writes it, until it leaves it and this one takes note (Reread). */
  bool Inherit(int fd, SystemError* error);
  /** Goes on from what is there now: open for as long as who left it has said. */
  void Reread();

  uint64_t epoch() const { return epoch_; }
  bool IsOpenAt(uint64_t nowNs) const { return nowNs < untilNs_; }

  /** Certain until `untilNs`, a moment of CLOCK_MONOTONIC after `nowNs`. */
  void Extend(uint64_t nowNs, uint64_t untilNs);
  void Close();
  /** Unmaps the page and leaves it as it is, for another process. Nothing is written any more. */
  void Leave();

 private:
  bool Map(int fd, SystemError* error);
  void Write();

  uint64_t* page_ = nullptr;
  uint64_t epoch_ = 0;
  uint64_t untilNs_ = 0;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_FENCE_WRITER_H_
