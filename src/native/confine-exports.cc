/* Exports: the confinement of the process. */
#include "confine.h"
#include "exports.h"
#include "napi-values.h"

namespace firehook {

namespace {

/** Packet sockets and raw sockets of a lane: its ports' and two more. */
constexpr uint32_t kMostSockets = 120;

/** landlockVersion(): number */
napi_value Landlock(napi_env env, napi_callback_info) {
  napi_value result;
  napi_create_int32(env, LandlockVersion(), &result);
  return result;
}

/** confine(sockets: Int32Array, byOthers: boolean, network: boolean) */
napi_value ConfineProcess(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  int32_t* sockets;
  size_t count;
  bool byOthers;
  bool network;
  if (!Arguments(env, info, arguments) || !ToArray(env, arguments[0], napi_int32_array, &sockets, &count) ||
      count > kMostSockets || napi_get_value_bool(env, arguments[1], &byOthers) != napi_ok ||
      napi_get_value_bool(env, arguments[2], &network) != napi_ok) {
    return ThrowType(env, "confine(sockets, byOthers, network)");
  }
  SystemError error;
  return Confine(std::vector<int>(sockets, sockets + count), byOthers, network, &error) ? nullptr : ThrowSystem(env, error);
}

}  // namespace

std::vector<Export> ConfineExports() {
  return {
      {"landlockVersion", Landlock},
      {"confine", ConfineProcess},
  };
}

}  // namespace firehook
