/**
 * Keeps a service manager informed while the daemon runs: how it does, and the watchdog's word while the hooks have the traffic.
 *
 * Rule: the word is given for verdicts, not for a main loop that turns. An attach whose interface is not there needs none; one whose lane is
 * down, hangs or does not take what comes gets none, and after `WatchdogSec=` the manager starts the daemon again.
 *
 * @module
 */

import type { AttachView } from '../control/daemon-view.ts';
import type { Clock, Timer } from './clock.ts';
import type { Notifier } from './notify.ts';

/** What of a daemon is looked at. */
export interface ServiceView {
  readonly state: string;
  readonly attaches: readonly Pick<AttachView, 'isAttached' | 'inForce' | 'interfaces'>[];
}

/** How often the line is looked at. */
const LOOK_MS = 1_000;

/** Whether the hooks have the traffic of everything that is there. */
export function givesVerdicts({ attaches }: ServiceView): boolean {
  return attaches.every(({ isAttached, inForce }) => !isAttached || inForce === 'hooks');
}

/** One line for `systemctl status`. */
export function statusLine({ state, attaches }: ServiceView): string {
  const of = (isHooked: boolean): string =>
    attaches
      .filter(({ inForce }) => (inForce === 'hooks') === isHooked)
      .map(({ interfaces }) => interfaces.join(' and '))
      .join(', ');
  const [hooked, others] = [of(true), of(false)];
  return [
    state,
    ...(hooked === '' ? [] : [`the hooks decide about ${hooked}`]),
    ...(others === '' ? [] : [`they do not about ${others}`]),
  ].join('; ');
}

/** Tells the manager from now on; returns what ends that. */
export function watchService(view: ServiceView, notifier: Notifier, clock: Clock): () => void {
  // Twice in the time after which the manager loses its patience, as sd_watchdog_enabled(3) advises.
  const periodMs = Math.min(LOOK_MS, (notifier.watchdogMs ?? LOOK_MS * 2) / 2);
  let timer: Timer | null = null;
  const look = (): void => {
    notifier.status(statusLine(view));
    if (givesVerdicts(view)) notifier.watchdog();
    timer = clock.setTimer(look, periodMs);
  };
  look();
  return () => timer?.cancel();
}
