/* See sender.h. */
#include "sender.h"

#include <cstring>
#include <linux/if_packet.h>
#include <unistd.h>

namespace firehook {

Sender::~Sender() { Close(); }

int Sender::OpenSocket(int ifindex, uint32_t mark, SystemError* error) {
  // Protocol 0 in socket and address: this socket receives nothing.
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) {
    Fail(error, "socket");
    return -1;
  }
  const int one = 1;
  const char* failed = nullptr;
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0) failed = "PACKET_VNET_HDR";
  if (failed == nullptr && mark != 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) failed = "SO_MARK";
  if (failed == nullptr) WidenSendBuffer(fd);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = ifindex;
  if (failed == nullptr && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) failed = "bind";
  if (failed == nullptr) return fd;
  Fail(error, failed);
  close(fd);
  return -1;
}

void Sender::Adopt(int fd) {
  fd_ = fd;
  memset(messages_, 0, sizeof(messages_));
  for (uint32_t i = 0; i < kSendBatch; i++) {
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
}

bool Sender::Open(int ifindex, uint32_t mark, SystemError* error) {
  const int fd = OpenSocket(ifindex, mark, error);
  if (fd < 0) return false;
  Adopt(fd);
  return true;
}

uint32_t Sender::Send(uint8_t* const* starts, const uint32_t* lengths, uint32_t count, uint8_t* failed) {
  if (count > kSendBatch) count = kSendBatch;
  for (uint32_t i = 0; i < count; i++) {
    parts_[i] = iovec{starts[i], lengths[i]};
    failed[i] = 0;
  }
  const uint32_t lost = SendMessages(fd_, messages_, count);
  if (lost > 0) {
    for (uint32_t i = 0; i < count; i++) failed[i] = FailureOf(messages_[i]) == 0 ? 0 : 1;
  }
  return lost;
}

void Sender::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace firehook
