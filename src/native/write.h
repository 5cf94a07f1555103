/*
 * A write that never waits, whatever the descriptor is: for a log whose reader may stand still.
 *
 *   socket               send, MSG_DONTWAIT
 *   pipe                 pwritev2, RWF_NOWAIT
 *   terminal, old pipe   the same file opened once more, with O_NONBLOCK; where that is refused, as much as poll(2) has room for
 *   plain file           write: what a disk takes it takes at once or not much later
 *
 * Rule: O_NONBLOCK of the descriptor stays as it is. It belongs to the open file, which other processes share: a shell that
 * started this one would find its own terminal changed.
 */
#ifndef FIREHOOK_NATIVE_WRITE_H_
#define FIREHOOK_NATIVE_WRITE_H_

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

#include "system-error.h"

namespace firehook {

/** Octets written, 0 where it would wait; -1 with `error` set. SIGPIPE is ignored by Node, EPIPE is an error. */
ssize_t WriteNow(int fd, const uint8_t* octets, size_t length, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_WRITE_H_
