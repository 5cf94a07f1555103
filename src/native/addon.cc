/* The native addon: its export table, and nothing else. Declaration: native.d.ts; the exports: exports.h. */
#include "exports.h"

NAPI_MODULE_INIT() {
  for (const auto& part : {firehook::PacketExports(), firehook::DatagramExports(), firehook::IdentityExports(),
                           firehook::NetlinkExports(), firehook::LeaseExports(), firehook::SystemExports()}) {
    for (const firehook::Export& entry : part) {
      napi_value function;
      napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, nullptr, &function);
      napi_set_named_property(env, exports, entry.name, function);
    }
  }
  return exports;
}
