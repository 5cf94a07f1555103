/*
 * The sending side of the native AF_PACKET driver: one socket bound to one device, frames gathered into sendmmsg(2).
 *
 * The socket takes a virtio-net header before each frame (PACKET_VNET_HDR), so that a frame from a ring goes out with the
 * checksum and segmentation state it came in with, straight from the ring's memory. It receives nothing and is in no epoll
 * set: a registration would cost on every packet.
 *
 * Rule: everything runs on the main thread; the memory of a queued frame must stay as it is until Flush returns.
 */
#ifndef FIREHOOK_NATIVE_SENDER_H_
#define FIREHOOK_NATIVE_SENDER_H_

#include <cstdint>
#include <sys/socket.h>

#include "send-messages.h"
#include "system-error.h"

namespace firehook {

class Sender {
 public:
  Sender() = default;
  ~Sender();
  Sender(const Sender&) = delete;
  Sender& operator=(const Sender&) = delete;

  /** Opens the socket of a sender on a device, with everything that needs rights. -1, with `error` set, when a call fails. */
  static int OpenSocket(int ifindex, uint32_t mark, SystemError* error);

  /** Takes over a socket of OpenSocket. Needs no rights. */
  void Adopt(int fd);

  /** Both, on a device; `mark` is on each of its frames, 0 for none. False, with `error` set and nothing left open, when a call fails. */
  bool Open(int ifindex, uint32_t mark, SystemError* error);

  /**
   * Sends `count` frames (kSendBatch at most): `starts[i]` points at the vnet header of frame i, `lengths[i]` counts it.
   * Sets bit 0 of `failed[i]` to 1 for a frame that was not sent, to 0 otherwise. Waits a little for a full queue.
   * Returns the number of frames that were not sent.
   */
  uint32_t Send(uint8_t* const* starts, const uint32_t* lengths, uint32_t count, uint8_t* failed);

  void Close();

 private:
  int fd_ = -1;
  mmsghdr messages_[kSendBatch];
  iovec parts_[kSendBatch];
};

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_SENDER_H_
