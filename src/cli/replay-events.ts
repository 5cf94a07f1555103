/**
 * The events of hooks in a replay: counted by type, and written down where a file is named.
 *
 * Rule: the file is opened before the hooks are loaded, when rights may still be needed for it; what cannot be written is counted and said.
 *
 * @module
 */

import { openSync } from 'node:fs';
import { FirehookError } from '../errors.ts';
import { eveLine } from '../events/eve.ts';
import { EventDesk } from '../events/event-desk.ts';
import { EVENT_TYPES, type EventType } from '../events/event-layout.ts';
import { LineFile } from '../events/line-file.ts';
import type { HookChain } from '../hook/hook-chain.ts';
import { LOCAL_NAME } from '../lane/way.ts';

/** Events in the report of a replay. */
export interface ReplayEventsReport {
  readonly made: number;
  readonly byType: Readonly<Record<EventType, number>>;
  /** Null where none was named. */
  readonly file: string | null;
  /** Lines that are in it. */
  readonly written: number;
  /** Lines that it did not take. */
  readonly failed: number;
}

/** Reads the events of a replay. */
export class ReplayEvents {
  readonly #name: string | null;
  readonly #file: LineFile | null;
  readonly #counted = Object.fromEntries(EVENT_TYPES.map((type) => [type, 0])) as Record<EventType, number>;
  readonly #desk: EventDesk;

  /** @throws {@link FirehookError} FIREHOOK_EVENTS_FILE */
  constructor(file: string | null) {
    this.#name = file;
    this.#file = file === null ? null : openFile(file);
    this.#desk = new EventDesk((event) => {
      if (event.event_type !== 'drop') this.#counted[event.event_type] += 1;
      this.#file?.add(eveLine(event));
    });
  }

  /** What hooks write into. */
  get ring(): { readonly memory: ArrayBuffer; readonly whenFull: () => void } {
    return { memory: this.#desk.memory, whenFull: () => this.#desk.read() };
  }

  /** Says what hooks and interfaces are called. */
  name({ hooks, owners }: HookChain): void {
    const names: string[] = [];
    for (const [place, { name }] of hooks.entries()) names[owners[place] as number] = name;
    const nameOf = (index: number): string | undefined =>
      index === 0 ? LOCAL_NAME : index > 0 ? `interface ${index - 1}` : undefined;
    this.#desk.origin = { lane: 0, hooks: names, nameOf };
  }

  /** Reads and writes what is left. */
  end(): void {
    this.#desk.read();
    this.#file?.flush();
  }

  get report(): ReplayEventsReport {
    const made = Object.values(this.#counted).reduce((sum, count) => sum + count, 0);
    const { written = 0, lost: failed = 0 } = this.#file ?? {};
    return { made, byType: this.#counted, file: this.#name, written, failed };
  }

  /** What the system said of the file; '' when all went well. */
  get problem(): string {
    return this.#file?.error ?? '';
  }
}

function openFile(name: string): LineFile {
  const file = new LineFile();
  try {
    file.exchange(openSync(name, 'w'));
  } catch (cause) {
    throw new FirehookError('FIREHOOK_EVENTS_FILE', `${name}: ${(cause as NodeJS.ErrnoException).code}`, { cause });
  }
  return file;
}
