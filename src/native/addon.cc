/*
 * The export table of the native AF_PACKET driver, and the step from JavaScript values to C++ ones. Nothing else.
 *
 * Every argument has been checked in TypeScript (src/drivers/afpacket.ts) and is checked again here: a wrong one is a
 * TypeError, never an access outside. System errors become an Error with `syscall` and `errno`. Declaration: native.d.ts.
 *
 * Rule: main thread only. Memory that JavaScript has a view of is detached before it is unmapped.
 */
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>
#include <node_api.h>
#include <uv.h>

#include "ring.h"
#include "sender.h"

using firehook::Ring;
using firehook::RingOptions;
using firehook::Sender;
using firehook::SenderOptions;
using firehook::SystemError;

namespace {

/** Where an entry of send() points. */
enum Space : uint32_t { kInRing = 0, kInOverflow = 1, kMade = 2 };

/** The event loop gets its turn after this long, so that a hook's timers and sockets live. */
constexpr uint64_t kTurnNs = 1000 * 1000;
constexpr int32_t kTurnIsOver = -1;

struct RingHandle {
  Ring ring;
  napi_env env = nullptr;
  uv_poll_t* poll = nullptr;
  napi_ref callback = nullptr;
  napi_ref memory = nullptr;
  napi_ref overflow = nullptr;
  bool isWatching = false;
  /** When the turn ends that next() began, in nanoseconds of uv_hrtime. */
  uint64_t turnEnd = 0;
};

struct SenderHandle {
  Sender sender;
};

napi_value ThrowType(napi_env env, const char* what) {
  napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", what);
  return nullptr;
}

napi_value ThrowSystem(napi_env env, const SystemError& error) {
  napi_value message;
  napi_value code;
  napi_value value;
  napi_value result;
  const std::string text = std::string(error.call) + ": " + strerror(error.number);
  napi_create_string_utf8(env, text.c_str(), text.size(), &message);
  napi_create_string_utf8(env, uv_err_name(-error.number), NAPI_AUTO_LENGTH, &code);
  napi_create_error(env, code, message, &result);
  napi_create_string_utf8(env, error.call, NAPI_AUTO_LENGTH, &value);
  napi_set_named_property(env, result, "syscall", value);
  napi_create_int32(env, error.number, &value);
  napi_set_named_property(env, result, "errno", value);
  napi_throw(env, result);
  return nullptr;
}

template <size_t N>
bool Arguments(napi_env env, napi_callback_info info, napi_value (&values)[N]) {
  size_t count = N;
  return napi_get_cb_info(env, info, &count, values, nullptr, nullptr) == napi_ok && count == N;
}

bool ToUint(napi_env env, napi_value value, uint32_t* out) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok) return false;
  if (!(number >= 0 && number <= 4294967295.0) || number != static_cast<double>(static_cast<uint32_t>(number))) return false;
  *out = static_cast<uint32_t>(number);
  return true;
}

/** The elements of a typed array of the given type. */
template <typename T>
bool ToArray(napi_env env, napi_value value, napi_typedarray_type wanted, T** data, size_t* length) {
  bool is = false;
  if (napi_is_typedarray(env, value, &is) != napi_ok || !is) return false;
  napi_typedarray_type type;
  void* memory = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, nullptr, nullptr) != napi_ok) return false;
  *data = static_cast<T*>(memory);
  return type == wanted;
}

/** Handles of a kind that JavaScript has not let go of: a pointer is used only if it is among them. */
template <typename Handle>
std::vector<Handle*>& Known() {
  thread_local std::vector<Handle*> known;
  return known;
}

/** What an object wraps; null for an object of another kind. Type tags would say the same, at 100 ns a call. */
template <typename Handle>
Handle* ToHandle(napi_env env, napi_value value) {
  napi_valuetype type;
  void* data = nullptr;
  if (napi_typeof(env, value, &type) != napi_ok || type != napi_object) return nullptr;
  if (napi_unwrap(env, value, &data) != napi_ok) return nullptr;
  for (Handle* handle : Known<Handle>()) {
    if (handle == data) return handle;
  }
  return nullptr;
}

template <typename Handle>
void Forget(Handle* handle) {
  std::vector<Handle*>& known = Known<Handle>();
  known.erase(std::remove(known.begin(), known.end(), handle), known.end());
  delete handle;
}

/** A ring that has not been closed. */
RingHandle* ToOpenRing(napi_env env, napi_value value) {
  auto* handle = ToHandle<RingHandle>(env, value);
  return handle != nullptr && handle->ring.fd() >= 0 ? handle : nullptr;
}

void Detach(napi_env env, napi_ref* reference) {
  if (*reference == nullptr) return;
  napi_value buffer;
  if (napi_get_reference_value(env, *reference, &buffer) == napi_ok && buffer != nullptr) napi_detach_arraybuffer(env, buffer);
  napi_delete_reference(env, *reference);
  *reference = nullptr;
}

void StopWatching(RingHandle* handle) {
  if (handle->poll == nullptr) return;
  uv_poll_stop(handle->poll);
  handle->poll->data = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(handle->poll), [](uv_handle_t* poll) { delete reinterpret_cast<uv_poll_t*>(poll); });
  handle->poll = nullptr;
}

void CloseRingHandle(napi_env env, RingHandle* handle) {
  StopWatching(handle);
  if (handle->callback != nullptr) napi_delete_reference(env, handle->callback);
  handle->callback = nullptr;
  Detach(env, &handle->memory);
  Detach(env, &handle->overflow);
  handle->ring.Close();
}

void OnReadable(uv_poll_t* poll, int status, int) {
  auto* handle = static_cast<RingHandle*>(poll->data);
  if (handle == nullptr || handle->callback == nullptr) return;
  if (status < 0) {
    // The device went down or away. libuv has stopped watching; one that comes up again is to be heard of.
    handle->ring.ClearError();
    uv_poll_start(poll, UV_READABLE, OnReadable);
  }
  napi_env env = handle->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value callback;
  napi_value global;
  napi_get_reference_value(env, handle->callback, &callback);
  napi_get_global(env, &global);
  if (napi_make_callback(env, nullptr, global, callback, 0, nullptr, nullptr) == napi_pending_exception) {
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

template <typename Handle>
napi_value Wrap(napi_env env, Handle* data, napi_finalize finalize) {
  Known<Handle>().push_back(data);
  napi_value object;
  napi_create_object(env, &object);
  napi_wrap(env, object, data, finalize, nullptr, nullptr);
  return object;
}

/** openRing(ifindex, slotSize, slotCount, overflowCount, fanoutGroup | -1, ignoreOutgoing, filter: Uint8Array) */
napi_value OpenRing(napi_env env, napi_callback_info info) {
  napi_value arguments[7];
  RingOptions options;
  uint32_t ifindex;
  double fanout;
  uint8_t* filter;
  size_t filterLength;
  if (!Arguments(env, info, arguments) || !ToUint(env, arguments[0], &ifindex) || !ToUint(env, arguments[1], &options.slotSize) ||
      !ToUint(env, arguments[2], &options.slotCount) || !ToUint(env, arguments[3], &options.overflowCount) ||
      napi_get_value_double(env, arguments[4], &fanout) != napi_ok ||
      napi_get_value_bool(env, arguments[5], &options.ignoreOutgoing) != napi_ok ||
      !ToArray(env, arguments[6], napi_uint8_array, &filter, &filterLength)) {
    return ThrowType(env, "openRing(ifindex, slotSize, slotCount, overflowCount, fanoutGroup, ignoreOutgoing, filter)");
  }
  const bool isSlot = options.slotSize >= 256 && options.slotSize <= (1u << 20) && options.slotSize % 16 == 0;
  if (ifindex == 0 || ifindex > 0x7fffffff || !isSlot || options.slotCount == 0 || options.slotCount > (1u << 20) ||
      static_cast<uint64_t>(options.slotSize) * options.slotCount > (1ull << 31) || options.overflowCount > 4096 ||
      !(fanout >= -1 && fanout <= 65535) || fanout != static_cast<int>(fanout) ||
      filterLength % 8 != 0 || filterLength > 4096 * 8) {
    return ThrowType(env, "openRing: a number is out of range");
  }
  options.ifindex = static_cast<int>(ifindex);
  options.fanoutGroup = static_cast<int>(fanout);
  options.filter.assign(filter, filter + filterLength);

  auto* handle = new RingHandle;
  handle->env = env;
  SystemError error;
  if (!handle->ring.Open(options, &error)) {
    delete handle;
    return ThrowSystem(env, error);
  }
  napi_value object = Wrap(
      env, handle,
      [](napi_env finalEnv, void* data, void*) {
        auto* last = static_cast<RingHandle*>(data);
        CloseRingHandle(finalEnv, last);
        Forget(last);
      });
  napi_value memory;
  napi_value overflow;
  napi_create_external_arraybuffer(env, handle->ring.memory(), handle->ring.memoryLength(), nullptr, nullptr, &memory);
  napi_create_reference(env, memory, 1, &handle->memory);
  napi_set_named_property(env, object, "memory", memory);
  if (handle->ring.overflowLength() > 0) {
    napi_create_external_arraybuffer(env, handle->ring.overflow(), handle->ring.overflowLength(), nullptr, nullptr, &overflow);
    napi_create_reference(env, overflow, 1, &handle->overflow);
  } else {
    napi_create_arraybuffer(env, 0, nullptr, &overflow);
  }
  napi_set_named_property(env, object, "overflow", overflow);
  return object;
}

/** receive(ring, fields: Uint32Array, max): number */
napi_value Receive(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  uint32_t* fields;
  size_t length;
  uint32_t max;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "receive(ring, fields, max)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || !ToArray(env, arguments[1], napi_uint32_array, &fields, &length) || !ToUint(env, arguments[2], &max) ||
      max > length / firehook::kFieldCount) {
    return ThrowType(env, "receive(ring, fields, max)");
  }
  napi_value result;
  napi_create_uint32(env, handle->ring.Receive(fields, max), &result);
  return result;
}

/**
 * next(ring, fields: Uint32Array, max, done): number
 * Gives `done` slots back, then takes frames. One crossing for a batch instead of three, the clock included.
 */
napi_value Next(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  uint32_t* fields;
  size_t length;
  uint32_t max;
  uint32_t done;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "next(ring, fields, max, done)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || !ToArray(env, arguments[1], napi_uint32_array, &fields, &length) || !ToUint(env, arguments[2], &max) ||
      !ToUint(env, arguments[3], &done) || max > length / firehook::kFieldCount) {
    return ThrowType(env, "next(ring, fields, max, done)");
  }
  handle->ring.Release(done);
  const uint64_t now = uv_hrtime();
  if (done == 0) handle->turnEnd = now + kTurnNs;
  napi_value result;
  if (now >= handle->turnEnd) napi_create_int32(env, kTurnIsOver, &result);
  else napi_create_uint32(env, handle->ring.Receive(fields, max), &result);
  return result;
}

/** release(ring, count) */
napi_value Release(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t count;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "release(ring, count)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || !ToUint(env, arguments[1], &count)) return ThrowType(env, "release(ring, count)");
  handle->ring.Release(count);
  return nullptr;
}

/** dropped(ring): number */
napi_value Dropped(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "dropped(ring)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "dropped(ring)");
  napi_value result;
  napi_create_double(env, static_cast<double>(handle->ring.Dropped()), &result);
  return result;
}

/** setFence(ring, descriptor) */
napi_value SetFence(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t descriptor;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "setFence(ring, descriptor)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || !ToUint(env, arguments[1], &descriptor) || descriptor > 0x7fffffff) {
    return ThrowType(env, "setFence(ring, descriptor)");
  }
  SystemError error;
  if (!handle->ring.SetFence(static_cast<int>(descriptor), &error)) return ThrowSystem(env, error);
  return nullptr;
}

/** lookAtFence(ring): number */
napi_value LookAtFence(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "lookAtFence(ring)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "lookAtFence(ring)");
  napi_value result;
  napi_create_double(env, static_cast<double>(handle->ring.LookAtFence()), &result);
  return result;
}

/** fenced(ring): number */
napi_value Fenced(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "fenced(ring)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "fenced(ring)");
  napi_value result;
  napi_create_double(env, static_cast<double>(handle->ring.Fenced()), &result);
  return result;
}

/** watch(ring, callback): calls back whenever frames are waiting; setWatching(ring, on) pauses and resumes. */
napi_value Watch(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  napi_valuetype type;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "watch(ring, callback)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || handle->poll != nullptr ||
      napi_typeof(env, arguments[1], &type) != napi_ok || type != napi_function) {
    return ThrowType(env, "watch(ring, callback)");
  }
  uv_loop_t* loop;
  napi_get_uv_event_loop(env, &loop);
  auto* poll = new uv_poll_t;
  const int status = uv_poll_init(loop, poll, handle->ring.fd());
  if (status != 0) {
    delete poll;
    return ThrowSystem(env, SystemError{"uv_poll_init", -status});
  }
  poll->data = handle;
  handle->poll = poll;
  handle->isWatching = true;
  napi_create_reference(env, arguments[1], 1, &handle->callback);
  uv_poll_start(poll, UV_READABLE, OnReadable);
  return nullptr;
}

/** setWatching(ring, on) */
napi_value SetWatching(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  bool on;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "setWatching(ring, on)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || napi_get_value_bool(env, arguments[1], &on) != napi_ok) return ThrowType(env, "setWatching(ring, on)");
  if (handle->poll == nullptr || on == handle->isWatching) return nullptr;
  handle->isWatching = on;
  if (on) uv_poll_start(handle->poll, UV_READABLE, OnReadable);
  else uv_poll_stop(handle->poll);
  return nullptr;
}

/** closeRing(ring) */
napi_value CloseRing(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "closeRing(ring)");
  auto* handle = ToHandle<RingHandle>(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "closeRing(ring)");
  CloseRingHandle(env, handle);
  return nullptr;
}

/** openSender(ifindex, mark) */
napi_value OpenSender(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  SenderOptions options;
  uint32_t ifindex;
  if (!Arguments(env, info, arguments) || !ToUint(env, arguments[0], &ifindex) || ifindex == 0 || ifindex > 0x7fffffff ||
      !ToUint(env, arguments[1], &options.mark)) {
    return ThrowType(env, "openSender(ifindex, mark)");
  }
  options.ifindex = static_cast<int>(ifindex);
  auto* handle = new SenderHandle;
  SystemError error;
  if (!handle->sender.Open(options, &error)) {
    delete handle;
    return ThrowSystem(env, error);
  }
  return Wrap(
      env, handle, [](napi_env, void* data, void*) { Forget(static_cast<SenderHandle*>(data)); });
}

/**
 * send(sender, ring, entries: Uint32Array, count, made: Uint8Array, failed: Uint8Array): frames not sent
 * An entry is space, offset of the vnet header in it, octets from there on.
 */
napi_value Send(napi_env env, napi_callback_info info) {
  napi_value arguments[6];
  uint32_t* entries;
  size_t entriesLength;
  uint32_t count;
  uint8_t* made;
  size_t madeLength;
  uint8_t* failed;
  size_t failedLength;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "send(sender, ring, entries, count, made, failed)");
  auto* handle = ToHandle<SenderHandle>(env, arguments[0]);
  auto* source = ToOpenRing(env, arguments[1]);
  if (handle == nullptr || source == nullptr || !ToArray(env, arguments[2], napi_uint32_array, &entries, &entriesLength) ||
      !ToUint(env, arguments[3], &count) || !ToArray(env, arguments[4], napi_uint8_array, &made, &madeLength) ||
      !ToArray(env, arguments[5], napi_uint8_array, &failed, &failedLength) || count > firehook::kSendBatch ||
      count > entriesLength / 3 || count > failedLength) {
    return ThrowType(env, "send(sender, ring, entries, count, made, failed)");
  }
  uint8_t* const bases[] = {source->ring.memory(), source->ring.overflow(), made};
  const size_t sizes[] = {source->ring.memoryLength(), source->ring.overflowLength(), madeLength};
  uint8_t* starts[firehook::kSendBatch];
  uint32_t lengths[firehook::kSendBatch];
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t* entry = entries + i * 3;
    const uint32_t space = entry[0];
    if (space > kMade || entry[1] > sizes[space] || entry[2] > sizes[space] - entry[1] || entry[2] < firehook::kVnetHeader) {
      return ThrowType(env, "send: an entry points outside its memory");
    }
    starts[i] = bases[space] + entry[1];
    lengths[i] = entry[2];
  }
  napi_value result;
  napi_create_uint32(env, handle->sender.Send(starts, lengths, count, failed), &result);
  return result;
}

/** closeSender(sender) */
napi_value CloseSender(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "closeSender(sender)");
  auto* handle = ToHandle<SenderHandle>(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "closeSender(sender)");
  handle->sender.Close();
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    napi_callback function;
  } table[] = {
      {"openRing", OpenRing},       {"receive", Receive},         {"release", Release},
      {"next", Next},               {"setFence", SetFence},       {"fenced", Fenced},
      {"lookAtFence", LookAtFence},
      {"dropped", Dropped},         {"watch", Watch},             {"setWatching", SetWatching},
      {"closeRing", CloseRing},     {"openSender", OpenSender},   {"send", Send},
      {"closeSender", CloseSender},
  };
  for (const auto& entry : table) {
    napi_value function;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, nullptr, &function);
    napi_set_named_property(env, exports, entry.name, function);
  }
  return exports;
}
