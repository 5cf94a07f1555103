/*
 * What is asked of and sent on a network device outside of a lane: a probe frame, and the programs that run before nftables.
 *
 * Rule: main thread only; nothing here waits.
 */
#ifndef FIREHOOK_NATIVE_DEVICE_H_
#define FIREHOOK_NATIVE_DEVICE_H_

#include <cstddef>
#include <cstdint>

#include "system-error.h"

namespace firehook {

/** Sends an Ethernet frame with a mark (SO_MARK). False, with `error` set, when a call fails. */
bool SendFrame(int ifindex, uint32_t mark, const uint8_t* frame, size_t length, SystemError* error);

/** Programs attached by tcx to the ingress of a device; 0 on a kernel without it. False, with `error` set, when it fails. */
bool CountTcxPrograms(uint32_t ifindex, uint32_t* count, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_DEVICE_H_
