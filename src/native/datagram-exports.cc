/* Exports: raw sockets for IP datagrams. */
#include "confine.h"
#include "datagram-sender.h"
#include "exports.h"
#include "napi-values.h"

namespace firehook {

namespace {

struct DatagramSenderHandle {
  DatagramSender sender;
};

napi_value WrapSender(napi_env env, DatagramSenderHandle* handle) {
  napi_value object = Wrap(
      env, handle, [](napi_env, void* data, void*) { Forget(static_cast<DatagramSenderHandle*>(data)); });
  napi_value hasIpv6;
  napi_get_boolean(env, handle->sender.HasIpv6(), &hasIpv6);
  napi_set_named_property(env, object, "hasIpv6", hasIpv6);
  return object;
}

/** openDatagramSender(): sender */
napi_value OpenDatagramSender(napi_env env, napi_callback_info) {
  auto* handle = new DatagramSenderHandle;
  SystemError error;
  if (handle->sender.Open(&error)) return WrapSender(env, handle);
  delete handle;
  return ThrowSystem(env, error);
}

/** openDatagramSockets(): descriptors for IPv4 and for IPv6, the latter -1 on a host without it */
napi_value OpenDatagramSockets(napi_env env, napi_callback_info) {
  int sockets[2];
  SystemError error;
  if (!DatagramSender::OpenSockets(&sockets[0], &sockets[1], &error)) return ThrowSystem(env, error);
  napi_value result;
  napi_create_array_with_length(env, 2, &result);
  for (uint32_t i = 0; i < 2; i++) {
    napi_value number;
    napi_create_int32(env, sockets[i], &number);
    napi_set_element(env, result, i, number);
  }
  return result;
}

/** adoptDatagramSender(ipv4, ipv6 or -1): sender */
napi_value AdoptDatagramSender(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  int ipv4;
  int32_t ipv6;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &ipv4) ||
      napi_get_value_int32(env, arguments[1], &ipv6) != napi_ok || ipv6 < -1) {
    return ThrowType(env, "adoptDatagramSender(ipv4, ipv6)");
  }
  if (IsConfined()) return ThrowType(env, "adoptDatagramSender: this process takes nothing over any more");
  auto* handle = new DatagramSenderHandle;
  handle->sender.Adopt(ipv4, ipv6);
  return WrapSender(env, handle);
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
      {"openDatagramSockets", OpenDatagramSockets},
      {"adoptDatagramSender", AdoptDatagramSender},
      {"sendDatagrams", SendDatagrams},
      {"closeDatagramSender", CloseDatagramSender},
  };
}

}  // namespace firehook
