/**
 * From an attach of the configuration to what it stands on.
 *
 * Rule: the driver decides where a bridge takes its frames, and how its frames are known at a detour; nobody else asks for it.
 *
 * @module
 */

import { liveDriver } from '../config/live-drivers.ts';
import { type AttachConfig, attachInterfaces, type Config } from '../config/schema.ts';
import type { Attachment, TakesAt } from './attach/attachment.ts';
import { findLinks } from './attach/find-links.ts';
import type { Link } from './link.ts';
import { deliveredMark } from './marks.ts';

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
  const takesAt: TakesAt = liveDriver(driver).takesAt;
  const found = { kind, links: findLinks(attachInterfaces(config), kind, links) };
  const [link] = found.links;
  if (kind === 'host' && link !== undefined) return hostAttachment(link, driver);
  const isBridgeEnforced = !('bridge' in config) || config.enforce !== false;
  return (kind === 'bridge' ? { ...found, takesAt, isEnforced: isBridgeEnforced } : found) as unknown as Attachment;
}

/** The attachment of a host's port. */
export function hostAttachment(link: Link, driver: Config['driver']): Attachment {
  const { knownBy } = liveDriver(driver);
  return { kind: 'host', links: [link], knownBy, deliveredMark: deliveredMark(link.ifindex) };
}
