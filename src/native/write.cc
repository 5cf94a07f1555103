/* See write.h. */
#include "write.h"

#include <cstdio>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace firehook {

namespace {

/** A pipe that poll(2) calls writable takes so much at once: PIPE_BUF of pipe(7). */
constexpr size_t kPipeRoom = 4096;

/** What a call that must not wait returned: octets, 0 where it would have waited, -1. */
template <typename Call>
ssize_t WithoutWaiting(Call call) {
  ssize_t written;
  do {
    written = call();
  } while (written < 0 && errno == EINTR);
  return written < 0 && errno == EAGAIN ? 0 : written;
}

/** The same pipe or terminal, opened a second time with flags of its own; -1 where that is refused. */
int OpenAgain(int fd) {
  char path[32];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

ssize_t WriteToStream(int fd, const uint8_t* octets, size_t length) {
  const int own = OpenAgain(fd);
  if (own >= 0) {
    const ssize_t written = WithoutWaiting([&] { return write(own, octets, length); });
    const int number = errno;
    close(own);
    errno = number;
    return written;
  }
  pollfd room{fd, POLLOUT, 0};
  const int ready = poll(&room, 1, 0);
  if (ready <= 0) return ready < 0 && errno != EINTR ? -1 : 0;
  // Without POLLOUT the other end is gone, and the write says so.
  return WithoutWaiting([&] { return write(fd, octets, length < kPipeRoom ? length : kPipeRoom); });
}

}  // namespace

ssize_t WriteNow(int fd, const uint8_t* octets, size_t length, SystemError* error) {
  struct stat status {};
  if (fstat(fd, &status) != 0) {
    Fail(error, "fstat");
    return -1;
  }
  if (length == 0) return 0;
  const char* call = "write";
  ssize_t written;
  if (S_ISSOCK(status.st_mode)) {
    call = "send";
    written = WithoutWaiting([&] { return send(fd, octets, length, MSG_DONTWAIT | MSG_NOSIGNAL); });
  } else if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode)) {
    // With RWF_NOWAIT some file systems refuse every write that needs a new block, again and again.
    written = WithoutWaiting([&] { return write(fd, octets, length); });
  } else {
    const iovec part{const_cast<uint8_t*>(octets), length};
    written = WithoutWaiting([&] { return pwritev2(fd, &part, 1, -1, RWF_NOWAIT); });
    // A terminal has no such flag, nor have the pipes of kernels before 6.4.
    if (written < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL)) {
      written = WriteToStream(fd, octets, length);
    }
  }
  if (written < 0) Fail(error, call);
  return written;
}

}  // namespace firehook
