/* Exports: raw sockets for IP datagrams. */
#include "datagram-sender.h"
#include "exports.h"
#include "napi-values.h"

namespace firehook {

namespace {

struct DatagramSenderHandle {
  DatagramSender sender;
};

/** openDatagramSender() */
napi_value OpenDatagramSender(napi_env env, napi_callback_info) {
  auto* handle = new DatagramSenderHandle;
  SystemError error;
  if (!handle->sender.Open(&error)) {
    delete handle;
    return ThrowSystem(env, error);
  }
  napi_value object = Wrap(
      env, handle, [](napi_env, void* data, void*) { Forget(static_cast<DatagramSenderHandle*>(data)); });
  napi_value hasIpv6;
  napi_get_boolean(env, handle->sender.HasIpv6(), &hasIpv6);
  napi_set_named_property(env, object, "hasIpv6", hasIpv6);
  return object;
}

/**
 * sendDatagrams(sender, memory: Uint8Array, entries: Uint32Array, count, failed: Uint8Array): datagrams not sent
 * An entry is offset in memory, octets from there on.
 */
napi_value SendDatagrams(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  uint8_t* memory;
  size_t memoryLength;
  uint32_t* entries;
  size_t entriesLength;
  uint32_t count;
  uint8_t* failed;
  size_t failedLength;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "sendDatagrams(sender, memory, entries, count, failed)");
  auto* handle = ToHandle<DatagramSenderHandle>(env, arguments[0]);
  if (handle == nullptr || !ToArray(env, arguments[1], napi_uint8_array, &memory, &memoryLength) ||
      !ToArray(env, arguments[2], napi_uint32_array, &entries, &entriesLength) || !ToUint(env, arguments[3], &count) ||
      !ToArray(env, arguments[4], napi_uint8_array, &failed, &failedLength) || count > kSendBatch ||
      count > entriesLength / 2 || count > failedLength) {
    return ThrowType(env, "sendDatagrams(sender, memory, entries, count, failed)");
  }
  uint8_t* starts[kSendBatch];
  uint32_t lengths[kSendBatch];
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t* entry = entries + i * 2;
    if (entry[0] > memoryLength || entry[1] > memoryLength - entry[0]) {
      return ThrowType(env, "sendDatagrams: an entry points outside its memory");
    }
    starts[i] = memory + entry[0];
    lengths[i] = entry[1];
  }
  napi_value result;
  napi_create_uint32(env, handle->sender.Send(starts, lengths, count, failed), &result);
  return result;
}

/** closeDatagramSender(sender) */
napi_value CloseDatagramSender(napi_env env, napi_callback_info info) {
  return CloseExport<DatagramSenderHandle>(
      env, info, "closeDatagramSender(sender)", [](napi_env, DatagramSenderHandle* handle) { handle->sender.Close(); });
}

}  // namespace

std::vector<Export> DatagramExports() {
  return {
      {"openDatagramSender", OpenDatagramSender},
      {"sendDatagrams", SendDatagrams},
      {"closeDatagramSender", CloseDatagramSender},
  };
}

}  // namespace firehook
