/*
 * The last step before a hook is loaded: a seccomp filter over all threads of the process, and the addon's own doors closed.
 *
 * Rule: a list of what is allowed. What is not on it fails with EPERM, and what this kernel's headers do not know with ENOSYS, as on an
 * older kernel. The sockets of the packet path can be read and written by the addon only: by its calls, with its flags.
 *
 * See seccomp(2), SECCOMP_FILTER_FLAG_TSYNC.
 */
#ifndef FIREHOOK_NATIVE_CONFINE_H_
#define FIREHOOK_NATIVE_CONFINE_H_

#include <vector>

#include "system-error.h"

namespace firehook {

/** Flags of the calls by which the addon reads a ring's queue and sends: no other code uses them on these sockets. */
constexpr int kReadFlags = 0x60;   // MSG_DONTWAIT | MSG_TRUNC
constexpr int kSendFlags = 0x4040;  // MSG_DONTWAIT | MSG_NOSIGNAL

/** Version of the Landlock interface; 0 without one. */
int LandlockVersion();

/**
 * Confines all threads for good.
 *
 * @param sockets - of the packet path
 * @param byOthers - other code than the addon's sends and receives on them (npm pcap and raw-socket), by sendto and recvfrom
 * @param network - sockets of IPv4 and IPv6 may be opened, connected and bound
 */
bool Confine(const std::vector<int>& sockets, bool byOthers, bool network, SystemError* error);

/** True after Confine: nothing is taken over any more. */
bool IsConfined();

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_CONFINE_H_
