/**
 * What hooks send frames by: `runtime.inject` and `runtime.mirror`, out of the interfaces that a hook has a right to.
 *
 * ```
 *   inject(frame, 'ids0') ─> an interface of an attach, or granted? ─ no: RangeError, the hook's fault ─ yes ─> the lane
 * ```
 * Rule: the right is looked at here and nowhere below; whether the interface is there and takes the frame is the lane's business.
 *
 * @module
 */

import type { HookRuntime } from '../hook/contract.ts';
import { EVERY_GRANT, type HookGrant } from './messages.ts';
import { LOCAL_NAME } from './way.ts';

/** Sends frames that hooks make. False where the interface takes none. */
export interface FrameSender {
  inject(frame: Uint8Array, to: string, hook: string): boolean;
  /** @param octets - most octets of the frame that are sent */
  mirror(to: string, octets: number, hook: string): boolean;
}

const NO_FRAMES: FrameSender = { inject: () => false, mirror: () => false };

/** More than any frame has. */
const WHOLE_FRAME = 0x3fff_ffff;

/** What {@link framesFor} is told of the lane. */
export interface FrameOptions {
  /** @defaultValue no frame has a way out */
  readonly frames?: FrameSender;
  /** Those of the attaches, by name. @defaultValue none */
  readonly interfaces?: Readonly<Record<string, number>>;
}

/** What a hook sends frames by: out of the interfaces of the attaches, and of those that it was granted. */
export function framesFor(
  name: string,
  allow: HookGrant,
  { frames = NO_FRAMES, interfaces = {} }: FrameOptions,
): Pick<HookRuntime, 'inject' | 'mirror'> {
  const allowed = new Set([...Object.keys(interfaces), ...allow.interfaces]);
  allowed.delete(LOCAL_NAME);
  const check = (to: string): void => {
    if (allow !== EVERY_GRANT && !allowed.has(to))
      throw new RangeError(
        `${JSON.stringify(to)} is no interface that this hook may send frames out of; say needs: { interfaces: [...] }, and grant it`,
      );
  };
  return {
    inject: (frame, to) => {
      check(to);
      return frames.inject(frame, to, name);
    },
    mirror: (to, octets = WHOLE_FRAME) => {
      check(to);
      return frames.mirror(to, octets, name);
    },
  };
}
