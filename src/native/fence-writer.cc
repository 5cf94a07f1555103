/* See fence-writer.h. */
#include "fence-writer.h"

#include <sys/mman.h>

#include "memory.h"

namespace firehook {

namespace {

constexpr size_t kPage = 3 * sizeof(uint64_t);

}  // namespace

FenceWriter::~FenceWriter() {
  if (page_ == nullptr) return;
  Close();
  munmap(page_, kPage);
}

bool FenceWriter::Open(int fd, SystemError* error) {
  page_ = static_cast<uint64_t*>(MapMemory(fd, kPage, Access::kWrite, error));
  if (page_ == nullptr) return false;
  epoch_ = page_[0];
  Close();
  return true;
}

void FenceWriter::Extend(uint64_t nowNs, uint64_t untilNs) {
  if (!IsOpenAt(nowNs)) epoch_ += 1;
  untilNs_ = untilNs;
  Write();
}

void FenceWriter::Close() {
  untilNs_ = 0;
  Write();
}

/** A reader that meets half of it sees a sum that is not that of the two. */
void FenceWriter::Write() {
  __atomic_store_n(&page_[1], untilNs_, __ATOMIC_SEQ_CST);
  __atomic_store_n(&page_[0], epoch_, __ATOMIC_SEQ_CST);
  __atomic_store_n(&page_[2], epoch_ + untilNs_, __ATOMIC_SEQ_CST);
}

}  // namespace firehook
