/*
 * Who this process is to the kernel, for a Node.js that was built not to change it itself (identity.ts).
 *
 * Rule: the calls of the C library, which change every thread of the process; the system calls beneath would change one.
 */
#ifndef FIREHOOK_NATIVE_IDENTITY_H_
#define FIREHOOK_NATIVE_IDENTITY_H_

#include <sys/types.h>

#include "system-error.h"

namespace firehook {

/** setegid(2). False, with `error` set, when the kernel refuses. */
bool SetEffectiveGroup(gid_t group, SystemError* error);

/**
 * Real, effective and saved user and group, and no supplementary groups: there is no way back for a process that was root.
 * False, with `error` set, when the kernel refuses; what was changed until then stays.
 */
bool BecomeUser(uid_t user, gid_t group, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_IDENTITY_H_
