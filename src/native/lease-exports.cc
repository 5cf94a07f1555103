/*
 * Exports: the lease.
 *
 * Rule: the thread of a lease ends before its environment does, and before its object is collected. A closed lease takes
 * every call and does nothing: what ends a daemon must not stumble over what has ended already.
 */
#include <cerrno>

#include "exports.h"
#include "lease.h"
#include "netlink-handle.h"

namespace firehook {

namespace {

constexpr size_t kMostLanes = 1024;

struct LeaseHandle {
  std::unique_ptr<Lease> lease;
  /** How the thread calls into JavaScript. */
  napi_threadsafe_function changed = nullptr;
};

void EndLease(LeaseHandle* handle, bool lapse) {
  handle->lease->Close(lapse);
  napi_release_threadsafe_function(handle->changed, napi_tsfn_abort);
  handle->changed = nullptr;
}

/** The process exits with a lease: onDown takes over at once. */
void EndWithEnvironment(void* data) {
  auto* handle = static_cast<LeaseHandle*>(data);
  if (handle->changed != nullptr) EndLease(handle, true);
}

void CloseLeaseHandle(napi_env env, LeaseHandle* handle, bool lapse) {
  if (handle->changed == nullptr) return;
  napi_remove_env_cleanup_hook(env, EndWithEnvironment, handle);
  EndLease(handle, lapse);
}

/** Octets that are whole netlink messages, or none. */
bool ToBatch(napi_env env, napi_value value, std::vector<uint8_t>* out) {
  uint8_t* octets;
  size_t length;
  if (!ToArray(env, value, napi_uint8_array, &octets, &length)) return false;
  if (length > 0 && !Netlink::AreMessages(octets, length)) return false;
  out->assign(octets, octets + length);
  return true;
}

/** openLease(netlink, fenceFd, inherits, onChange: () => void) */
napi_value OpenLease(napi_env env, napi_callback_info info) {
  napi_value arguments[4];
  int fenceFd;
  bool inherits;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "openLease(netlink, fenceFd, inherits, onChange)");
  auto* netlink = ToOpenNetlink(env, arguments[0]);
  if (netlink == nullptr || netlink->socket->HasGroups() || !ToDescriptor(env, arguments[1], &fenceFd) ||
      napi_get_value_bool(env, arguments[2], &inherits) != napi_ok || !IsFunction(env, arguments[3])) {
    return ThrowType(env, "openLease(netlink, fenceFd, inherits, onChange)");
  }
  napi_value name;
  napi_threadsafe_function changed;
  napi_create_string_utf8(env, "firehook:lease", NAPI_AUTO_LENGTH, &name);
  // One call in the queue: what changed meanwhile is seen by the same look.
  if (napi_create_threadsafe_function(env, arguments[3], nullptr, name, 1, 1, nullptr, nullptr, nullptr, nullptr, &changed) !=
      napi_ok) {
    return ThrowSystem(env, SystemError{"napi_create_threadsafe_function", ENOMEM});
  }
  napi_unref_threadsafe_function(env, changed);
  SystemError error;
  auto lease = Lease::Open(
      netlink->socket, fenceFd, inherits, [changed] { napi_call_threadsafe_function(changed, nullptr, napi_tsfn_nonblocking); }, &error);
  if (lease == nullptr) {
    napi_release_threadsafe_function(changed, napi_tsfn_abort);
    return ThrowSystem(env, error);
  }
  auto* handle = new LeaseHandle{std::move(lease), changed};
  napi_add_env_cleanup_hook(env, EndWithEnvironment, handle);
  napi_value object = Wrap(
      env, handle,
      [](napi_env finalEnv, void* data, void*) {
        auto* last = static_cast<LeaseHandle*>(data);
        CloseLeaseHandle(finalEnv, last, true);
        Forget(last);
      });
  napi_value yes;
  napi_get_boolean(env, true, &yes);
  napi_set_named_property(env, object, "opaque", yes);
  return object;
}

/** setLeaseBatches(lease, renew: Uint8Array, lapse: Uint8Array) */
napi_value SetLeaseBatches(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  std::vector<uint8_t> renew;
  std::vector<uint8_t> lapse;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "setLeaseBatches(lease, renew, lapse)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr || !ToBatch(env, arguments[1], &renew) || !ToBatch(env, arguments[2], &lapse)) {
    return ThrowType(env, "setLeaseBatches(lease, renew, lapse)");
  }
  handle->lease->SetBatches(std::move(renew), std::move(lapse));
  return nullptr;
}

/** setLeaseLanes(lease, progressFds: number[]) */
napi_value SetLeaseLanes(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  std::vector<uint32_t> numbers;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "setLeaseLanes(lease, progressFds)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr || !ToUints(env, arguments[1], kMostLanes, &numbers)) {
    return ThrowType(env, "setLeaseLanes(lease, progressFds)");
  }
  std::vector<int> fds;
  for (const uint32_t number : numbers) {
    if (number > 0x7fffffff) return ThrowType(env, "setLeaseLanes(lease, progressFds)");
    fds.push_back(static_cast<int>(number));
  }
  SystemError error;
  return handle->lease->SetLanes(fds, &error) ? nullptr : ThrowSystem(env, error);
}

/** allowLease(lease, allowed) */
napi_value AllowLease(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  bool allowed;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "allowLease(lease, allowed)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr || napi_get_value_bool(env, arguments[1], &allowed) != napi_ok) {
    return ThrowType(env, "allowLease(lease, allowed)");
  }
  handle->lease->Allow(allowed);
  return nullptr;
}

/** beatLease(lease) */
napi_value BeatLease(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "beatLease(lease)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "beatLease(lease)");
  handle->lease->Beat();
  return nullptr;
}

/** leaseState(lease): Float64Array */
napi_value StateOfLease(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  if (!Arguments(env, info, arguments)) return ThrowType(env, "leaseState(lease)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr) return ThrowType(env, "leaseState(lease)");
  const LeaseNumbers numbers = handle->lease->Numbers();
  std::vector<double> values{numbers.isHeld ? 1.0 : 0.0,
                             static_cast<double>(numbers.epoch),
                             static_cast<double>(numbers.renewals),
                             static_cast<double>(numbers.refusals),
                             static_cast<double>(numbers.lastErrno),
                             numbers.longestGapMs,
                             static_cast<double>(numbers.lapses)};
  values.insert(values.end(), numbers.lanesMs.begin(), numbers.lanesMs.end());
  const size_t octets = values.size() * sizeof(double);
  void* memory = nullptr;
  napi_value buffer;
  napi_value array;
  napi_create_arraybuffer(env, octets, &memory, &buffer);
  memcpy(memory, values.data(), octets);
  napi_create_typedarray(env, napi_float64_array, values.size(), buffer, 0, &array);
  return array;
}

/** closeLease(lease, lapse) */
napi_value CloseLease(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  bool lapse;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "closeLease(lease, lapse)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr || napi_get_value_bool(env, arguments[1], &lapse) != napi_ok) {
    return ThrowType(env, "closeLease(lease, lapse)");
  }
  CloseLeaseHandle(env, handle, lapse);
  return nullptr;
}

/** leaveLease(lease, renew: Uint8Array, certainMs): boolean */
napi_value LeaveLease(napi_env env, napi_callback_info info) {
  napi_value arguments[3];
  std::vector<uint8_t> renew;
  uint32_t certainMs;
  if (!Arguments(env, info, arguments)) return ThrowType(env, "leaveLease(lease, renew, certainMs)");
  auto* handle = ToHandle<LeaseHandle>(env, arguments[0]);
  if (handle == nullptr || !ToBatch(env, arguments[1], &renew) || !ToUint(env, arguments[2], &certainMs)) {
    return ThrowType(env, "leaveLease(lease, renew, certainMs)");
  }
  const bool isLeft = handle->changed != nullptr && handle->lease->Leave(renew, certainMs * kNsPerMs);
  CloseLeaseHandle(env, handle, false);
  napi_value result;
  napi_get_boolean(env, isLeft, &result);
  return result;
}

}  // namespace

std::vector<Export> LeaseExports() {
  return {
      {"openLease", OpenLease},
      {"setLeaseBatches", SetLeaseBatches},
      {"setLeaseLanes", SetLeaseLanes},
      {"allowLease", AllowLease},
      {"beatLease", BeatLease},
      {"leaseState", StateOfLease},
      {"closeLease", CloseLease},
      {"leaveLease", LeaveLease},
  };
}

}  // namespace firehook
