/**
 * What the supervisor remembers of hooks that are taken out: a breaker that was open stays open in the next lane, and a hook that ends lanes
 * is taken out too.
 *
 * ```
 *   lane ended ─> its last numbers: breakers that were open ──────────────────────┐
 *            └──> the error: "... while hook NAME was in ..." ── again and again ─┴─> open from the start in the next lane
 * ```
 * Rule: what a lane says of itself is a hint. It can have a hook left out that is at fault anyway, and nothing else.
 *
 * @module
 */

import type { BreakerRule } from '../config/faults.ts';
import type { LaneProgress } from '../lane/progress.ts';

/** Lanes that a hook may end within {@link WINDOW_MS}, before it is taken out. */
const MOST_DEATHS = 3;
const WINDOW_MS = 60_000;

const RUNNING = / while hook (.+) was in /;

/** Names of hooks that are taken out. */
export class BreakerMemory {
  /** Lanes that ended by themselves, or by what a hook did. */
  lanesDead = 0;
  /** Lanes that were ended because they did nothing any more. */
  lanesHung = 0;
  readonly #rule: () => BreakerRule;
  readonly #open = new Set<string>();
  /** When a hook has ended lanes, by its name. */
  readonly #deaths = new Map<string, number[]>();

  /** @param rule - the one in force, which a reload may change */
  constructor(rule: () => BreakerRule) {
    this.#rule = rule;
  }

  /** Names of the hooks that are not called in the next lane, until they are tried again. */
  get open(): readonly string[] {
    return [...this.#open];
  }

  /**
   * A lane has ended.
   *
   * @param hooks - in running order
   * @param error - what it died of; null where it was told to end
   * @returns the hook that is taken out because of it; null for none
   */
  laneEnded(
    hooks: readonly { readonly name: string }[],
    progress: LaneProgress | null,
    error: string | null,
    nowMs: number,
  ): string | null {
    if (error !== null) {
      if (error.includes('no progress')) this.lanesHung += 1;
      else this.lanesDead += 1;
    }
    if (this.#rule().faults === 0) return null;
    let halfOpen = '';
    for (const [place, { name }] of hooks.entries()) {
      const row = progress?.hooks[place];
      if (row === undefined) continue;
      if (row.breakerOpen > 0) this.#open.add(name);
      else if (row.breakerHalfOpen > 0) halfOpen = name;
      else this.#open.delete(name);
    }
    const name = RUNNING.exec(error ?? '')?.[1];
    if (name === undefined || !hooks.some((hook) => hook.name === name)) return null;
    const deaths = (this.#deaths.get(name) ?? []).filter((atMs) => nowMs - atMs <= WINDOW_MS);
    deaths.push(nowMs);
    this.#deaths.set(name, deaths);
    if (deaths.length < MOST_DEATHS && name !== halfOpen) return null;
    this.#open.add(name);
    this.#deaths.delete(name);
    return name;
  }

  /** Other hooks are in force: they begin with closed breakers. */
  clear(): void {
    this.#open.clear();
    this.#deaths.clear();
  }

  /** By command. */
  set(hook: string, isOpen: boolean): void {
    this.#deaths.delete(hook);
    if (isOpen) this.#open.add(hook);
    else this.#open.delete(hook);
  }
}
