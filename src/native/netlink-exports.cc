/*
 * Exports: netlink sockets.
 *
 *   requestNetlink ─> the requests of the socket, in order ─> one at a time on a thread of libuv's pool ─> its promise
 *   askNetlink     ─> the kernel, now: for what it answers at once
 *   watchNetlink   ─> uv_poll ─> what has arrived, one call a turn of the event loop
 *
 * Rule: one request of a socket is with the pool, so that many of them cannot fill it. A request that was begun ends, also
 * when the socket is closed meanwhile; those behind it are rejected.
 */
#include <deque>
#include <new>

#include "exports.h"
#include "netlink-handle.h"

namespace firehook {

namespace {

/** Octets of a request. A set of 100,000 elements has some 6 MiB. */
constexpr size_t kMostRequest = 64 * 1024 * 1024;
/** Octets of a request that is waited for. */
constexpr size_t kMostAsked = 64 * 1024;
constexpr size_t kMostGroups = 64;
constexpr uint32_t kMostProtocol = 31;
/** Octets handed out in one call: the event loop gets its turn in between. */
constexpr size_t kMostAtOnce = 1024 * 1024;

class Collector : public AnswerSink {
 public:
  bool Take(const uint8_t* messages, size_t length) override {
    try {
      octets.insert(octets.end(), messages, messages + length);
      return true;
    } catch (const std::bad_alloc&) {
      return false;
    }
  }

  std::vector<uint8_t> octets;
};

struct Request {
  std::shared_ptr<Netlink> socket;
  std::shared_ptr<NetlinkRequests> queue;
  napi_async_work work = nullptr;
  napi_deferred deferred = nullptr;
  /** The socket's object, which is not collected while somebody waits for an answer. */
  napi_ref object = nullptr;
  std::vector<uint8_t> messages;
  Collector answers;
  bool isDone = false;
  SystemError error;
};

}  // namespace

struct NetlinkRequests {
  std::deque<Request*> waiting;
  bool isBusy = false;
};

struct NetlinkWatch {
  uv_poll_t poll;
  napi_env env = nullptr;
  std::shared_ptr<Netlink> socket;
  napi_ref callback = nullptr;
  napi_ref object = nullptr;
  /** The handle is closed; this goes when libuv lets go of it. */
  bool isClosed = false;
};

namespace {

void StartNext(napi_env env, NetlinkRequests* queue);

/** Ends the promise of a request, and the request. */
void Settle(napi_env env, Request* request) {
  napi_handle_scope scope;
  // Without a scope the environment is going down, and nobody waits any more.
  if (napi_open_handle_scope(env, &scope) == napi_ok) {
    napi_value result;
    if (request->isDone) {
      const std::vector<uint8_t>& octets = request->answers.octets;
      void* memory = nullptr;
      if (napi_create_arraybuffer(env, octets.size(), &memory, &result) == napi_ok) {
        if (!octets.empty()) memcpy(memory, octets.data(), octets.size());
        napi_resolve_deferred(env, request->deferred, result);
      } else {
        napi_reject_deferred(env, request->deferred, MakeSystemError(env, SystemError{"recvmsg", ENOMEM}));
      }
    } else {
      napi_reject_deferred(env, request->deferred, MakeSystemError(env, request->error));
    }
    napi_close_handle_scope(env, scope);
  }
  if (request->work != nullptr) napi_delete_async_work(env, request->work);
  napi_delete_reference(env, request->object);
  delete request;
}

/** On a thread of the pool. */
void Execute(napi_env, void* data) {
  auto* request = static_cast<Request*>(data);
  const std::lock_guard<std::mutex> turn(request->socket->turn());
  request->isDone =
      request->socket->Exchange(request->messages.data(), request->messages.size(), &request->answers, &request->error);
}

void Complete(napi_env env, napi_status status, void* data) {
  auto* request = static_cast<Request*>(data);
  const std::shared_ptr<NetlinkRequests> queue = request->queue;
  queue->isBusy = false;
  if (status != napi_ok) request->error = SystemError{"sendmsg", ECANCELED};
  StartNext(env, queue.get());
  Settle(env, request);
}

void StartNext(napi_env env, NetlinkRequests* queue) {
  while (!queue->isBusy && !queue->waiting.empty()) {
    Request* request = queue->waiting.front();
    queue->waiting.pop_front();
    napi_value name;
    queue->isBusy = napi_create_string_utf8(env, "firehook:netlink", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                    napi_create_async_work(env, nullptr, name, Execute, Complete, request, &request->work) == napi_ok &&
                    napi_queue_async_work(env, request->work) == napi_ok;
    if (queue->isBusy) return;
    request->error = SystemError{"sendmsg", ECANCELED};
    Settle(env, request);
  }
}

/** Stops the watch and lets go of its handle. */
void CloseWatch(napi_env env, NetlinkWatch* watch) {
  if (watch->isClosed) return;
  watch->isClosed = true;
  napi_delete_reference(env, watch->callback);
  napi_delete_reference(env, watch->object);
  uv_poll_stop(&watch->poll);
  uv_close(reinterpret_cast<uv_handle_t*>(&watch->poll),
           [](uv_handle_t* handle) { delete static_cast<NetlinkWatch*>(handle->data); });
}

void CloseNetlinkHandle(napi_env env, NetlinkHandle* handle) {
  if (handle->socket == nullptr) return;
  if (handle->watch != nullptr) CloseWatch(env, handle->watch);
  handle->watch = nullptr;
  const std::shared_ptr<NetlinkRequests> queue = handle->requests;
  while (!queue->waiting.empty()) {
    Request* request = queue->waiting.front();
    queue->waiting.pop_front();
    request->error = SystemError{"sendmsg", ECANCELED};
    Settle(env, request);
  }
  handle->socket = nullptr;
}

/** The socket is readable, or has an error, which libuv answers by stopping the handle. */
void OnReadable(uv_poll_t* poll, int status, int) {
  auto* watch = static_cast<NetlinkWatch*>(poll->data);
  std::vector<uint8_t> messages;
  SystemError error;
  Received last = Received::kMessages;
  while (last == Received::kMessages && messages.size() < kMostAtOnce) last = watch->socket->Receive(&messages, &error);
  napi_env env = watch->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  // On the stack, so that the object is not collected when the callback closes it.
  napi_value self;
  napi_get_reference_value(env, watch->object, &self);
  if (!messages.empty()) {
    napi_value argument;
    void* memory = nullptr;
    if (napi_create_arraybuffer(env, messages.size(), &memory, &argument) == napi_ok) {
      memcpy(memory, messages.data(), messages.size());
      CallBack(env, watch->callback, 1, &argument);
    } else {
      last = Received::kOverrun;
    }
  }
  // Other errors of a netlink socket do not exist; whoever is told to look at everything misses nothing.
  if (!watch->isClosed && (last == Received::kOverrun || last == Received::kError)) {
    napi_value nothing;
    napi_get_null(env, &nothing);
    CallBack(env, watch->callback, 1, &nothing);
  }
  if (!watch->isClosed && status < 0) uv_poll_start(&watch->poll, UV_READABLE, OnReadable);
  napi_close_handle_scope(env, scope);
}

/** The object of a socket, which closes it when nobody has it any more. */
napi_value WrapSocket(napi_env env, const std::shared_ptr<Netlink>& socket) {
  auto* handle = new NetlinkHandle;
  handle->socket = socket;
  handle->requests = std::make_shared<NetlinkRequests>();
  napi_value object = Wrap(
      env, handle,
      [](napi_env finalEnv, void* data, void*) {
        auto* last = static_cast<NetlinkHandle*>(data);
        CloseNetlinkHandle(finalEnv, last);
        Forget(last);
      });
  napi_value portId;
  napi_create_uint32(env, socket->portId(), &portId);
  napi_set_named_property(env, object, "portId", portId);
  return object;
}

/** openNetlink(protocol, groups: number[]) */
napi_value OpenNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t protocol;
  std::vector<uint32_t> groups;
  if (!Arguments(env, info, arguments) || !ToUint(env, arguments[0], &protocol) || protocol > kMostProtocol ||
      !ToUints(env, arguments[1], kMostGroups, &groups)) {
    return ThrowType(env, "openNetlink(protocol, groups)");
  }
  SystemError error;
  auto socket = Netlink::Open(static_cast<int>(protocol), groups, &error);
  if (socket == nullptr) return ThrowSystem(env, error);
  return WrapSocket(env, socket);
}

/** adoptNetlink(descriptor): NativeNetlink */
napi_value AdoptNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  int fd;
  if (!Arguments(env, info, arguments) || !ToDescriptor(env, arguments[0], &fd)) {
    return ThrowType(env, "adoptNetlink(descriptor)");
  }
  SystemError error;
  auto socket = Netlink::Adopt(fd, &error);
  if (socket == nullptr) return ThrowSystem(env, error);
  return WrapSocket(env, socket);
}

/** netlinkDescriptor(netlink): number */
napi_value DescriptorOfNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "netlinkDescriptor(netlink)");
  auto* handle = ToOpenNetlink(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "netlinkDescriptor(netlink)");
  napi_value result;
  napi_create_int32(env, handle->socket->fd(), &result);
  return result;
}

/** requestNetlink(netlink, messages: Uint8Array): Promise<ArrayBuffer> */
napi_value RequestNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint8_t* messages;
  size_t length;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "requestNetlink(netlink, messages)");
  auto* handle = ToOpenNetlink(env, arguments[0]);
  if (handle == nullptr || handle->socket->HasGroups() || !ToArray(env, arguments[1], napi_uint8_array, &messages, &length) ||
      length > kMostRequest || !Netlink::AreMessages(messages, length)) {
    return ThrowType(env, "requestNetlink(netlink, messages)");
  }
  auto* request = new Request;
  request->socket = handle->socket;
  request->queue = handle->requests;
  request->messages.assign(messages, messages + length);
  napi_value promise;
  napi_create_promise(env, &request->deferred, &promise);
  napi_create_reference(env, arguments[0], 1, &request->object);
  handle->requests->waiting.push_back(request);
  StartNext(env, handle->requests.get());
  return promise;
}

/** askNetlink(netlink, messages: Uint8Array): ArrayBuffer */
napi_value AskNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint8_t* messages;
  size_t length;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "askNetlink(netlink, messages)");
  auto* handle = ToOpenNetlink(env, arguments[0]);
  if (handle == nullptr || handle->socket->HasGroups() || !ToArray(env, arguments[1], napi_uint8_array, &messages, &length) ||
      length > kMostAsked || !Netlink::AreMessages(messages, length)) {
    return ThrowType(env, "askNetlink(netlink, messages)");
  }
  // Whoever waits here waits with the event loop: a request that is with the pool would be waited for as well.
  if (handle->requests->isBusy) return ThrowSystem(env, SystemError{"sendmsg", EBUSY});
  Collector answers;
  SystemError error;
  if (!handle->socket->Exchange(messages, length, &answers, &error)) return ThrowSystem(env, error);
  napi_value result;
  void* memory = nullptr;
  if (napi_create_arraybuffer(env, answers.octets.size(), &memory, &result) != napi_ok) {
    return ThrowSystem(env, SystemError{"recvmsg", ENOMEM});
  }
  if (!answers.octets.empty()) memcpy(memory, answers.octets.data(), answers.octets.size());
  return result;
}

/** watchNetlink(netlink, onMessages: (messages: ArrayBuffer | null) => void), once a socket with groups */
napi_value WatchNetlink(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "watchNetlink(netlink, onMessages)");
  auto* handle = ToOpenNetlink(env, arguments[0]);
  if (handle == nullptr || !handle->socket->HasGroups() || handle->watch != nullptr || !IsFunction(env, arguments[1])) {
    return ThrowType(env, "watchNetlink(netlink, onMessages)");
  }
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto* watch = new NetlinkWatch;
  watch->env = env;
  watch->socket = handle->socket;
  const int refused = uv_poll_init(loop, &watch->poll, handle->socket->fd());
  if (refused != 0) {
    delete watch;
    return ThrowSystem(env, SystemError{"epoll_ctl", -refused});
  }
  watch->poll.data = watch;
  napi_create_reference(env, arguments[0], 1, &watch->object);
  napi_create_reference(env, arguments[1], 1, &watch->callback);
  uv_unref(reinterpret_cast<uv_handle_t*>(&watch->poll));
  uv_poll_start(&watch->poll, UV_READABLE, OnReadable);
  handle->watch = watch;
  return nullptr;
}

/** closeNetlink(netlink) */
napi_value CloseNetlink(napi_env env, napi_callback_info info) {
  return CloseExport<NetlinkHandle>(env, info, "closeNetlink(netlink)", CloseNetlinkHandle);
}

}  // namespace

std::vector<Export> NetlinkExports() {
  return {
      {"openNetlink", OpenNetlink},
      {"adoptNetlink", AdoptNetlink},
      {"netlinkDescriptor", DescriptorOfNetlink},
      {"requestNetlink", RequestNetlink},
      {"askNetlink", AskNetlink},
      {"watchNetlink", WatchNetlink},
      {"closeNetlink", CloseNetlink},
  };
}

}  // namespace firehook
