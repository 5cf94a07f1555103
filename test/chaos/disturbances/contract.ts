/**
 * What a disturbance is.
 *
 * Rule: a disturbance undoes itself, whatever happens in between, and is over when its promise resolves; what firehook has to
 * mend by itself it leaves broken. Whether the kernel refuses it is not its business.
 *
 * @module
 */

import type { Random } from '../random.ts';
import type { Stage } from '../stage.ts';

/** What a disturbance works on; two of the same group would undo each other. */
export type Group = 'daemon' | 'detour' | 'lane' | 'machine' | 'port' | 'rules' | 'surroundings';

/** Something that goes wrong. */
export interface Disturbance {
  /** As it stands in the table. */
  readonly name: string;
  readonly group: Group;
  /**
   * From when traffic has to be back in time: at once, or when the disturbance is over, because until then nothing can
   * pass. Packets that pass unhooked count from the start in either case.
   */
  readonly clock: 'end' | 'start';
  /** Whether there is anything to disturb; asked just before. By default there is. */
  isPossible?(stage: Stage): Promise<boolean>;
  /** Disturbs, and resolves when all is undone that is not firehook's to mend. */
  apply(stage: Stage, random: Random): Promise<void>;
  /** What firehook has to have mended besides the traffic. By default nothing. */
  isMended?(stage: Stage): Promise<boolean>;
}
