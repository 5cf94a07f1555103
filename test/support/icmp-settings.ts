/**
 * The ICMP settings of lanes on a table: the defaults of the configuration, but for the total.
 *
 * @module
 */

import { defaultSettings } from '../../src/config/schema.ts';
import type { IcmpSettings } from '../../src/lane/answer-budget.ts';

/** The defaults, with that many ICMP errors in a second for each way, and as many "packet too big". */
export function icmpSettings(ratePerSecond: number): IcmpSettings {
  const { icmp } = defaultSettings();
  return { ...icmp, ratePerSecond, tooBig: { ...icmp.tooBig, ratePerSecond } };
}
