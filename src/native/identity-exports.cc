/* Exports: the identity of the process. */
#include "exports.h"
#include "identity.h"
#include "napi-values.h"

namespace firehook {

namespace {

/** A user or group. The number of all ones means "leave it" to the kernel, and is none. */
bool ToId(napi_env env, napi_value value, uint32_t* out) {
  return ToUint(env, value, out) && *out != UINT32_MAX;
}

/** setEffectiveGroup(group) */
napi_value ChangeEffectiveGroup(napi_env env, napi_callback_info info) {
  napi_value arguments[1];
  uint32_t group;
  if (!Arguments(env, info, arguments) || !ToId(env, arguments[0], &group)) return ThrowType(env, "setEffectiveGroup(group)");
  SystemError error;
  return SetEffectiveGroup(group, &error) ? nullptr : ThrowSystem(env, error);
}

/** becomeUser(user, group) */
napi_value ChangeUser(napi_env env, napi_callback_info info) {
  napi_value arguments[2];
  uint32_t user;
  uint32_t group;
  if (!Arguments(env, info, arguments) || !ToId(env, arguments[0], &user) || !ToId(env, arguments[1], &group)) {
    return ThrowType(env, "becomeUser(user, group)");
  }
  SystemError error;
  return BecomeUser(user, group, &error) ? nullptr : ThrowSystem(env, error);
}

}  // namespace

std::vector<Export> IdentityExports() {
  return {
      {"setEffectiveGroup", ChangeEffectiveGroup},
      {"becomeUser", ChangeUser},
  };
}

}  // namespace firehook
