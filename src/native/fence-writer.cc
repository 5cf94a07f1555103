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
  Leave();
}

bool FenceWriter::Map(int fd, SystemError* error) {
  page_ = static_cast<uint64_t*>(MapMemory(fd, kPage, Access::kWrite, error));
  if (page_ == nullptr) return false;
  epoch_ = page_[0];
  return true;
}

bool FenceWriter::Open(int fd, SystemError* error) {
  if (!Map(fd, error)) return false;
  Close();
  return true;
}

bool FenceWriter::Inherit(int fd, SystemError* error) { return Map(fd, error); }

void FenceWriter::Reread() {
  epoch_ = __atomic_load_n(&page_[0], __ATOMIC_SEQ_CST);
  untilNs_ = __atomic_load_n(&page_[1], __ATOMIC_SEQ_CST);
  // Half written, by one that was killed in the middle.
  if (__atomic_load_n(&page_[2], __ATOMIC_SEQ_CST) != epoch_ + untilNs_) Close();
}

void FenceWriter::Leave() {
  if (page_ != nullptr) munmap(page_, kPage);
  page_ = nullptr;
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
  if (page_ == nullptr) return;
  __atomic_store_n(&page_[1], untilNs_, __ATOMIC_SEQ_CST);
  __atomic_store_n(&page_[0], epoch_, __ATOMIC_SEQ_CST);
  __atomic_store_n(&page_[2], epoch_ + untilNs_, __ATOMIC_SEQ_CST);
}

}  // namespace firehook
