/**
 * The names of what firehook makes in the kernel. All carry the ifindex of the port, so that daemons on different ports do
 * not meet, and so that what a killed run left can be found.
 *
 * @module
 */

/** Tables of a port, in the families netdev and inet. */
export function tableName(ifindex: number): string {
  return `firehook_${ifindex}`;
}

/** The ifindex in the name of a table; null for a stranger's. */
export function portOfTable(name: string): number | null {
  const match = /^firehook_(\d{1,10})$/.exec(name);
  return match === null ? null : Number(match[1]);
}

/** Ends of the detour of a direction: `near` takes the stolen frames, the lane captures at `far`. */
export function detourNames(ifindex: number, direction: 'in' | 'out'): { near: string; far: string } {
  const stem = `fh${ifindex}${direction === 'in' ? 'i' : 'o'}`;
  return { near: `${stem}0`, far: `${stem}1` };
}

/** The ifindex in the name of an end of a detour; null for a stranger's. */
export function portOfDetour(name: string): number | null {
  const match = /^fh(\d{1,10})[io][01]$/.exec(name);
  return match === null ? null : Number(match[1]);
}
