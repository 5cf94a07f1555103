/**
 * From an attach of the configuration to what it stands on.
 *
 * Rule: the driver decides where a bridge takes its frames; nobody else asks for it.
 *
 * @module
 */

import { type AttachConfig, attachInterfaces, type Config } from '../config/schema.ts';
import type { Attachment, TakesAt } from './attach/attachment.ts';
import { findLinks } from './attach/find-links.ts';
import type { Link } from './link.ts';

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
