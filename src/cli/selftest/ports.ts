/**
 * The ports that a self-test uses, and the hook that knows them.
 *
 * @module
 */

/** UDP that passes. */
export const PASSES = 7000;
/** UDP that the hook drops. */
export const DROPPED = 7001;
/** UDP at which the hook does not return. */
export const HANGS = 7002;
/** TCP that passes. */
export const BULK = 7004;
/** Where a server listens for datagrams. */
export const UDP_PORTS: readonly number[] = [PASSES, DROPPED, HANGS];
/** Name of the hook. */
export const HOOK_NAME = 'selftest';

/** The hook, as a module. */
export const HOOK = `
import { defineHook, DROP, FORWARD } from 'firehook';

export default defineHook({
  name: '${HOOK_NAME}',
  onPacket(packet) {
    if (packet.protocol !== 17) return FORWARD;
    if (packet.destinationPort === ${DROPPED}) return DROP;
    while (packet.destinationPort === ${HANGS});
    return FORWARD;
  },
});
`;
