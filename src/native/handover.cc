/* See handover.h. */
#include "handover.h"

#include <cstring>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "confine.h"

namespace firehook {

namespace {

/** A message: four octets, and room for one descriptor. */
struct Message {
  explicit Message(uint32_t* number) : part{number, sizeof(*number)} {
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
  }

  iovec part;
  msghdr header{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
};

}  // namespace

bool OpenHandover(int ends[2], SystemError* error) {
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0 || Fail(error, "socketpair");
}

Handover SendDescriptor(int socket, uint32_t number, int descriptor, SystemError* error) {
  Message message(&number);
  cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(control), &descriptor, sizeof(int));
  if (sendmsg(socket, &message.header, kSendFlags) == sizeof(number)) return Handover::kDone;
  if (errno == EAGAIN || errno == EWOULDBLOCK) return Handover::kNothing;
  Fail(error, "sendmsg");
  return Handover::kFailed;
}

Handover ReceiveDescriptor(int socket, uint32_t* number, int* descriptor, SystemError* error) {
  Message message(number);
  const ssize_t read = recvmsg(socket, &message.header, kReadFlags);
  if (read == 0 || (read < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))) return Handover::kNothing;
  if (read < 0) {
    Fail(error, "recvmsg");
    return Handover::kFailed;
  }
  const cmsghdr* control = CMSG_FIRSTHDR(&message.header);
  const bool has = control != nullptr && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
                   control->cmsg_len == CMSG_LEN(sizeof(int));
  if (has) memcpy(descriptor, CMSG_DATA(control), sizeof(int));
  if (!has || read != sizeof(*number)) {
    if (has) close(*descriptor);
    errno = EBADMSG;
    Fail(error, "recvmsg");
    return Handover::kFailed;
  }
  fcntl(*descriptor, F_SETFD, FD_CLOEXEC);
  return Handover::kDone;
}

}  // namespace firehook
