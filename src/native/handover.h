/*
 * Descriptors that go from one process to another (unix(7), SCM_RIGHTS), each with a number that says which one it is.
 *
 * Rule: nobody waits. The receiving end works in a confined process: it asks with the flags that the filter allows (confine.h).
 */
#ifndef FIREHOOK_NATIVE_HANDOVER_H_
#define FIREHOOK_NATIVE_HANDOVER_H_

#include <cstdint>

#include "system-error.h"

namespace firehook {

/** What came of a send or a receive. */
enum class Handover { kDone, kNothing, kFailed };

/** Opens a pair of sockets that keep messages apart, close-on-exec. */
bool OpenHandover(int ends[2], SystemError* error);

/** Sends a descriptor; the sender keeps its own. kNothing where there is no room. */
Handover SendDescriptor(int socket, uint32_t number, int descriptor, SystemError* error);

/** Takes the next descriptor, close-on-exec. kNothing where none is there, or where the other end is closed. */
Handover ReceiveDescriptor(int socket, uint32_t* number, int* descriptor, SystemError* error);

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_HANDOVER_H_
