/*
 * Sends IP datagrams out of this host by its routing table: a raw socket a family, datagrams gathered into sendmmsg(2).
 *
 * For ICMP errors of `host` attaches and for packets that hooks make. A datagram brings its own header (raw(7), ipv6(7):
 * IPPROTO_RAW); where it goes stands in it. Of an IPv4 header the kernel writes total length and checksum itself, and
 * source address and identification where they are zero; an IPv6 header leaves as it is.
 *
 * Rule: everything runs on the main thread. The sockets receive nothing. A host may run without IPv6: then there is nobody
 * to send to either, and every IPv6 datagram is refused.
 */
#ifndef FIREHOOK_NATIVE_DATAGRAM_SENDER_H_
#define FIREHOOK_NATIVE_DATAGRAM_SENDER_H_

#include <cstdint>
#include <netinet/in.h>
#include <sys/socket.h>

#include "send-messages.h"
#include "system-error.h"

namespace firehook {

class DatagramSender {
 public:
  DatagramSender() = default;
  ~DatagramSender();
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  /** Opens the sockets. False, with `error` set and nothing left open, when a call fails. */
  bool Open(SystemError* error);

  /**
   * Opens both sockets, with everything that needs rights; `ipv6` is -1 on a host without IPv6. False, with `error` set and nothing left
   * open, when a call fails.
   */
  static bool OpenSockets(int* ipv4, int* ipv6, SystemError* error);

  /** Takes over sockets of OpenSockets. Needs no rights. */
  void Adopt(int ipv4, int ipv6);

  bool HasIpv6() const { return ipv6_ >= 0; }

  /**
   * Sends `count` datagrams (kSendBatch at most), those of a family in order, IPv4 first: one system call a family.
   * Sets `failed[i]` to the errno of one that was not sent (EINVAL for no IP datagram; no route, too long, EPERM where a rule of
   * the machine drops it), to 0 otherwise. Waits a little for a full queue. Returns the number of datagrams that were not sent.
   */
  uint32_t Send(uint8_t* const* starts, const uint32_t* lengths, uint32_t count, uint8_t* failed);

  void Close();

 private:
  /** Sends those of one family; clears `failed` of each that went. Returns how many went. */
  uint32_t SendFamily(int family, uint8_t* const* starts, const uint32_t* lengths, uint32_t count, uint8_t* failed);

  int ipv4_ = -1;
  int ipv6_ = -1;
  mmsghdr messages_[kSendBatch];
  iovec parts_[kSendBatch];
  /** Where message i stands among the datagrams. */
  uint32_t places_[kSendBatch];
  union {
    sockaddr_in ipv4;
    sockaddr_in6 ipv6;
  } destinations_[kSendBatch];
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_DATAGRAM_SENDER_H_
