/**
 * The comment of a port's table: what has to be put back when the port is taken back.
 *
 * Rule: it is in the kernel before the things are switched, so that it survives the daemon and dies with the namespace.
 *
 * @module
 */

/** What has to be put back when a port is taken back. */
export interface PortMemory {
  /** Kind of the attach, and the ifindex of a bridge's other port (0 where there is none). */
  readonly kind: 'bridge' | 'host';
  readonly peer: number;
  /** Promiscuity was switched on here. */
  readonly setPromiscuous: boolean;
  /** LRO was switched off here. */
  readonly unsetLro: boolean;
}

/** The memory that a comment holds; null when it is not firehook's, or of another version. */
export function readComment(comment: string): PortMemory | null {
  const match = /^firehook1 (bridge|host) peer=(\d+) promisc=([01]) lro=([01])$/.exec(comment);
  if (match === null) return null;
  return {
    kind: match[1] === 'bridge' ? 'bridge' : 'host',
    peer: Number(match[2]),
    setPromiscuous: match[3] === '1',
    unsetLro: match[4] === '1',
  };
}

/** The same as a comment. */
export function writeComment(memory: PortMemory): string {
  return `firehook1 ${memory.kind} peer=${memory.peer} promisc=${memory.setPromiscuous ? 1 : 0} lro=${memory.unsetLro ? 1 : 0}`;
}
