/*
 * A mutex and a condition that is waited for on CLOCK_MONOTONIC, whatever the C++ library makes of its own: a wall clock
 * that is set must neither shorten nor lengthen the time between two renewals.
 */
#ifndef FIREHOOK_NATIVE_MONITOR_H_
#define FIREHOOK_NATIVE_MONITOR_H_

#include <cstdint>
#include <ctime>
#include <pthread.h>

namespace firehook {

constexpr uint64_t kNsPerMs = 1000 * 1000;
constexpr uint64_t kNsPerSecond = 1000 * kNsPerMs;

/** Nanoseconds of CLOCK_MONOTONIC. */
inline uint64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

class Monitor {
 public:
  Monitor() {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&condition_, &attributes);
    pthread_condattr_destroy(&attributes);
  }
  ~Monitor() {
    pthread_cond_destroy(&condition_);
    pthread_mutex_destroy(&mutex_);
  }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /** For std::lock_guard. */
  void lock() { pthread_mutex_lock(&mutex_); }
  void unlock() { pthread_mutex_unlock(&mutex_); }

  /** Holding the mutex: waits for Notify or that moment. May return for no reason. */
  void WaitUntil(uint64_t momentNs) {
    const timespec moment{static_cast<time_t>(momentNs / kNsPerSecond), static_cast<long>(momentNs % kNsPerSecond)};
    pthread_cond_timedwait(&condition_, &mutex_, &moment);
  }

  void Notify() { pthread_cond_signal(&condition_); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t condition_;
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_MONITOR_H_
