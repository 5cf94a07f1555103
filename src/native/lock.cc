/* See lock.h. */
#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace firehook {

namespace {

/** Somebody would have to remove the file between two calls of ours, every time. */
constexpr int kAttempts = 10;

enum class Outcome { kLocked, kHeld, kRemoved, kFailed };

Outcome TryLock(int fd, const char* path, SystemError* error) {
  struct stat opened {};
  if (fstat(fd, &opened) != 0) {
    Fail(error, "fstat");
    return Outcome::kFailed;
  }
  if (!S_ISREG(opened.st_mode)) {
    errno = EINVAL;
    Fail(error, "open");
    return Outcome::kFailed;
  }
  int result;
  do {
    result = flock(fd, LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    if (errno == EWOULDBLOCK) return Outcome::kHeld;
    Fail(error, "flock");
    return Outcome::kFailed;
  }
  struct stat named {};
  const bool isSame = lstat(path, &named) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
  return isSame ? Outcome::kLocked : Outcome::kRemoved;
}

}  // namespace

int LockFile(const char* path, SystemError* error) {
  for (int i = 0; i < kAttempts; i++) {
    // O_NONBLOCK: a FIFO in its place must not be waited for.
    const int fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd < 0) {
      Fail(error, "open");
      return -1;
    }
    const Outcome outcome = TryLock(fd, path, error);
    if (outcome == Outcome::kLocked) return fd;
    close(fd);
    if (outcome == Outcome::kHeld) return kLockHeld;
    if (outcome == Outcome::kFailed) return -1;
  }
  errno = ESTALE;
  Fail(error, "flock");
  return -1;
}

}  // namespace firehook
