/*
 * A lock that one process holds and that goes with it: flock(2) on a file that stays.
 *
 * Rule: the file is the one that has the name when the lock is had; a lock on a file that was removed meanwhile is none.
 */
#ifndef FIREHOOK_NATIVE_LOCK_H_
#define FIREHOOK_NATIVE_LOCK_H_

#include "system-error.h"

namespace firehook {

/**
 * Opens the file, or makes it, and locks it without waiting. The descriptor holds the lock.
 * kLockHeld where another has it; -1 with `error` set when a call fails.
 */
int LockFile(const char* path, SystemError* error);

constexpr int kLockHeld = -2;

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_LOCK_H_
