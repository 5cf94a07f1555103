/**
 * Gives up root, before the first line of a hook: in the lane process, and in `firehook replay` started by root.
 *
 * Rule: it has happened and been looked at, or it is an error. What is open stays open.
 *
 * @module
 */

import { FirehookError } from '../errors.ts';
import { setUser } from '../native/identity.ts';
import type { LaneUser } from './messages.ts';

/**
 * Becomes `user` for good, with no supplementary groups.
 *
 * @throws {@link FirehookError} FIREHOOK_LANE_FAILED when the kernel refuses, or the process is still root
 */
export function becomeUser(user: LaneUser): void {
  try {
    setUser(user.uid, user.gid);
  } catch (cause) {
    throw new FirehookError('FIREHOOK_LANE_FAILED', `cannot become user ${user.name}: ${(cause as Error).message}`, {
      cause,
    });
  }
  if (process.getuid?.() !== user.uid || process.geteuid?.() === 0)
    throw new FirehookError('FIREHOOK_LANE_FAILED', `still root after becoming user ${user.name}`);
}
