/*
 * Files in memory that processes share (memfd_create(2)), of a size that nobody can change any more.
 *
 * Rule: who maps such a file asks for its seals first: behind the end of a file that was made shorter a mapping is a bus
 * error. The file belongs to who made it: another user who was given a descriptor for reading cannot open it for writing.
 */
#ifndef FIREHOOK_NATIVE_MEMORY_H_
#define FIREHOOK_NATIVE_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "system-error.h"

namespace firehook {

/** Makes a file of zeros; the name is only to be seen in /proc. The descriptor, or -1 with `error` set. */
int CreateMemory(const char* name, size_t octets, SystemError* error);

/** Makes a file of these octets, which nobody can change any more, not even with this descriptor. Else as CreateMemory. */
int CreateConstant(const char* name, const uint8_t* octets, size_t length, SystemError* error);

enum class Access {
  kRead,
  kWrite,
  /** To be read, and nobody may be able to write. */
  kConstant,
};

/** Maps the start of a file that cannot become shorter. Null, with `error` set, for any other; to be unmapped by the caller. */
void* MapMemory(int fd, size_t octets, Access access, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_MEMORY_H_
