/*
 * What the addon exports, part by part: the names of native.d.ts, each with its function.
 *
 * Every argument has been checked in TypeScript and is checked again in the function: a wrong one is a TypeError, never an
 * access outside. System errors become an Error with `syscall` and `errno`. How values are read and made: napi-values.h.
 */
#ifndef FIREHOOK_NATIVE_EXPORTS_H_
#define FIREHOOK_NATIVE_EXPORTS_H_

#include <vector>
#include <node_api.h>

namespace firehook {

struct Export {
  const char* name;
  napi_callback function;
};

std::vector<Export> PacketExports();
std::vector<Export> DatagramExports();
std::vector<Export> IdentityExports();
std::vector<Export> NetlinkExports();
std::vector<Export> LeaseExports();
std::vector<Export> SystemExports();
std::vector<Export> ConfineExports();
std::vector<Export> HandoverExports();

}  // namespace firehook

#endif  // FIREHOOK_NATIVE_EXPORTS_H_
