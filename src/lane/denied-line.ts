/**
 * The line for the log when the machine's own rules drop what firehook sends: which rule it is most likely, and what lets it pass.
 *
 * @module
 */

import { SEND_GROUP } from '../drivers/effective-group.ts';

/** Said once for each kind by a lane. */
export function deniedLine(what: 'ICMP error' | 'hook'): string {
  const dropped = what === 'ICMP error' ? 'an ICMP error' : 'a datagram that a hook made';
  const why =
    what === 'ICMP error'
      ? ', most likely "ct state invalid drop": connection tracking has never seen the packet that it answers'
      : '';
  return (
    `The kernel did not let ${dropped} out (EPERM): a rule of this machine drops it in OUTPUT or POSTROUTING${why}. ` +
    `To let it pass, put "meta skgid ${SEND_GROUP} accept" before that rule (iptables: -m owner --gid-owner ${SEND_GROUP}). ` +
    'What else is dropped so is only counted: firehook stats has it under "by the rules of this machine".'
  );
}
