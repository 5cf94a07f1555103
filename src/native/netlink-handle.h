/*
 * What the object of a netlink socket wraps: from the exports of netlink to those of the lease, which shares the socket.
 *
 * Rule: main thread only. What requests, a watch and a lease need of the socket they own themselves, so that closing it is
 * safe at any time.
 */
#ifndef FIREHOOK_NATIVE_NETLINK_HANDLE_H_
#define FIREHOOK_NATIVE_NETLINK_HANDLE_H_

#include <memory>

#include "napi-values.h"
#include "netlink.h"

namespace firehook {

struct NetlinkRequests;
struct NetlinkWatch;

struct NetlinkHandle {
  /** Null when it is closed. */
  std::shared_ptr<Netlink> socket;
  std::shared_ptr<NetlinkRequests> requests;
  NetlinkWatch* watch = nullptr;
};

/** A socket that has not been closed; null for anything else. */
inline NetlinkHandle* ToOpenNetlink(napi_env env, napi_value value) {
  auto* handle = ToHandle<NetlinkHandle>(env, value);
  return handle != nullptr && handle->socket != nullptr ? handle : nullptr;
}

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_NETLINK_HANDLE_H_
