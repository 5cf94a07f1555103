/*
 * A netlink socket (netlink(7)): requests with all their answers, and messages of multicast groups.
 *
 *   Exchange: sendmsg ─> the kernel works them off before it returns ─> recvmsg until nothing is left
 *             a dump is longer than that: recvmsg makes its next part, until NLMSG_DONE or an error
 *   Receive:  one recvmsg that never waits, for what groups send
 *
 * The kernel does nfnetlink, rtnetlink and generic netlink in the sender's own context. That is why a request needs no
 * thread of its own that waits for answers, and why its messages block for as long as the kernel needs.
 *
 * Rule: whoever calls Exchange holds `turn`, so that the answers read are those of the request. Any thread may; nothing is
 * thrown. The last owner closes the socket, and never before a call is over.
 */
#ifndef FIREHOOK_NATIVE_NETLINK_H_
#define FIREHOOK_NATIVE_NETLINK_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <linux/netlink.h>
#include <memory>
#include <mutex>
#include <sys/types.h>
#include <vector>

#include "system-error.h"

namespace firehook {

/** Octets of a netlink message header, and what every message is padded to. */
constexpr size_t kNetlinkHeader = 16;
constexpr size_t kNetlinkAlignment = 4;

/** Header of the message that starts there, however it is aligned. */
inline nlmsghdr HeaderAt(const uint8_t* message) {
  nlmsghdr header;
  memcpy(&header, message, sizeof(header));
  return header;
}

inline size_t Padded(size_t length) { return (length + kNetlinkAlignment - 1) & ~(kNetlinkAlignment - 1); }

/** Calls `take(header, body, its octets)` for each whole message; ends at one that says it is longer than what is there. */
template <typename Take>
void ForEachMessage(const uint8_t* messages, size_t length, Take take) {
  for (size_t at = 0; length - at >= kNetlinkHeader;) {
    const nlmsghdr header = HeaderAt(messages + at);
    if (header.nlmsg_len < kNetlinkHeader || header.nlmsg_len > length - at) return;
    take(header, messages + at + kNetlinkHeader, header.nlmsg_len - kNetlinkHeader);
    const size_t padded = Padded(header.nlmsg_len);
    at = padded > length - at ? length : at + padded;
  }
}

/** Takes the answers of a request. */
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;
  /** One datagram: whole messages. False to give up. Must not throw. */
  virtual bool Take(const uint8_t* messages, size_t length) = 0;
};

enum class Received { kMessages, kNothing, kOverrun, kError };

class Netlink {
 public:
  /** Null, with `error` set and nothing left open, when a call fails. */
  static std::shared_ptr<Netlink> Open(int protocol, const std::vector<uint32_t>& groups, SystemError* error);
  /** A socket without groups that another process had opened here, and its address. The descriptor is its own from now on, also when that fails. */
  static std::shared_ptr<Netlink> Adopt(int fd, SystemError* error);
  ~Netlink();
  Netlink(const Netlink&) = delete;
  Netlink& operator=(const Netlink&) = delete;

  int fd() const { return fd_; }
  /** The address of this socket, which is also the owner that nf_tables knows. */
  uint32_t portId() const { return portId_; }
  bool HasGroups() const { return hasGroups_; }
  std::mutex& turn() { return turn_; }

  /** True for messages that follow each other without a gap and fill the memory. */
  static bool AreMessages(const uint8_t* messages, size_t length);

  /**
   * Sends the messages as one datagram and hands every answer to `sink`. False, with `error` set, when the socket fails or a
   * dump stands still for ten seconds; what the kernel refuses is an answer.
   */
  bool Exchange(const uint8_t* messages, size_t length, AnswerSink* sink, SystemError* error);

  /** Adds one datagram to `out`, without waiting. kOverrun: messages were lost. kError: `error` is set. */
  Received Receive(std::vector<uint8_t>* out, SystemError* error);

 private:
  Netlink() = default;
  ssize_t ReceiveDatagram(SystemError* error);
  void Drain();

  int fd_ = -1;
  uint32_t portId_ = 0;
  bool hasGroups_ = false;
  /** An earlier request failed halfway: answers of it may be in the queue. */
  bool isDirty_ = false;
  std::mutex turn_;
  /** Longer than any datagram of the kernel's: those of a dump have 32 KiB at most, an interface with 256 functions 100. */
  uint8_t buffer_[256 * 1024];
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_NETLINK_H_
