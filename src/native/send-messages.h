/*
 * Hands a batch of messages to a socket with sendmmsg(2), past those that the kernel refuses.
 *
 * Rule: it never waits for longer than a few milliseconds; what cannot go is marked, and the messages behind it still go.
 */
#ifndef FIREHOOK_NATIVE_SEND_MESSAGES_H_
#define FIREHOOK_NATIVE_SEND_MESSAGES_H_

#include <cstdint>
#include <sys/socket.h>

namespace firehook {

/** Most messages that one system call takes. */
constexpr uint32_t kSendBatch = 256;
/** `msg_len` of a message that was not sent is the errno with this bit: none that is sent is so long. */
constexpr unsigned int kNotSent = 1u << 31;

/** The errno of a message that SendMessages could not send, 0 of one that it sent. */
inline uint8_t FailureOf(const mmsghdr& message) {
  return (message.msg_len & kNotSent) == 0 ? 0 : static_cast<uint8_t>(message.msg_len & 0xff);
}

/** Asks for a sending buffer that holds a batch. Without CAP_NET_ADMIN the system's limit holds, which is merely smaller. */
void WidenSendBuffer(int fd);

/**
 * Sends `count` messages in order. Sets `msg_len` of each to the octets sent, or to what FailureOf reads.
 * Waits a little for a full queue. Returns the number of messages that were not sent: all, when `fd` is negative.
 */
uint32_t SendMessages(int fd, mmsghdr* messages, uint32_t count);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_SEND_MESSAGES_H_
