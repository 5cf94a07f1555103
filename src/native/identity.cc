/* See identity.h. */
#include "identity.h"

#include <grp.h>
#include <unistd.h>

namespace firehook {

bool SetEffectiveGroup(gid_t group, SystemError* error) {
  return setegid(group) == 0 || Fail(error, "setegid");
}

bool BecomeUser(uid_t user, gid_t group, SystemError* error) {
  // The user last: it takes the right to change the groups.
  if (setgroups(0, nullptr) != 0) return Fail(error, "setgroups");
  if (setresgid(group, group, group) != 0) return Fail(error, "setresgid");
  return setresuid(user, user, user) == 0 || Fail(error, "setresuid");
}

}  // namespace firehook
