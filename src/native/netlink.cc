/* See netlink.h. */
#include "netlink.h"

#include "confine.h"

#include <new>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace firehook {

namespace {

/** Answers of a batch come all at once and wait in the socket: what has no room is lost. */
constexpr int kBufferOctets = 4 * 1024 * 1024;
constexpr int kDumpTimeoutMs = 10 * 1000;
/** Dumps of one request. The kernel makes one at a time; a second one before the end is refused with an error. */
constexpr size_t kMostDumps = 64;

/** The flags of a dump mean something else in a message that makes something, which has NLM_F_CREATE as well. */
bool IsDump(const nlmsghdr& header) {
  return (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP && (header.nlmsg_flags & NLM_F_CREATE) == 0;
}

/** The dumps of a request that have not ended, by the number of their message. */
class Dumps {
 public:
  bool Add(uint32_t sequence) {
    if (count_ == kMostDumps) return false;
    sequences_[count_++] = sequence;
    return true;
  }

  bool AreOver() const { return count_ == 0; }

  /** Takes those off that the messages end. */
  void Read(const uint8_t* messages, size_t length) {
    if (count_ == 0) return;
    ForEachMessage(messages, length, [this](const nlmsghdr& header, const uint8_t*, size_t) {
      if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) Remove(header.nlmsg_seq);
    });
  }

 private:
  void Remove(uint32_t sequence) {
    for (size_t i = 0; i < count_; i++) {
      if (sequences_[i] != sequence) continue;
      sequences_[i] = sequences_[--count_];
      return;
    }
  }

  uint32_t sequences_[kMostDumps];
  size_t count_ = 0;
};

void SetBuffer(int fd, int forced, int plain) {
  if (setsockopt(fd, SOL_SOCKET, forced, &kBufferOctets, sizeof(kBufferOctets)) == 0) return;
  setsockopt(fd, SOL_SOCKET, plain, &kBufferOctets, sizeof(kBufferOctets));
}

}  // namespace

std::shared_ptr<Netlink> Netlink::Open(int protocol, const std::vector<uint32_t>& groups, SystemError* error) {
  std::shared_ptr<Netlink> made;
  try {
    made.reset(new Netlink);
  } catch (const std::bad_alloc&) {
    errno = ENOMEM;
    Fail(error, "socket");
    return nullptr;
  }
  made->fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  const int fd = made->fd_;
  if (fd < 0) {
    Fail(error, "socket");
    return nullptr;
  }
  SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
  // Each is missing in some kernel, and firehook works without.
  const int on = 1;
  for (const int option : {NETLINK_EXT_ACK, NETLINK_CAP_ACK}) setsockopt(fd, SOL_NETLINK, option, &on, sizeof(on));
  if (protocol == NETLINK_ROUTE) setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    Fail(error, "bind");
    return nullptr;
  }
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Fail(error, "getsockname");
    return nullptr;
  }
  made->portId_ = address.nl_pid;
  for (const uint32_t group : groups) {
    if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
      Fail(error, "NETLINK_ADD_MEMBERSHIP");
      return nullptr;
    }
  }
  made->hasGroups_ = !groups.empty();
  return made;
}

std::shared_ptr<Netlink> Netlink::Adopt(int fd, SystemError* error) {
  std::shared_ptr<Netlink> made;
  try {
    made.reset(new Netlink);
  } catch (const std::bad_alloc&) {
    close(fd);
    errno = ENOMEM;
    Fail(error, "socket");
    return nullptr;
  }
  made->fd_ = fd;
  sockaddr_nl address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    Fail(error, "getsockname");
    return nullptr;
  }
  if (address.nl_family != AF_NETLINK || address.nl_groups != 0) {
    errno = EINVAL;
    Fail(error, "getsockname");
    return nullptr;
  }
  made->portId_ = address.nl_pid;
  // Answers that the other process has not read may be there.
  made->isDirty_ = true;
  return made;
}

Netlink::~Netlink() {
  if (fd_ >= 0) close(fd_);
}

bool Netlink::AreMessages(const uint8_t* messages, size_t length) {
  size_t at = 0;
  while (length - at >= kNetlinkHeader) {
    const uint32_t own = HeaderAt(messages + at).nlmsg_len;
    if (own < kNetlinkHeader || own > length - at || Padded(own) > length - at) return false;
    at += Padded(own);
  }
  return at == length && length > 0;
}

bool Netlink::Exchange(const uint8_t* messages, size_t length, AnswerSink* sink, SystemError* error) {
  Dumps dumps;
  bool fits = true;
  ForEachMessage(messages, length, [&](const nlmsghdr& header, const uint8_t*, size_t) {
    if (IsDump(header)) fits = dumps.Add(header.nlmsg_seq) && fits;
  });
  if (!fits) {
    errno = EINVAL;
    return Fail(error, "sendmsg");
  }
  if (isDirty_) Drain();
  isDirty_ = true;

  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  iovec part{const_cast<uint8_t*>(messages), length};
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof(kernel);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent;
  do {
    sent = sendmsg(fd_, &message, kSendFlags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return Fail(error, "sendmsg");

  for (;;) {
    const ssize_t received = ReceiveDatagram(error);
    if (received < 0) return false;
    if (received > 0) {
      dumps.Read(buffer_, static_cast<size_t>(received));
      if (!sink->Take(buffer_, static_cast<size_t>(received))) {
        errno = ENOMEM;
        return Fail(error, "recvmsg");
      }
      continue;
    }
    if (dumps.AreOver()) break;
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = poll(&waiting, 1, kDumpTimeoutMs);
    if (ready < 0 && errno != EINTR) return Fail(error, "poll");
    if (ready == 0) {
      errno = ETIMEDOUT;
      return Fail(error, "recvmsg");
    }
  }
  isDirty_ = false;
  return true;
}

/** Octets now in the buffer; 0 when nothing is there; -1 with `error` set. */
ssize_t Netlink::ReceiveDatagram(SystemError* error) {
  for (;;) {
    sockaddr_nl sender{};
    iovec part{buffer_, sizeof(buffer_)};
    msghdr message{};
    message.msg_name = &sender;
    message.msg_namelen = sizeof(sender);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t received = recvmsg(fd_, &message, kReadFlags);
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return 0;
      Fail(error, "recvmsg");
      return -1;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      errno = EMSGSIZE;
      Fail(error, "recvmsg");
      return -1;
    }
    // Root of another program may write to this socket; only the kernel has number 0.
    if (received == 0 || message.msg_namelen < sizeof(sender) || sender.nl_pid != 0) continue;
    return received;
  }
}

/** Reads everything that waits, and forgets it. */
void Netlink::Drain() {
  // An overrun is reported once and then gone; another error would come back for ever.
  SystemError ignored;
  for (int errors = 0; errors < 3;) {
    const ssize_t received = ReceiveDatagram(&ignored);
    if (received == 0) return;
    if (received < 0) errors += 1;
  }
}

Received Netlink::Receive(std::vector<uint8_t>* out, SystemError* error) {
  const ssize_t received = ReceiveDatagram(error);
  if (received == 0) return Received::kNothing;
  if (received < 0) {
    if (error->number == EMSGSIZE) return Received::kOverrun;
    if (error->number != ENOBUFS) return Received::kError;
    // After an overrun the kernel adds nothing, and reports no second one, until the queue has been empty once.
    Drain();
    return Received::kOverrun;
  }
  try {
    out->insert(out->end(), buffer_, buffer_ + received);
  } catch (const std::bad_alloc&) {
    return Received::kOverrun;
  }
  return Received::kMessages;
}

}  // namespace firehook
