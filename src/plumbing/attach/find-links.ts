/**
 * The interfaces that an attach of the configuration names, and why some cannot be used.
 *
 * @module
 */

import { FirehookError } from '../../errors.ts';
import type { Link } from '../link.ts';
import type { Attachment } from './attachment.ts';

/**
 * Finds the interfaces of an attach.
 *
 * @throws {@link FirehookError} FIREHOOK_ATTACH_INTERFACE when one does not exist, has no Ethernet header, or belongs to a
 * kernel bridge or bond
 */
export function findLinks(
  names: readonly string[],
  kind: Attachment['kind'],
  links: ReadonlyMap<string, Link>,
): Link[] {
  return names.map((name) => {
    const link = links.get(name);
    if (link === undefined) {
      throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${name}": no such interface`, { interfaceName: name });
    }
    if (link.type !== 'ether') {
      const why =
        kind === 'host'
          ? 'host puts packets back with the link header they came with'
          : 'its frames cannot be told from their datagrams';
      throw new FirehookError(
        'FIREHOOK_ATTACH_INTERFACE',
        `"${name}": it has no Ethernet header (it is "${link.type}", as tun, ppp and wireguard are), and ${why}`,
        { interfaceName: name, advice: 'attach the Ethernet interface below it' },
      );
    }
    if (kind === 'bridge' && link.master !== '') {
      throw new FirehookError('FIREHOOK_ATTACH_INTERFACE', `"${name}": it is a port of "${link.master}" already`, {
        interfaceName: name,
        advice: `take it out first: ip link set ${name} nomaster`,
      });
    }
    return link;
  });
}
