/**
 * Attaches a bridge of `p0` and `q0` while somebody else holds `q0`, and once more when it is free; prints what came of it.
 *
 * Not a test file by itself: `attaches.test.ts` runs it in a namespace.
 *
 * @module
 */

import { configSchema } from '../../../src/config/schema.ts';
import { isFirehookError } from '../../../src/errors.ts';
import { lockPort } from '../../../src/plumbing/attach-lock.ts';
import { Attaches } from '../../../src/plumbing/attaches.ts';
import { readLinks } from '../../../src/plumbing/links.ts';
import { createLogger } from '../../../src/telemetry/logger.ts';

const config = configSchema.parse({ attach: [{ bridge: ['p0', 'q0'] }] });
const attaches = new Attaches(config, createLogger({ level: 'error', name: 'test' }));
const second = readLinks().get('q0');
if (second === undefined) throw new Error('there is no q0');
const foreign = await lockPort(second.ifindex, second.name);
attaches.findAll();
console.log(await attempt());
foreign.release();
console.log(await attempt());
attaches.releaseLocks();

async function attempt(): Promise<string> {
  try {
    await attaches.lockAll();
    return 'locked';
  } catch (error) {
    return isFirehookError(error) ? `${error.code} ${error.interfaceName}` : String(error);
  }
}
