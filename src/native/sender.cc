/* See sender.h. */
#include "sender.h"

#include <cstring>
#include <linux/if_packet.h>
#include <unistd.h>

namespace firehook {

Sender::~Sender() { Close(); }

bool Sender::Open(int ifindex, uint32_t mark, SystemError* error) {
  // Protocol 0 in socket and address: this socket receives nothing.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return Fail(error, "socket");
  const int one = 1;
  const char* failed = nullptr;
  if (setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0) failed = "PACKET_VNET_HDR";
  if (failed == nullptr && mark != 0 && setsockopt(fd_, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) != 0) failed = "SO_MARK";
  if (failed == nullptr) WidenSendBuffer(fd_);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_ifindex = ifindex;
  if (failed == nullptr && bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) failed = "bind";
  if (failed != nullptr) {
    Fail(error, failed);
    Close();
    return false;
  }
  memset(messages_, 0, sizeof(messages_));
  for (uint32_t i = 0; i < kSendBatch; i++) {
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
  }
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
    for (uint32_t i = 0; i < count; i++) failed[i] = messages_[i].msg_len == kNotSent ? 1 : 0;
  }
  return lost;
}

void Sender::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace firehook
