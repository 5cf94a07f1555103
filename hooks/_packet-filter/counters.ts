/**
 * Counters of a rule file: packets and octets by the name that stands behind `count`.
 *
 * Rule: the numbers are doubles, exact up to 2^53; how they are shown is the business of {@link showCounters} alone.
 *
 * @module
 */

/** Most characters of a line of the log; a lane's lines are cut not far beyond. */
const MAX_LINE = 3_000;

/** Packets and octets of each counter. */
export class Counters {
  readonly names: readonly string[];
  readonly packets: Float64Array;
  readonly octets: Float64Array;

  constructor(names: readonly string[]) {
    this.names = names;
    this.packets = new Float64Array(names.length);
    this.octets = new Float64Array(names.length);
  }

  /** Never allocates. @param counter - index into `names` */
  add(counter: number, octets: number): void {
    this.packets[counter] = (this.packets[counter] as number) + 1;
    this.octets[counter] = (this.octets[counter] as number) + octets;
  }
}

/** Writes the counters down, in lines that a person and a script can read: `ssh 12 packets 720 octets, ...`. */
export function showCounters({ names, packets, octets }: Counters, write: (line: string) => void): void {
  let line = '';
  for (const [index, name] of names.entries()) {
    const shown = `${name} ${packets[index]} packets ${octets[index]} octets`;
    if (line.length + shown.length > MAX_LINE) {
      write(`Counted: ${line}.`);
      line = '';
    }
    line += line === '' ? shown : `, ${shown}`;
  }
  if (line !== '') write(`Counted: ${line}.`);
}
