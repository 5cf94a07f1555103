/**
 * Refuses to attach where something takes frames before firehook does, unless the configuration lets it.
 *
 * @module
 */

import type { Config } from '../config/schema.ts';
import { attachTolerates } from '../config/schema.ts';
import { FirehookError } from '../errors.ts';
import { toAttachment } from '../plumbing/attach-entry.ts';
import type { EarlierTaker, Plumbing } from '../plumbing/contract.ts';
import type { Link } from '../plumbing/link.ts';

/**
 * Looks at every attach whose interfaces are there.
 *
 * @returns those that the configuration lets take frames
 * @throws {@link FirehookError} FIREHOOK_ATTACH_TAKEN with the first that it does not
 */
export async function refuseEarlierTakers(
  { attach, driver }: Pick<Config, 'attach' | 'driver'>,
  plumbing: Pick<Plumbing, 'earlierTakers'>,
  links: ReadonlyMap<string, Link>,
): Promise<readonly EarlierTaker[]> {
  const found: EarlierTaker[] = [];
  for (const one of attach) {
    const attachment = toAttachment(one, driver, links);
    if (attachment.kind !== 'tap')
      found.push(...(await plumbing.earlierTakers(attachment, links, attachTolerates(one))));
  }
  const refused = found.find(({ isTolerated }) => !isTolerated);
  if (refused === undefined) return found;
  throw new FirehookError('FIREHOOK_ATTACH_TAKEN', refused.text.replace(/\.$/, ''), {
    interfaceName: refused.interfaceName,
    advice: `take it away, or let it with tolerate: [${refused.kind === 'tcx' ? 'tc' : refused.kind}]`,
  });
}
