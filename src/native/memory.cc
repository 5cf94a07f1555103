/* See memory.h. */
#include "memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace firehook {

namespace {

/** linux/memfd.h of Linux 6.3; what is older refuses it. */
constexpr unsigned kNoExecSeal = 0x0008;
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr int kConstantSeals = kSeals | F_SEAL_WRITE;

int Open(const char* name) {
  const unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  // Some hosts allow no other kind (sysctl vm.memfd_noexec).
  const int fd = memfd_create(name, flags | kNoExecSeal);
  return fd >= 0 || errno != EINVAL ? fd : memfd_create(name, flags);
}

bool Fill(int fd, const uint8_t* octets, size_t length, SystemError* error) {
  if (fchmod(fd, 0600) != 0) return Fail(error, "fchmod");
  while (length > 0) {
    const ssize_t written = write(fd, octets, length);
    if (written < 0 && errno != EINTR) return Fail(error, "write");
    if (written <= 0) continue;
    octets += written;
    length -= static_cast<size_t>(written);
  }
  return fcntl(fd, F_ADD_SEALS, kConstantSeals) == 0 || Fail(error, "F_ADD_SEALS");
}

bool Prepare(int fd, size_t octets, SystemError* error) {
  // Or anybody could open it once more through /proc/<pid>/fd, for writing too.
  if (fchmod(fd, 0600) != 0) return Fail(error, "fchmod");
  if (ftruncate(fd, static_cast<off_t>(octets)) != 0) return Fail(error, "ftruncate");
  // The memory is had now: what is written later finds its place.
  if (fallocate(fd, 0, 0, static_cast<off_t>(octets)) != 0) return Fail(error, "fallocate");
  return fcntl(fd, F_ADD_SEALS, kSeals) == 0 || Fail(error, "F_ADD_SEALS");
}

}  // namespace

int CreateMemory(const char* name, size_t octets, SystemError* error) {
  const int fd = Open(name);
  if (fd < 0) {
    Fail(error, "memfd_create");
    return -1;
  }
  if (Prepare(fd, octets, error)) return fd;
  close(fd);
  return -1;
}

int CreateConstant(const char* name, const uint8_t* octets, size_t length, SystemError* error) {
  const int fd = Open(name);
  if (fd < 0) {
    Fail(error, "memfd_create");
    return -1;
  }
  if (Fill(fd, octets, length, error)) return fd;
  close(fd);
  return -1;
}

void* MapMemory(int fd, size_t octets, Access access, SystemError* error) {
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    Fail(error, "fstat");
    return nullptr;
  }
  if (!S_ISREG(status.st_mode) || status.st_size < static_cast<off_t>(octets)) {
    errno = EINVAL;
    Fail(error, "fstat");
    return nullptr;
  }
  const int wanted = access == Access::kConstant ? F_SEAL_SHRINK | F_SEAL_WRITE : F_SEAL_SHRINK;
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & wanted) != wanted) {
    errno = EINVAL;
    Fail(error, "F_GET_SEALS");
    return nullptr;
  }
  const int protection = access == Access::kWrite ? PROT_READ | PROT_WRITE : PROT_READ;
  void* memory = mmap(nullptr, octets, protection, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED) return memory;
  Fail(error, "mmap");
  return nullptr;
}

}  // namespace firehook
