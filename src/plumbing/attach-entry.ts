/**
 * An attach of the configuration through its life: what it is attached to, and whether that has changed.
 *
 * ```
 *   interfaces found ─> prepared (detours) ─> engaged (tables) ─ a port changed ─> undone, and found again
 * ```
 * Rule: the driver decides where a bridge takes its frames; nobody else asks for it.
 *
 * @module
 */

import { type AttachConfig, attachInterfaces, type Config } from '../config/schema.ts';
import { type Attachment, devicesOf, disengagePort, findLinks, prepare } from './attach.ts';
import type { Link } from './links.ts';
import type { TakesAt } from './ruleset.ts';

/** An attach of the config and, where its interfaces exist, what is attached. */
export interface AttachEntry {
  readonly config: AttachConfig;
  attachment: Attachment | null;
  /** Its detours are there. */
  isPrepared: boolean;
  /** Its tables are there: its ports are firehook's. */
  isEngaged: boolean;
}

/**
 * Finds the interfaces of an attach.
 *
 * @throws {@link FirehookError} FIREHOOK_ATTACH_INTERFACE
 */
export function toAttachment(
  config: AttachConfig,
  driver: Config['driver'],
  links: ReadonlyMap<string, Link>,
): Attachment {
  const kind = 'bridge' in config ? 'bridge' : 'host' in config ? 'host' : 'tap';
  // In a bridge every frame is stolen: a ring that knows the fence may take it at the port, which saves the detour.
  const takesAt: TakesAt = driver === 'afpacket' ? 'port' : 'detour';
  const found = { kind, links: findLinks(attachInterfaces(config), kind, links) };
  return (kind === 'bridge' ? { ...found, takesAt } : found) as unknown as Attachment;
}

/** The same; null when one of them is not there or cannot be used. */
export function tryAttachment(
  config: AttachConfig,
  driver: Config['driver'],
  links: ReadonlyMap<string, Link>,
): Attachment | null {
  try {
    return toAttachment(config, driver, links);
  } catch {
    return null;
  }
}

/** Makes the detours of an attach, where it has any. */
export function prepareEntry(entry: AttachEntry, driver: Config['driver']): void {
  if (entry.attachment === null) return;
  // Before it is tried: half a detour is taken back like a whole one.
  entry.isPrepared = true;
  prepare(entry.attachment, driver === 'pcap' ? 'cut' : 'whole');
}

/** Ends all stealing of an attach. */
export function disengageEntry({ attachment, isEngaged }: AttachEntry): void {
  if (attachment === null || attachment.kind === 'tap' || !isEngaged) return;
  for (const { ifindex } of attachment.links) disengagePort(ifindex);
}

/** True when nothing that the plumbing was built on has changed. A link that went down or up is still the same. */
export function isSame(a: Attachment, b: Attachment): boolean {
  return a.links.every((link, i) => {
    const other = b.links[i];
    return other !== undefined && link.ifindex === other.ifindex && link.mtu === other.mtu && link.mac === other.mac;
  });
}

/** True when the ports of an attach and its detours are there. */
export function hasAllDevices(attachment: Attachment, links: ReadonlyMap<string, Link>): boolean {
  return devicesOf(attachment).every((name) => links.has(name));
}
