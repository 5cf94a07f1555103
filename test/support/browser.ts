/**
 * A real browser in a namespace of a lab, driven over the DevTools protocol by pipe: no port, no package.
 *
 * ```
 *   descriptor 3 ─> commands, JSON, a zero octet after each        descriptor 4 <─ answers and events, the same
 * ```
 * Rule: what a page says on its console, throws, and what its policy keeps it from is kept for the test to look at.
 *
 * @see Chrome DevTools Protocol, --remote-debugging-pipe
 * @module
 */

import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { Namespace } from './lab.ts';
import { waitFor } from './wait-for.ts';

const CHROMIUM = 'chromium';
const COMMAND_MS = 30_000;
const ARGUMENTS = [
  '--headless=new',
  '--remote-debugging-pipe',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--no-first-run',
  '--window-size=1280,1250',
  'about:blank',
];

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** One page in a browser of its own. Made by {@link openBrowser}. */
export class Browser {
  /** Errors and warnings of console, exceptions, policy and network, one text each. */
  readonly complaints: string[] = [];
  readonly #input: Writable;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #session = '';
  #id = 0;
  #rest = '';

  /** @internal */
  constructor(input: Writable, output: Readable) {
    this.#input = input;
    input.on('error', () => undefined);
    output.setEncoding('utf8').on('data', (text: string) => {
      const messages = (this.#rest + text).split('\0');
      this.#rest = messages.pop() ?? '';
      for (const message of messages) this.#hear(JSON.parse(message) as Message);
    });
  }

  /** @internal */
  async attach(): Promise<void> {
    const { targetInfos } = (await this.send('Target.getTargets')) as {
      targetInfos: { type: string; targetId: string }[];
    };
    const targetId = targetInfos.find(({ type }) => type === 'page')?.targetId;
    this.#session = (
      (await this.send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string }
    ).sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await this.send(`${domain}.enable`);
  }

  /** A command of the protocol. @throws Error with what the browser says against it */
  async send(method: string, params: object = {}): Promise<Readonly<Record<string, unknown>>> {
    this.#id += 1;
    const id = this.#id;
    const answered = new Promise<Message>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), COMMAND_MS);
      this.#waiting.set(id, (message) => {
        clearTimeout(timer);
        resolve(message);
      });
    });
    const session = this.#session === '' ? {} : { sessionId: this.#session };
    this.#input.write(`${JSON.stringify({ id, method, params, ...session })}\0`);
    const { error, result = {} } = await answered;
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Opens an address. */
  async open(url: string): Promise<void> {
    await this.send('Page.navigate', { url });
  }

  /** Value of a JavaScript expression in the page. */
  async evaluate<Value>(expression: string): Promise<Value> {
    const { result, exceptionDetails } = (await this.send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: Value }; exceptionDetails?: { exception?: { description?: string } } };
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Text of an element as a person sees it; '' where there is none. */
  textOf(selector: string): Promise<string> {
    return this.evaluate(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ''`);
  }

  /** Waits until an element shows this. */
  async shows(selector: string, what: RegExp): Promise<void> {
    let text = '';
    const matches = async (): Promise<boolean> => {
      text = await this.textOf(selector);
      return what.test(text);
    };
    await waitFor(matches, { what: `${selector} with ${what}`, timeoutMs: COMMAND_MS }).catch((cause: unknown) => {
      throw new Error(`${selector} has no ${what}: ${text}\n${this.complaints.join('\n')}`, { cause });
    });
  }

  /** Writes what the page looks like to a file, in the colours of a scheme. */
  async screenshot(file: string, scheme: 'light' | 'dark'): Promise<void> {
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    await writeFile(file, Buffer.from(String(data), 'base64'));
  }

  #hear({ id, method = '', params = {}, ...answer }: Message): void {
    if (id !== undefined) {
      this.#waiting.get(id)?.({ id, ...answer });
      this.#waiting.delete(id);
      return;
    }
    const entry = params['entry'] as { level?: string } | undefined;
    const isBad =
      method === 'Runtime.exceptionThrown' ||
      (method === 'Runtime.consoleAPICalled' && ['error', 'warning', 'assert'].includes(String(params['type']))) ||
      (method === 'Log.entryAdded' && ['error', 'warning'].includes(String(entry?.level)));
    if (isBad) this.complaints.push(`${method} ${JSON.stringify(params)}`);
  }
}

/** Starts a browser in a namespace; it ends before the namespace does. */
export async function openBrowser(ns: Namespace): Promise<Browser> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'firehook-browser-'));
  const command = [...['netns', 'exec', ns.name], CHROMIUM, `--user-data-dir=${folder}`, ...ARGUMENTS];
  const child = spawn('ip', command, {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, HOME: folder },
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  ns.defer(async () => {
    try {
      process.kill(-(child.pid as number), 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
    await exited;
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  });
  const browser = new Browser(child.stdio[3] as Writable, child.stdio[4] as Readable);
  await browser.attach();
  return browser;
}
