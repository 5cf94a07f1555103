/**
 * Starts `plumber.ts` in a namespace and calls it.
 *
 * @module
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../../support/netns.ts';
import type { Call } from './plumber.ts';

const PROGRAM = fileURLToPath(new URL('plumber.ts', import.meta.url));
const CHECKOUT = new URL('../../..', import.meta.url);

/** Plumbing that runs in a namespace. */
export class RemotePlumbing {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #ended: Promise<never>;
  #errors = '';

  /**
   * @param kind - `host` of `afpacket`, `host-by-group` of `pcap`, `bridge` with detours, or `bridge-at-port`
   * @param names - its interfaces
   */
  constructor(
    ns: Namespace,
    kind: 'bridge' | 'bridge-at-port' | 'host' | 'host-by-group',
    ...names: readonly string[]
  ) {
    const args = ['netns', 'exec', ns.name, process.execPath, '--import', 'tsx', PROGRAM, kind, ...names];
    this.#child = spawn('ip', args, { cwd: CHECKOUT, env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
    this.#child.stdin.on('error', () => undefined);
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#errors += text.toString();
    });
    this.#ended = once(this.#child, 'exit').then(() => {
      throw new Error(`the plumbing ended: ${this.#errors}`);
    });
    this.#ended.catch(() => undefined);
    this.#lines = createInterface({ input: this.#child.stdout });
    ns.defer(() => this.kill());
  }

  /**
   * Has something done, one call at a time.
   *
   * @throws Error with the message of what went wrong there
   */
  async call<T = unknown>(call: Call): Promise<T> {
    const answered = once(this.#lines, 'line');
    this.#child.stdin.write(`${JSON.stringify(call)}\n`);
    const [line] = (await Promise.race([answered, this.#ended])) as [string];
    const answer = JSON.parse(line) as { value?: T; error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value as T;
  }

  /** Puts tables and detours in force. */
  async attach(onDown: 'drop' | 'forward' = 'drop', tolerated: readonly string[] = []): Promise<void> {
    await this.call({ method: 'protect', onDown, tolerated });
    await this.call({ method: 'equip', superFrames: 'cut' });
  }

  /** What is not as it should be, one text each. */
  async inspect(): Promise<string[]> {
    return await this.call<string[]>({ method: 'inspect' });
  }

  /** As `kill -9` does. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}
