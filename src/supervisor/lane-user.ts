/**
 * The unprivileged user that lanes become.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import type { LaneUser } from '../lane/messages.ts';
import { tryTool } from '../plumbing/run-tool.ts';

/**
 * Looks a user up, in whatever the system takes its users from.
 *
 * @throws {@link FirehookError} FIREHOOK_LANE_USER when there is none of that name, or it is root
 */
export function findUser(name: string): LaneUser {
  const fields = tryTool('getent', ['passwd', name]).stdout.trim().split(':');
  const uid = Number(fields[2]);
  const gid = Number(fields[3]);
  if (fields.length < 4 || !Number.isInteger(uid) || !Number.isInteger(gid)) {
    throw new FirehookError('FIREHOOK_LANE_USER', `"${name}": no such user`, {
      advice: `create it: useradd --system --no-create-home --shell /usr/sbin/nologin ${name}`,
    });
  }
  if (uid === 0 || gid === 0) {
    throw new FirehookError('FIREHOOK_LANE_USER', `"${name}": hooks never run with root's user or group`, {
      advice: 'name an unprivileged user of its own',
    });
  }
  return { name, uid, gid };
}
