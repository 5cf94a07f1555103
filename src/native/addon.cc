/* The native addon: its export table, and nothing else. Declaration: native.d.ts; the exports: exports.h. */
#include "confine.h"
#include "exports.h"

NAPI_MODULE_INIT() {
  // Whoever loads it a second time, in a process that hooks run in, is a hook.
  if (firehook::IsConfined()) return exports;
  for (const auto& part : {firehook::PacketExports(), firehook::DatagramExports(), firehook::IdentityExports(),
                           firehook::NetlinkExports(), firehook::LeaseExports(), firehook::SystemExports(), firehook::ConfineExports(),
                           firehook::HandoverExports()}) {
    for (const firehook::Export& entry : part) {
      napi_value function;
      napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, nullptr, &function);
      napi_set_named_property(env, exports, entry.name, function);
    }
  }
  return exports;
}
