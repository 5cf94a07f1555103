/* See datagram-sender.h. */
#include "datagram-sender.h"

#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <linux/filter.h>
#include <unistd.h>

namespace firehook {

namespace {

/** Octets of a header without options, and where its destination address stands (RFC 791 3.1, RFC 8200 3). */
constexpr uint32_t kIpv4Header = 20;
constexpr uint32_t kIpv4Destination = 16;
constexpr uint32_t kIpv6Header = 40;
constexpr uint32_t kIpv6Destination = 24;

/** A raw socket that sends only; -1, with `error` set and nothing left open, when a call fails. */
int OpenSocket(int family, SystemError* error) {
  const int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
  if (fd < 0) {
    Fail(error, "socket");
    return -1;
  }
  // Nobody reads: packets of protocol 255 would fill its buffer. Classic BPF: `ret #0`.
  sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
  const sock_fprog program{1, &nothing};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) != 0) {
    Fail(error, "SO_ATTACH_FILTER");
    close(fd);
    return -1;
  }
  WidenSendBuffer(fd);
  return fd;
}

bool IsOfFamily(int family, const uint8_t* datagram, uint32_t length) {
  if (family == AF_INET) return length >= kIpv4Header && datagram[0] >> 4 == 4;
  return length >= kIpv6Header && datagram[0] >> 4 == 6;
}

}  // namespace

DatagramSender::~DatagramSender() { Close(); }

bool DatagramSender::OpenSockets(int* ipv4, int* ipv6, SystemError* error) {
  *ipv4 = OpenSocket(AF_INET, error);
  if (*ipv4 < 0) return false;
  *ipv6 = OpenSocket(AF_INET6, error);
  if (*ipv6 >= 0 || error->number == EAFNOSUPPORT) return true;
  close(*ipv4);
  return false;
}

bool DatagramSender::Open(SystemError* error) {
  int ipv4;
  int ipv6;
  if (!OpenSockets(&ipv4, &ipv6, error)) return false;
  Adopt(ipv4, ipv6);
  return true;
}

void DatagramSender::Adopt(int ipv4, int ipv6) {
  ipv4_ = ipv4;
  ipv6_ = ipv6;
  memset(messages_, 0, sizeof(messages_));
  for (uint32_t i = 0; i < kSendBatch; i++) {
    messages_[i].msg_hdr.msg_iov = &parts_[i];
    messages_[i].msg_hdr.msg_iovlen = 1;
    messages_[i].msg_hdr.msg_name = &destinations_[i];
  }
}

uint32_t DatagramSender::Send(uint8_t* const* starts, const uint32_t* lengths, uint32_t count, uint8_t* failed) {
  if (count > kSendBatch) count = kSendBatch;
  memset(failed, EINVAL, count);
  uint32_t sent = 0;
  for (const int family : {AF_INET, AF_INET6}) sent += SendFamily(family, starts, lengths, count, failed);
  return count - sent;
}

uint32_t DatagramSender::SendFamily(int family, uint8_t* const* starts, const uint32_t* lengths, uint32_t count,
                                    uint8_t* failed) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (!IsOfFamily(family, starts[i], lengths[i])) continue;
    auto& destination = destinations_[found];
    memset(&destination, 0, sizeof(destination));
    if (family == AF_INET) {
      destination.ipv4.sin_family = AF_INET;
      memcpy(&destination.ipv4.sin_addr, starts[i] + kIpv4Destination, sizeof(in_addr));
    } else {
      destination.ipv6.sin6_family = AF_INET6;
      memcpy(&destination.ipv6.sin6_addr, starts[i] + kIpv6Destination, sizeof(in6_addr));
    }
    messages_[found].msg_hdr.msg_namelen = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
    parts_[found] = iovec{starts[i], lengths[i]};
    places_[found] = i;
    found += 1;
  }
  if (found == 0) return 0;
  const uint32_t lost = SendMessages(family == AF_INET ? ipv4_ : ipv6_, messages_, found);
  for (uint32_t i = 0; i < found; i++) failed[places_[i]] = FailureOf(messages_[i]);
  return found - lost;
}

void DatagramSender::Close() {
  if (ipv4_ >= 0) close(ipv4_);
  if (ipv6_ >= 0) close(ipv6_);
  ipv4_ = -1;
  ipv6_ = -1;
}

}  // namespace firehook
