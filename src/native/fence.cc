/* See fence.h. */
#include "fence.h"

#include <cerrno>
#include <ctime>
#include <sys/mman.h>

#include "memory.h"
#include "system-error.h"

namespace firehook {

namespace {

constexpr size_t kWords = 3;
constexpr size_t kPage = kWords * sizeof(uint64_t);
/** A write is over after nanoseconds; what is half written for longer has no writer any more. */
constexpr int kAttempts = 100;
constexpr uint64_t kNsPerSecond = 1000 * 1000 * 1000;

uint64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kNsPerSecond + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

Fence::~Fence() { Close(); }

const char* Fence::Open(int fd) {
  SystemError error;
  void* mapped = MapMemory(fd, kPage, Access::kRead, &error);
  if (mapped == nullptr) {
    errno = error.number;
    return error.call;
  }
  Close();
  page_ = static_cast<const uint64_t*>(mapped);
  return nullptr;
}

bool Fence::IsOpen(uint64_t* epoch) const {
  for (int i = 0; i < kAttempts; i++) {
    const uint64_t first = __atomic_load_n(&page_[0], __ATOMIC_ACQUIRE);
    const uint64_t until = __atomic_load_n(&page_[1], __ATOMIC_ACQUIRE);
    const uint64_t sum = __atomic_load_n(&page_[2], __ATOMIC_ACQUIRE);
    // Any mixture of two states that differ has another sum.
    if (sum != first + until) continue;
    *epoch = first;
    return Now() < until;
  }
  return false;
}

void Fence::Close() {
  if (page_ != nullptr) munmap(const_cast<uint64_t*>(page_), kPage);
  page_ = nullptr;
}

}  // namespace firehook
