/**
 * What a service manager is told, by sd_notify(3): ready, reloading, stopping, how it does, and that packets get their verdicts.
 *
 * ```
 *   NOTIFY_SOCKET=/run/systemd/notify, or @name     one datagram a message, never waited for
 *   READY=1 STATUS=...      inline is proven                       RELOADING=1 MONOTONIC_USEC=...   until the next READY=1
 *   WATCHDOG=1              while the hooks have the traffic        STOPPING=1                       the end has begun
 * ```
 * Rule: without NOTIFY_SOCKET nothing happens, and a manager that cannot be reached changes nothing for the traffic: it is said once in the log.
 *
 * @see sd_notify(3), systemd.service(5)
 * @module
 */

import type { NativeModule } from '../native/native.d.ts';

/** Longest status line, in characters. */
const MAX_STATUS = 300;
const MICROSECONDS = 1000;

/** Tells the service manager. */
export class Notifier {
  /** How often the manager wants to hear of progress at the least, in milliseconds; null where it does not. */
  readonly watchdogMs: number | null;
  readonly #native: Pick<NativeModule, 'notify'>;
  readonly #address: string;
  readonly #failed: (reason: string) => void;
  #hasFailed = false;
  #status = '';

  /**
   * @param env - of the process: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID
   * @param failed - told once, when the manager cannot be reached
   */
  constructor(
    env: Readonly<Record<string, string | undefined>>,
    native: Pick<NativeModule, 'notify'>,
    failed: (reason: string) => void,
  ) {
    const { NOTIFY_SOCKET: address = '', WATCHDOG_USEC: period = '', WATCHDOG_PID: pid = '' } = env;
    // A path or an abstract name; what else systemd knows (vsock) is for virtual machines.
    this.#address = /^[/@]./.test(address) ? address : '';
    const isOurs = pid === '' || pid === String(process.pid);
    const periodMs = Number(period) / MICROSECONDS;
    this.watchdogMs = this.#address !== '' && isOurs && periodMs >= 1 ? periodMs : null;
    this.#native = native;
    this.#failed = failed;
  }

  /** Inline is proven, or a reload has come to its end, well or not. */
  ready(status: string): void {
    this.#status = oneLine(status);
    this.#send(['READY=1', `STATUS=${this.#status}`]);
  }

  /** A reload has begun; {@link Notifier.ready} ends it. */
  reloading(): void {
    this.#send(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`]);
  }

  /** Another process is the daemon from now on: this one ends. */
  leftTo(pid: number): void {
    this.#send([`MAINPID=${pid}`]);
  }

  /** The orderly end has begun. */
  stopping(): void {
    this.#send(['STOPPING=1', 'STATUS=Stopping']);
  }

  /** How it does, in one line; sent when it is another one. */
  status(text: string): void {
    const line = oneLine(text);
    if (line === this.#status) return;
    this.#status = line;
    this.#send([`STATUS=${line}`]);
  }

  /** Packets get their verdicts. Only where the manager asks for it. */
  watchdog(): void {
    if (this.watchdogMs !== null) this.#send(['WATCHDOG=1']);
  }

  #send(lines: readonly string[]): void {
    if (this.#address === '') return;
    try {
      this.#native.notify(this.#address, Buffer.from(lines.join('\n')));
    } catch (error) {
      if (!this.#hasFailed) this.#failed(error instanceof Error ? error.message : String(error));
      this.#hasFailed = true;
    }
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').slice(0, MAX_STATUS);
}
