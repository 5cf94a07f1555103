/**
 * What a lane asks of V8.
 *
 * Rule: set before the first packet, in the process of a lane and in benches that measure one. It changes how fast code is, and nothing that it does.
 *
 * @module
 */

import { setFlagsFromString } from 'node:v8';

/** Octets of bytecode; V8's own bound is 920. */
const MOST_INLINED = 3000;

/**
 * Lets V8 inline more. The packet path is a call within a call, and with V8's own bound the innermost ones, the hash of a flow for one, are not
 * inlined (docs/decisions.md says what that costs). An engine that does not know the flag says so on standard error, and goes on.
 */
export function widenInlining(): void {
  setFlagsFromString(`--max-inlined-bytecode-size-cumulative=${MOST_INLINED}`);
}
