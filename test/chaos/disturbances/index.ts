/**
 * Every disturbance there is.
 *
 * Rule: a new one goes into the file of its kind and is drawn from then on; the order here is part of what a seed means.
 *
 * @module
 */

import type { Disturbance } from './contract.ts';
import { DETOUR } from './detour.ts';
import { MACHINE } from './machine.ts';
import { PORT } from './port.ts';
import { PROCESSES } from './processes.ts';
import { RULES } from './rules.ts';
import { SURROUNDINGS } from './surroundings.ts';

/** All of them. */
export const DISTURBANCES: readonly Disturbance[] = [
  ...RULES,
  ...PORT,
  ...DETOUR,
  ...PROCESSES,
  ...SURROUNDINGS,
  ...MACHINE,
];
