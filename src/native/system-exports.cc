/* Exports: files and devices, one system call or a few each: memory, locks, attributes, writes that do not wait, probe frames. */
#include "device.h"
#include "exports.h"
#include "lock.h"
#include "memory.h"
#include "napi-values.h"
#include "notify.h"
#include "write.h"

#include <sys/xattr.h>

namespace firehook {

namespace {

constexpr uint32_t kMostMemory = 1u << 30;
/** Of memfd_create(2): with its prefix it is a file name. */
constexpr size_t kMostName = 249;
constexpr size_t kMostPath = 4095;
/** sun_path of unix(7). */
constexpr size_t kMostAddress = 108;
/** XATTR_NAME_MAX of linux/limits.h. */
constexpr size_t kMostAttribute = 255;
constexpr size_t kEthernetHeader = 14;
constexpr size_t kMostFrame = 65535;

napi_value ToNumber(napi_env env, double number) {
  napi_value result;
  napi_create_double(env, number, &result);
  return result;
}

bool ToIfindex(napi_env env, napi_value value, uint32_t* out) {
  return ToUint(env, value, out) && *out > 0 && *out <= 0x7fffffff;
}

/** createMemory(name, octets): descriptor */
napi_value MakeMemory(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  std::string name;
  uint32_t octets;
  if (!Arguments(env, info, arguments) || !ToText(env, arguments[0], kMostName, &name) ||
      !ToUint(env, arguments[1], &octets) || octets == 0 || octets > kMostMemory) {
    return ThrowType(env, "createMemory(name, octets)");
  }
  SystemError error;
  const int fd = CreateMemory(name.c_str(), octets, &error);
  return fd < 0 ? ThrowSystem(env, error) : ToNumber(env, fd);
}

/** mapMemory(fd, octets): ArrayBuffer */
napi_value Map(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int fd;
  uint32_t octets;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd) || !ToUint(env, arguments[1], &octets) ||
      octets == 0 || octets > kMostMemory) {
    return ThrowType(env, "mapMemory(fd, octets)");
  }
  SystemError error;
  void* memory = MapMemory(fd, octets, Access::kWrite, &error);
  if (memory == nullptr) return ThrowSystem(env, error);
  // It stays as long as the process: whoever writes into it does so to its end.
  napi_value result;
  napi_create_external_arraybuffer(env, memory, octets, nullptr, nullptr, &result);
  return result;
}

/** lockFile(path): descriptor, or -1 where another holds it */
napi_value Lock(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  std::string path;
  if (!Arguments(env, info, arguments) || !ToText(env, arguments[0], kMostPath, &path)) {
    return ThrowType(env, "lockFile(path)");
  }
  SystemError error;
  const int fd = LockFile(path.c_str(), &error);
  if (fd == kLockHeld) return ToNumber(env, -1);
  return fd < 0 ? ThrowSystem(env, error) : ToNumber(env, fd);
}

/** readAttribute(path, name): string, or null where the file has no such attribute */
napi_value ReadAttribute(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  std::string path;
  std::string name;
  if (!Arguments(env, info, arguments) || !ToText(env, arguments[0], kMostPath, &path) ||
      !ToText(env, arguments[1], kMostAttribute, &name)) {
    return ThrowType(env, "readAttribute(path, name)");
  }
  char octets[255];
  const ssize_t length = getxattr(path.c_str(), name.c_str(), octets, sizeof(octets));
  napi_value result;
  if (length >= 0) {
    napi_create_string_latin1(env, octets, static_cast<size_t>(length), &result);
    return result;
  }
  if (errno == ENODATA || errno == ENOTSUP) {
    napi_get_null(env, &result);
    return result;
  }
  SystemError error;
  Fail(&error, "getxattr");
  return ThrowSystem(env, error);
}

/** writeNow(fd, bytes: Uint8Array): octets written */
napi_value Write(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int fd;
  uint8_t* octets;
  size_t length;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd) ||
      !ToArray(env, arguments[1], napi_uint8_array, &octets, &length)) {
    return ThrowType(env, "writeNow(fd, bytes)");
  }
  SystemError error;
  const ssize_t written = WriteNow(fd, octets, length, &error);
  return written < 0 ? ThrowSystem(env, error) : ToNumber(env, static_cast<double>(written));
}

/** notify(address, octets: Uint8Array): boolean */
napi_value NotifyManager(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  std::string address;
  uint8_t* octets;
  size_t length;
  if (!Arguments(env, info, arguments) || !ToText(env, arguments[0], kMostAddress, &address) ||
      !ToArray(env, arguments[1], napi_uint8_array, &octets, &length)) {
    return ThrowType(env, "notify(address, octets)");
  }
  SystemError error;
  const Notified outcome = Notify(address, octets, length, &error);
  if (outcome == Notified::kFailed) return ThrowSystem(env, error);
  napi_value result;
  napi_get_boolean(env, outcome == Notified::kDone, &result);
  return result;
}

/** sendFrame(ifindex, mark, frame: Uint8Array) */
napi_value Probe(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  uint32_t ifindex;
  uint32_t mark;
  uint8_t* frame;
  size_t length;
  if (!Arguments(env, info, arguments) || !ToIfindex(env, arguments[0], &ifindex) || !ToUint(env, arguments[1], &mark) ||
      !ToArray(env, arguments[2], napi_uint8_array, &frame, &length) || length < kEthernetHeader || length > kMostFrame) {
    return ThrowType(env, "sendFrame(ifindex, mark, frame)");
  }
  SystemError error;
  return SendFrame(static_cast<int>(ifindex), mark, frame, length, &error) ? nullptr : ThrowSystem(env, error);
}

/** countTcxPrograms(ifindex): number */
napi_value CountTcx(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  uint32_t ifindex;
  if (!Arguments(env, info, arguments) || !ToIfindex(env, arguments[0], &ifindex)) {
    return ThrowType(env, "countTcxPrograms(ifindex)");
  }
  SystemError error;
  uint32_t count;
  return CountTcxPrograms(ifindex, &count, &error) ? ToNumber(env, count) : ThrowSystem(env, error);
}

}  // namespace

std::vector<Export> SystemExports() {
  return {
      {"createMemory", MakeMemory},
      {"mapMemory", Map},
      {"lockFile", Lock},
      {"readAttribute", ReadAttribute},
      {"writeNow", Write},
      {"notify", NotifyManager},
      {"sendFrame", Probe},
      {"countTcxPrograms", CountTcx},
  };
}

}  // namespace firehook
