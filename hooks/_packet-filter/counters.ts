/**
 * Counters of a rule file: packets and octets by the name that stands behind `count`.
 *
 * Rule: the numbers are doubles, exact up to 2^53; how they are shown is the business of {@link showCounters} alone.
 *
 * @module
 */

/** Most names in one line of the log. */
const NAMES_A_LINE = 50;

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
  for (let first = 0; first < names.length; first += NAMES_A_LINE) {
    const shown = names
      .slice(first, first + NAMES_A_LINE)
      .map((name, index) => `${name} ${packets[first + index]} packets ${octets[first + index]} octets`);
    write(`Counted: ${shown.join(', ')}.`);
  }
}
