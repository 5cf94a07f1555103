/*
 * Exports: rings and the senders whose queues point into them, from watching a ring to sending what its batch left behind.
 *
 * Rule: main thread only. Memory that JavaScript has a view of is detached before it is unmapped or freed.
 */
#include <algorithm>

#include "confine.h"
#include "exports.h"
#include "input-switch.h"
#include "napi-values.h"
#include "poller.h"
#include "ring.h"
#include "sender.h"

namespace firehook {

namespace {

/** Where an entry of a sender's queue points. */
enum Space : uint32_t { kInRing = 0, kInOverflow = 1, kMade = 2 };

/** Frames handed out at a time. Batches of 16, 64 and 256 measure the same. */
constexpr uint32_t kBatch = 64;

struct RingHandle : PollSource {
  Ring ring;
  napi_env env = nullptr;
  napi_ref callback = nullptr;
  /** Called when frames of a batch were not sent. */
  napi_ref onLost = nullptr;
  /** The object that wraps this, held while it is watched. */
  napi_ref object = nullptr;
  napi_ref memory = nullptr;
  napi_ref overflow = nullptr;
  napi_ref fields = nullptr;
  /** What JavaScript has a view of: the numbers of the batch that is being handed out. */
  uint32_t batch[kBatch * kFieldCount] = {};

  int fd() const override { return ring.fd(); }
  bool HandOut() override;
  void OnError() override { ring.ClearError(); }
};

/** Octets of the memory that frames are made in; more are sent by and by. */
constexpr size_t kMadeOctets = 1024 * 1024;
/** Numbers of an entry of a sender's queue: space, offset of the vnet header in it, octets from there on. */
constexpr uint32_t kEntry = 3;

struct SenderHandle {
  Sender sender;
  /** What JavaScript has views of. The queue: frames in it, frames of the last flush that were not sent, then the entries. */
  uint32_t queue[2 + kSendBatch * kEntry] = {};
  uint8_t failed[kSendBatch] = {};
  std::vector<uint8_t> made = std::vector<uint8_t>(kMadeOctets);
  napi_ref arrays[3] = {};
  /** What Flush makes of the queue: the entries that may be sent, where each stands in it, and which were not sent. */
  uint8_t* starts[kSendBatch] = {};
  uint32_t lengths[kSendBatch] = {};
  uint32_t places[kSendBatch] = {};
  uint8_t gone[kSendBatch] = {};
};

/** True for sizes that a ring may have. */
bool IsRingSize(const RingOptions& options) {
  const bool isSlot = options.slotSize >= 256 && options.slotSize <= (1u << 20) && options.slotSize % 16 == 0;
  return isSlot && options.slotCount > 0 && options.slotCount <= (1u << 20) &&
         static_cast<uint64_t>(options.slotSize) * options.slotCount <= (1ull << 31) && options.overflowCount <= 4096;
}

napi_value DescriptorOrThrow(napi_env env, int fd, const SystemError& error) {
  if (fd < 0) return ThrowSystem(env, error);
  napi_value result;
  napi_create_int32(env, fd, &result);
  return result;
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

/** The poller of this thread's event loop. Lives as long as the process: libuv keeps pointers into it. */
Poller& PollerOf(napi_env env) {
  thread_local Poller* poller = nullptr;
  if (poller == nullptr) {
    uv_loop_t* loop = nullptr;
    napi_get_uv_event_loop(env, &loop);
    poller = new Poller(loop);
  }
  return *poller;
}

void CloseRingHandle(napi_env env, RingHandle* handle) {
  if (handle->callback != nullptr) {
    PollerOf(env).Remove(handle);
    napi_delete_reference(env, handle->callback);
    napi_delete_reference(env, handle->onLost);
    napi_delete_reference(env, handle->object);
  }
  handle->callback = nullptr;
  Detach(env, &handle->memory);
  Detach(env, &handle->overflow);
  Detach(env, &handle->fields);
  handle->ring.Close();
}

void CloseSenderHandle(napi_env env, SenderHandle* handle) {
  for (napi_ref& array : handle->arrays) Detach(env, &array);
  handle->queue[0] = 0;
  handle->sender.Close();
}

/** Sends what is in the queue of a sender. What points outside its memory is not sent. Returns frames not sent. */
uint32_t Flush(SenderHandle* handle, Ring& ring) {
  const uint32_t count = std::min(handle->queue[0], kSendBatch);
  handle->queue[0] = 0;
  uint8_t* const bases[] = {ring.memory(), ring.overflow(), handle->made.data()};
  const size_t sizes[] = {ring.memoryLength(), ring.overflowLength(), handle->made.size()};
  uint32_t good = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t* entry = handle->queue + 2 + i * kEntry;
    const uint32_t space = entry[0];
    handle->failed[i] = 1;
    if (space > kMade || entry[1] > sizes[space] || entry[2] > sizes[space] - entry[1] || entry[2] < kVnetHeader) continue;
    handle->starts[good] = bases[space] + entry[1];
    handle->lengths[good] = entry[2];
    handle->places[good] = i;
    good += 1;
  }
  handle->queue[1] = handle->sender.Send(handle->starts, handle->lengths, good, handle->gone) + (count - good);
  for (uint32_t i = 0; i < good; i++) handle->failed[handle->places[i]] = handle->gone[i];
  return handle->queue[1];
}

/** One call into JavaScript a batch; what it made of nextTick and promises runs before the next. */
bool RingHandle::HandOut() {
  const uint32_t count = ring.Receive(batch, kBatch);
  if (count == 0) return false;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value self;
  napi_value argument;
  // On the stack, so that this is not collected when the callback closes the ring and lets go of it.
  napi_get_reference_value(env, object, &self);
  napi_create_uint32(env, count, &argument);
  CallBack(env, callback, 1, &argument);
  uint32_t lost = 0;
  for (SenderHandle* sender : Known<SenderHandle>()) {
    if (sender->queue[0] > 0) lost += Flush(sender, ring);
  }
  if (lost > 0 && onLost != nullptr && ring.fd() >= 0) CallBack(env, onLost, 0, nullptr);
  ring.Release(count);
  napi_close_handle_scope(env, scope);
  return true;
}

/** Reads the options of a ring from seven arguments. False, with an exception pending, when they are wrong. */
bool ToRingOptions(napi_env env, napi_callback_info info, const char* usage, RingOptions* options) {
  napi_value arguments[7];
  uint32_t ifindex;
  double fanout;
  uint8_t* filter;
  size_t filterLength;
  if (!Arguments(env, info, arguments) || !ToUint(env, arguments[0], &ifindex) || !ToUint(env, arguments[1], &options->slotSize) ||
      !ToUint(env, arguments[2], &options->slotCount) || !ToUint(env, arguments[3], &options->overflowCount) ||
      napi_get_value_double(env, arguments[4], &fanout) != napi_ok ||
      napi_get_value_bool(env, arguments[5], &options->ignoreOutgoing) != napi_ok ||
      !ToArray(env, arguments[6], napi_uint8_array, &filter, &filterLength)) {
    ThrowType(env, usage);
    return false;
  }
  if (ifindex == 0 || ifindex > 0x7fffffff || !IsRingSize(*options) || !(fanout >= -1 && fanout <= 65535) ||
      fanout != static_cast<int>(fanout) || filterLength % 8 != 0 || filterLength > 4096 * 8) {
    ThrowType(env, "openRing: a number is out of range");
    return false;
  }
  options->ifindex = static_cast<int>(ifindex);
  options->fanoutGroup = static_cast<int>(fanout);
  options->filter.assign(filter, filter + filterLength);
  return true;
}

/** The object of a ring that is open; throws, and frees the handle, when it is not. */
napi_value WrapRing(napi_env env, RingHandle* handle, bool isOpen, const SystemError& error) {
  if (!isOpen) {
    delete handle;
    return ThrowSystem(env, error);
  }
  handle->env = env;
  napi_value object = Wrap(
      env, handle,
      [](napi_env finalEnv, void* data, void*) {
        auto* last = static_cast<RingHandle*>(data);
        CloseRingHandle(finalEnv, last);
        Forget(last);
      });
  napi_value memory;
  napi_value overflow;
  napi_value fields;
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
  napi_create_external_arraybuffer(env, handle->batch, sizeof(handle->batch), nullptr, nullptr, &fields);
  napi_create_reference(env, fields, 1, &handle->fields);
  napi_set_named_property(env, object, "fields", fields);
  return object;
}

/** openRing(ifindex, slotSize, slotCount, overflowCount, fanoutGroup, ignoreOutgoing, filter): ring */
napi_value OpenRing(napi_env env, napi_callback_info info) {
  RingOptions options;
  const char* usage = "openRing(ifindex, slotSize, slotCount, overflowCount, fanoutGroup, ignoreOutgoing, filter)";
  if (!ToRingOptions(env, info, usage, &options)) return nullptr;
  auto* handle = new RingHandle;
  SystemError error;
  return WrapRing(env, handle, handle->ring.Open(options, &error), error);
}

/** openRingSocket(the same): descriptor */
napi_value OpenRingSocket(napi_env env, napi_callback_info info) {
  RingOptions options;
  const char* usage = "openRingSocket(ifindex, slotSize, slotCount, overflowCount, fanoutGroup, ignoreOutgoing, filter)";
  if (!ToRingOptions(env, info, usage, &options)) return nullptr;
  SystemError error;
  return DescriptorOrThrow(env, Ring::OpenSocket(options, &error), error);
}

/** adoptRing(descriptor, slotSize, slotCount, overflowCount, waits): ring */
napi_value AdoptRing(napi_env env, napi_callback_info info) {
  napi_value arguments[5];
  RingOptions options;
  int fd;
  bool waits;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd) || !ToUint(env, arguments[1], &options.slotSize) ||
      !ToUint(env, arguments[2], &options.slotCount) || !ToUint(env, arguments[3], &options.overflowCount) ||
      napi_get_value_bool(env, arguments[4], &waits) != napi_ok || !IsRingSize(options)) {
    return ThrowType(env, "adoptRing(descriptor, slotSize, slotCount, overflowCount, waits)");
  }
  if (IsConfined()) return ThrowType(env, "adoptRing: this process takes nothing over any more");
  auto* handle = new RingHandle;
  SystemError error;
  if (waits) handle->ring.Wait();
  return WrapRing(env, handle, handle->ring.Adopt(fd, options, &error), error);
}

/** setFilter(ring, filter: Uint8Array) */
napi_value SetFilter(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint8_t* filter;
  size_t length;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "setFilter(ring, filter)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || !ToArray(env, arguments[1], napi_uint8_array, &filter, &length) || length == 0 || length % 8 != 0 ||
      length > 4096 * 8) {
    return ThrowType(env, "setFilter(ring, filter)");
  }
  SystemError error;
  if (!handle->ring.SetFilter(std::vector<uint8_t>(filter, filter + length), &error)) return ThrowSystem(env, error);
  return nullptr;
}

/** An export that takes a ring and says a number of it. */
napi_value NumberOfRing(napi_env env, napi_callback_info info, const char* usage, uint64_t (*number)(Ring&)) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, usage);
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, usage);
  napi_value result;
  napi_create_double(env, static_cast<double>(number(handle->ring)), &result);
  return result;
}

/** dropped(ring): number */
napi_value Dropped(napi_env env, napi_callback_info info) {
  return NumberOfRing(env, info, "dropped(ring)", [](Ring& ring) -> uint64_t { return ring.Dropped(); });
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

/** leaveRing(ring): [next, unread, epoch, stale], or null while something is out */
napi_value LeaveRing(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "leaveRing(ring)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "leaveRing(ring)");
  napi_value result;
  RingPlace place;
  if (!handle->ring.Leave(&place)) {
    napi_get_null(env, &result);
    return result;
  }
  const double numbers[] = {static_cast<double>(place.next), static_cast<double>(place.unread),
                            static_cast<double>(place.epoch), static_cast<double>(place.stale)};
  napi_create_array_with_length(env, 4, &result);
  for (uint32_t i = 0; i < 4; i++) {
    napi_value number;
    napi_create_double(env, numbers[i], &number);
    napi_set_element(env, result, i, number);
  }
  return result;
}

/** goOnWithRing(ring, next, unread, epoch, stale): false for a place that it does not have */
napi_value GoOnWithRing(napi_env env, napi_callback_info info) {
  const char* usage = "goOnWithRing(ring, next, unread, epoch, stale)";
  napi_value arguments[5];
  if (!Arguments(env, info, arguments)) return ThrowType(env, usage);
  auto* handle = ToOpenRing(env, arguments[0]);
  double numbers[4];
  if (handle == nullptr) return ThrowType(env, usage);
  for (size_t i = 0; i < 4; i++) {
    // Whole numbers that a double holds; the words come from another process.
    if (napi_get_value_double(env, arguments[i + 1], &numbers[i]) != napi_ok || !(numbers[i] >= 0 && numbers[i] <= 9007199254740991.0)) {
      return ThrowType(env, usage);
    }
  }
  if (numbers[0] > 0x7fffffff) return ThrowType(env, usage);
  const RingPlace place{static_cast<uint32_t>(numbers[0]), static_cast<uint64_t>(numbers[1]), static_cast<uint64_t>(numbers[2]),
                        static_cast<uint64_t>(numbers[3])};
  napi_value result;
  napi_get_boolean(env, handle->ring.GoOn(place), &result);
  return result;
}

/** lookAtFence(ring): number */
napi_value LookAtFence(napi_env env, napi_callback_info info) {
  return NumberOfRing(env, info, "lookAtFence(ring)", [](Ring& ring) -> uint64_t { return ring.LookAtFence(); });
}

/** fenced(ring): number */
napi_value Fenced(napi_env env, napi_callback_info info) {
  return NumberOfRing(env, info, "fenced(ring)", [](Ring& ring) -> uint64_t { return ring.Fenced(); });
}

/** watch(ring, onBatch: (count) => void, onLost: () => void): calls back with each batch that arrives, once a ring. */
napi_value Watch(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  napi_valuetype types[2];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "watch(ring, onBatch, onLost)");
  auto* handle = ToOpenRing(env, arguments[0]);
  if (handle == nullptr || handle->callback != nullptr || napi_typeof(env, arguments[1], &types[0]) != napi_ok ||
      napi_typeof(env, arguments[2], &types[1]) != napi_ok || types[0] != napi_function || types[1] != napi_function) {
    return ThrowType(env, "watch(ring, onBatch, onLost)");
  }
  napi_create_reference(env, arguments[0], 1, &handle->object);
  napi_create_reference(env, arguments[1], 1, &handle->callback);
  napi_create_reference(env, arguments[2], 1, &handle->onLost);
  PollerOf(env).Add(handle);
  return nullptr;
}

/** closeRing(ring) */
napi_value CloseRing(napi_env env, napi_callback_info info) {
  return CloseExport<RingHandle>(env, info, "closeRing(ring)", CloseRingHandle);
}

/** The object of a sender that is open; throws, and frees the handle, when it is not. */
napi_value WrapSender(napi_env env, SenderHandle* handle, bool isOpen, const SystemError& error) {
  if (!isOpen) {
    delete handle;
    return ThrowSystem(env, error);
  }
  napi_value object = Wrap(
      env, handle,
      [](napi_env finalEnv, void* data, void*) {
        auto* last = static_cast<SenderHandle*>(data);
        CloseSenderHandle(finalEnv, last);
        Forget(last);
      });
  const struct {
    const char* name;
    void* memory;
    size_t length;
  } arrays[] = {
      {"queue", handle->queue, sizeof(handle->queue)},
      {"failed", handle->failed, sizeof(handle->failed)},
      {"made", handle->made.data(), handle->made.size()},
  };
  for (size_t i = 0; i < 3; i++) {
    napi_value array;
    napi_create_external_arraybuffer(env, arrays[i].memory, arrays[i].length, nullptr, nullptr, &array);
    napi_create_reference(env, array, 1, &handle->arrays[i]);
    napi_set_named_property(env, object, arrays[i].name, array);
  }
  return object;
}

/** Reads ifindex and mark. False, with an exception pending, when they are wrong. */
bool ToSenderOptions(napi_env env, napi_callback_info info, const char* usage, int* ifindex, uint32_t* mark) {
  napi_value arguments[2];
  uint32_t number;
  if (!Arguments(env, info, arguments) || !ToUint(env, arguments[0], &number) || number == 0 || number > 0x7fffffff ||
      !ToUint(env, arguments[1], mark)) {
    ThrowType(env, usage);
    return false;
  }
  *ifindex = static_cast<int>(number);
  return true;
}

/** openSender(ifindex, mark): sender */
napi_value OpenSender(napi_env env, napi_callback_info info) {
  int ifindex;
  uint32_t mark;
  if (!ToSenderOptions(env, info, "openSender(ifindex, mark)", &ifindex, &mark)) return nullptr;
  auto* handle = new SenderHandle;
  SystemError error;
  return WrapSender(env, handle, handle->sender.Open(ifindex, mark, &error), error);
}

/** openSenderSocket(ifindex, mark): descriptor */
napi_value OpenSenderSocket(napi_env env, napi_callback_info info) {
  int ifindex;
  uint32_t mark;
  if (!ToSenderOptions(env, info, "openSenderSocket(ifindex, mark)", &ifindex, &mark)) return nullptr;
  SystemError error;
  return DescriptorOrThrow(env, Sender::OpenSocket(ifindex, mark, &error), error);
}

/** adoptSender(descriptor): sender */
napi_value AdoptSender(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  int fd;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd)) return ThrowType(env, "adoptSender(descriptor)");
  if (IsConfined()) return ThrowType(env, "adoptSender: this process takes nothing over any more");
  auto* handle = new SenderHandle;
  handle->sender.Adopt(fd);
  return WrapSender(env, handle, true, SystemError());
}

/** flush(sender, ring): frames not sent */
napi_value FlushSender(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "flush(sender, ring)");
  auto* handle = ToHandle<SenderHandle>(env, arguments[0]);
  auto* source = ToOpenRing(env, arguments[1]);
  if (handle == nullptr || source == nullptr) return ThrowType(env, "flush(sender, ring)");
  napi_value result;
  napi_create_uint32(env, Flush(handle, source->ring), &result);
  return result;
}

/** An export that does something with a descriptor and a number up to `most`. */
napi_value OnDescriptor(napi_env env, napi_callback_info info, const char* usage, uint32_t most, bool (*act)(int, int, SystemError*)) {
  napi_value arguments[2];
  int fd;
  uint32_t number;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd) || !ToUint(env, arguments[1], &number) || number > most) {
    return ThrowType(env, usage);
  }
  SystemError error;
  return act(fd, static_cast<int>(number), &error) ? nullptr : ThrowSystem(env, error);
}

/** joinSwitch(descriptor, group) */
napi_value Join(napi_env env, napi_callback_info info) {
  return OnDescriptor(env, info, "joinSwitch(descriptor, group)", 65535, JoinSwitch);
}

/** turnSwitch(descriptor, member) */
napi_value Turn(napi_env env, napi_callback_info info) {
  return OnDescriptor(env, info, "turnSwitch(descriptor, member)", 1, TurnSwitch);
}

/** closeSender(sender) */
napi_value CloseSender(napi_env env, napi_callback_info info) {
  return CloseExport<SenderHandle>(env, info, "closeSender(sender)", CloseSenderHandle);
}

}  // namespace

std::vector<Export> PacketExports() {
  return {
      {"openRing", OpenRing},
      {"dropped", Dropped},
      {"watch", Watch},
      {"setFilter", SetFilter},
      {"setFence", SetFence},
      {"lookAtFence", LookAtFence},
      {"fenced", Fenced},
      {"leaveRing", LeaveRing},
      {"goOnWithRing", GoOnWithRing},
      {"joinSwitch", Join},
      {"turnSwitch", Turn},
      {"closeRing", CloseRing},
      {"openRingSocket", OpenRingSocket},
      {"adoptRing", AdoptRing},
      {"openSender", OpenSender},
      {"openSenderSocket", OpenSenderSocket},
      {"adoptSender", AdoptSender},
      {"flush", FlushSender},
      {"closeSender", CloseSender},
  };
}

}  // namespace firehook
