/**
 * The drivers that a configuration can name, and what the rest of firehook has to know of each.
 *
 * Rule: nobody but this table and the driver itself asks for a driver by its name; who has to do something else for one driver than for
 * another asks for the member that says so. A new driver is a row here, a file in `src/drivers/` and its suite.
 *
 * @module
 */

/** What one driver is like. */
export interface LiveDriver {
  /** A port can be shared by several lanes, flow by flow. */
  readonly sharesPort: boolean;
  /** It reads rings whose size `ring` of the configuration says; otherwise what it has in their place. */
  readonly rings: true | { readonly instead: string };
  /**
   * The supervisor opens its sockets and hands them to the lane. Otherwise the lane opens them in its own process, as root, before it
   * becomes `lane.user`.
   */
  readonly isHandedSockets: boolean;
  /** Where a bridge takes its frames: at the ports, which takes a fence, or out of detours. */
  readonly takesAt: 'port' | 'detour';
  /** By what the rules of a host know its frames: the mark or the group of its sockets. */
  readonly knownBy: 'mark' | 'group';
  /** Whether super-frames reach it in one piece. */
  readonly superFrames: 'whole' | 'cut';
  /** npm packages that it is made of, beside firehook's own addon. */
  readonly packages: readonly string[];
}

/** By name; the first is the default. */
export const LIVE_DRIVERS = {
  afpacket: {
    sharesPort: true,
    rings: true,
    isHandedSockets: true,
    takesAt: 'port',
    knownBy: 'mark',
    superFrames: 'whole',
    packages: [],
  },
  pcap: {
    // Each handle of libpcap gets every packet.
    sharesPort: false,
    rings: { instead: 'the buffers of driver: pcap have 32 MiB' },
    isHandedSockets: false,
    takesAt: 'detour',
    knownBy: 'group',
    superFrames: 'cut',
    packages: ['pcap', 'raw-socket'],
  },
} as const satisfies Record<string, LiveDriver>;

/** A driver of the configuration. */
export type LiveDriverName = keyof typeof LIVE_DRIVERS;

/** Their names, the default first. */
export const LIVE_DRIVER_NAMES = Object.keys(LIVE_DRIVERS) as [LiveDriverName, ...LiveDriverName[]];

/** What a driver is like. */
export function liveDriver(name: LiveDriverName): LiveDriver {
  return LIVE_DRIVERS[name];
}

/** The drivers of which this holds, for a sentence: `afpacket or pcap`. */
export function driversWith(holds: (driver: LiveDriver) => boolean): string {
  return LIVE_DRIVER_NAMES.filter((name) => holds(liveDriver(name))).join(' or ');
}
