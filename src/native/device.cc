/* See device.h. */
#include "device.h"

#include <cstring>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace firehook {

namespace {

/** linux/bpf.h of Linux 6.6. */
constexpr uint32_t kTcxIngress = 46;

/** Start of the query of bpf(2) as of Linux 6.6, where the device stands in the place of a descriptor. */
struct Query {
  uint32_t ifindex;
  uint32_t attachType;
  uint32_t queryFlags;
  uint32_t attachFlags;
  uint64_t programIds;
  uint32_t count;
  uint32_t padding;
  uint64_t programAttachFlags;
  uint64_t linkIds;
  uint64_t linkAttachFlags;
  uint64_t revision;
};

/** One for the life of the process: the kernel closes a packet socket only when every CPU has passed a quiet state. */
int Socket() {
  static int fd = -1;
  // Protocol 0: it receives nothing.
  if (fd < 0) fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  return fd;
}

}  // namespace

bool SendFrame(int ifindex, uint32_t mark, const uint8_t* frame, size_t length, SystemError* error) {
  const int fd = Socket();
  if (fd < 0) return Fail(error, "socket");
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) return Fail(error, "SO_MARK");
  sockaddr_ll to{};
  to.sll_family = AF_PACKET;
  to.sll_ifindex = ifindex;
  ssize_t sent;
  do {
    sent = sendto(fd, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  } while (sent < 0 && errno == EINTR);
  return sent >= 0 || Fail(error, "sendto");
}

bool CountTcxPrograms(uint32_t ifindex, uint32_t* count, SystemError* error) {
  Query query{};
  query.ifindex = ifindex;
  query.attachType = kTcxIngress;
  *count = 0;
  if (syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof(query)) == 0) {
    *count = query.count;
    return true;
  }
  // Nothing was ever attached there; no bpf(2); no tcx.
  if (errno == ENOENT || errno == ENOSYS || errno == EINVAL || errno == E2BIG) return true;
  return Fail(error, "bpf");
}

}  // namespace firehook
