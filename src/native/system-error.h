/*
 * What a system call refused: which call, and its errno. From the parts that call to the export that throws.
 */
#ifndef FIREHOOK_NATIVE_SYSTEM_ERROR_H_
#define FIREHOOK_NATIVE_SYSTEM_ERROR_H_

#include <cerrno>

namespace firehook {

struct SystemError {
  const char* call = nullptr;
  int number = 0;
};

/** Notes the errno of this moment. Returns false, to be returned. */
inline bool Fail(SystemError* error, const char* call) {
  error->call = call;
  error->number = errno;
  return false;
}

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_SYSTEM_ERROR_H_
