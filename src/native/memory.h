/*
 * Files in memory that processes share (memfd_create(2)), of a size that nobody can change any more.
 *
 * Rule: who maps such a file asks for its seals first: behind the end of a file that was made shorter a mapping is a bus
 * error. The file belongs to who made it: another user who was given a descriptor for reading cannot open it for writing.
 */
#ifndef FIREHOOK_NATIVE_MEMORY_H_
#define FIREHOOK_NATIVE_MEMORY_H_

#include <cstddef>

#include "system-error.h"

namespace firehook {

/** Makes a file of zeros; the name is only to be seen in /proc. The descriptor, or -1 with `error` set. */
int CreateMemory(const char* name, size_t octets, SystemError* error);

/** Maps the start of a file that cannot become shorter. Null, with `error` set, for any other; to be unmapped by the caller. */
void* MapMemory(int fd, size_t octets, bool isWritten, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_MEMORY_H_
