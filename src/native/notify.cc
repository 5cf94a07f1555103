/* See notify.h. */
#include "notify.h"

#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace firehook {

Notified Notify(const std::string& address, const uint8_t* octets, size_t length, SystemError* error) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.empty() || address.size() >= sizeof(to.sun_path)) {
    errno = address.empty() ? EINVAL : ENAMETOOLONG;
    Fail(error, "connect");
    return Notified::kFailed;
  }
  memcpy(to.sun_path, address.data(), address.size());
  socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (address[0] == '@') to.sun_path[0] = '\0';
  else size += 1;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    Fail(error, "socket");
    return Notified::kFailed;
  }
  const ssize_t sent = sendto(fd, octets, length, MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), size);
  const int number = errno;
  close(fd);
  if (sent >= 0) return Notified::kDone;
  if (number == EAGAIN || number == EWOULDBLOCK) return Notified::kWouldWait;
  errno = number;
  Fail(error, "sendto");
  return Notified::kFailed;
}

}  // namespace firehook
