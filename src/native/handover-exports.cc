/*
 * Exports: memory that nobody can change, and the sockets by which its descriptors reach processes that run already.
 *
 * Rule: main thread only. Memory that JavaScript has a view of is detached before it is unmapped.
 */
#include <sys/mman.h>

#include "exports.h"
#include "handover.h"
#include "memory.h"
#include "napi-values.h"

namespace firehook {

namespace {

constexpr size_t kMostConstant = 1u << 30;
/** Of memfd_create(2): with its prefix it is a file name. */
constexpr size_t kMostName = 249;

/** Where mapped memory lies, and how long it is. */
struct Mapping {
  void* memory;
  size_t octets;
};

std::vector<Mapping>& Mappings() {
  thread_local std::vector<Mapping> mappings;
  return mappings;
}

napi_value ToInteger(napi_env env, int64_t number) {
  napi_value result;
  napi_create_int64(env, number, &result);
  return result;
}

napi_value ToPair(napi_env env, int64_t first, int64_t second) {
  napi_value result;
  napi_create_array_with_length(env, 2, &result);
  napi_set_element(env, result, 0, ToInteger(env, first));
  napi_set_element(env, result, 1, ToInteger(env, second));
  return result;
}

/** createConstant(name, octets: Uint8Array): descriptor */
napi_value MakeConstant(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  std::string name;
  uint8_t* octets;
  size_t length;
  if (!Arguments(env, info, arguments) || !ToText(env, arguments[0], kMostName, &name) ||
      !ToArray(env, arguments[1], napi_uint8_array, &octets, &length) || length == 0 || length > kMostConstant) {
    return ThrowType(env, "createConstant(name, octets)");
  }
  SystemError error;
  const int fd = CreateConstant(name.c_str(), octets, length, &error);
  return fd < 0 ? ThrowSystem(env, error) : ToInteger(env, fd);
}

/** mapConstant(fd, octets): ArrayBuffer */
napi_value Map(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int fd;
  uint32_t octets;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd) || !ToUint(env, arguments[1], &octets) ||
      octets == 0 || octets > kMostConstant) {
    return ThrowType(env, "mapConstant(fd, octets)");
  }
  SystemError error;
  void* memory = MapMemory(fd, octets, Access::kConstant, &error);
  if (memory == nullptr) return ThrowSystem(env, error);
  Mappings().push_back({memory, octets});
  napi_value result;
  napi_create_external_arraybuffer(env, memory, octets, nullptr, nullptr, &result);
  return result;
}

/** unmapConstant(memory: ArrayBuffer) */
napi_value Unmap(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  bool is = false;
  void* memory = nullptr;
  size_t octets = 0;
  if (!Arguments(env, info, arguments) || napi_is_arraybuffer(env, arguments[0], &is) != napi_ok || !is ||
      napi_get_arraybuffer_info(env, arguments[0], &memory, &octets) != napi_ok) {
    return ThrowType(env, "unmapConstant(memory)");
  }
  std::vector<Mapping>& mappings = Mappings();
  for (auto mapping = mappings.begin(); mapping != mappings.end(); ++mapping) {
    if (mapping->memory != memory || octets == 0) continue;
    if (napi_detach_arraybuffer(env, arguments[0]) != napi_ok) return ThrowType(env, "unmapConstant(memory)");
    munmap(mapping->memory, mapping->octets);
    mappings.erase(mapping);
    return nullptr;
  }
  return ThrowType(env, "unmapConstant(memory)");
}

/** openHandover(): [descriptor, descriptor] */
napi_value OpenPair(napi_env env, napi_callback_info) {
  SystemError error;
  int ends[2];
  return OpenHandover(ends, &error) ? ToPair(env, ends[0], ends[1]) : ThrowSystem(env, error);
}

/** sendDescriptor(socket, number, descriptor): boolean */
napi_value Send(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  int socket;
  uint32_t number;
  int descriptor;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &socket) || !ToUint(env, arguments[1], &number) ||
      !ToDescriptor(env, arguments[2], &descriptor)) {
    return ThrowType(env, "sendDescriptor(socket, number, descriptor)");
  }
  SystemError error;
  const Handover outcome = SendDescriptor(socket, number, descriptor, &error);
  if (outcome == Handover::kFailed) return ThrowSystem(env, error);
  napi_value result;
  napi_get_boolean(env, outcome == Handover::kDone, &result);
  return result;
}

/** receiveDescriptor(socket): [number, descriptor] or null */
napi_value Receive(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  int socket;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &socket)) {
    return ThrowType(env, "receiveDescriptor(socket)");
  }
  SystemError error;
  uint32_t number = 0;
  int descriptor = -1;
  switch (ReceiveDescriptor(socket, &number, &descriptor, &error)) {
    case Handover::kDone:
      return ToPair(env, number, descriptor);
    case Handover::kNothing: {
      napi_value result;
      napi_get_null(env, &result);
      return result;
    }
    default:
      return ThrowSystem(env, error);
  }
}

}  // namespace

std::vector<Export> HandoverExports() {
  return {
      {"createConstant", MakeConstant},
      {"mapConstant", Map},
      {"unmapConstant", Unmap},
      {"openHandover", OpenPair},
      {"sendDescriptor", Send},
      {"receiveDescriptor", Receive},
  };
}

}  // namespace firehook
