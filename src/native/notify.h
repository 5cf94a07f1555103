/*
 * One datagram to the socket of a service manager: sd_notify(3) without its library.
 *
 * Rule: it never waits. A manager that does not read costs the message, not the daemon.
 */
#ifndef FIREHOOK_NATIVE_NOTIFY_H_
#define FIREHOOK_NATIVE_NOTIFY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "system-error.h"

namespace firehook {

enum class Notified { kDone, kWouldWait, kFailed };

/**
 * Sends octets to a unix datagram socket: a path, or an abstract name after "@" (unix(7)).
 * kFailed with `error` set; ENAMETOOLONG for an address that does not fit, EINVAL for an empty one.
 */
Notified Notify(const std::string& address, const uint8_t* octets, size_t length, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_NOTIFY_H_
