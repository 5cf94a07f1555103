/* See send-messages.h. */
#include "send-messages.h"

#include <cerrno>
#include <poll.h>

#include "confine.h"

namespace firehook {

namespace {

/** What is asked of the kernel for the sending buffer of a socket, in octets. */
constexpr int kSendBuffer = 8 * 1024 * 1024;
/** A full queue is waited for this often, this long: then the message counts as lost, and the lane goes on. */
constexpr int kRetries = 5;
constexpr int kRetryMs = 2;

}  // namespace

void WidenSendBuffer(int fd) {
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof(kSendBuffer)) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
  }
}

uint32_t SendMessages(int fd, mmsghdr* messages, uint32_t count) {
  uint32_t lost = 0;
  uint32_t done = 0;
  int retries = 0;
  while (done < count) {
    const int sent = fd < 0 ? -1 : sendmmsg(fd, messages + done, count - done, kSendFlags);
    if (sent > 0) {
      done += static_cast<uint32_t>(sent);
      retries = 0;
      continue;
    }
    const bool isFull = fd >= 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
    if (fd >= 0 && errno == EINTR) continue;
    if (isFull && retries < kRetries) {
      retries += 1;
      pollfd waiting{fd, POLLOUT, 0};
      poll(&waiting, 1, kRetryMs);
      continue;
    }
    // This one cannot go: too long, the link is down, no route, the queue stays full. The others still may.
    messages[done].msg_len = kNotSent | static_cast<unsigned int>(fd < 0 ? EBADF : errno);
    lost += 1;
    done += 1;
  }
  return lost;
}

}  // namespace firehook
