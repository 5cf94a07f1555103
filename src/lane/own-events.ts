/**
 * What firehook itself tells of in a lane, put to where it happens.
 *
 * Rule: what nobody asked for is not there, and costs a look whether it is.
 *
 * @module
 */

import type { Driver } from '../drivers/contract.ts';
import { portOf } from '../drivers/contract.ts';
import { DropEvents } from './drop-events.ts';
import { FlowEvents } from './flow-events.ts';
import type { LoadedChain } from './load-chain.ts';
import type { OwnEvents } from './messages.ts';

/** The events of packets that did not go on; null where nobody wants them. */
export function dropEvents(
  { events, chain, reasons }: LoadedChain,
  { drop, sample }: OwnEvents,
  driver: Driver,
): DropEvents | null {
  if (!drop) return null;
  return new DropEvents({
    events,
    chain,
    reasons,
    sample,
    linktypeOf: (port) => portOf(driver.ports, port)?.linktype ?? -1,
  });
}

/**
 * Has flows that end told of from now on, where it is wanted and there are flows.
 *
 * @param sinceEpochMs - what is added to the clock of the lane to have milliseconds since 1970
 */
export function tellOfFlows(
  { events, chain }: LoadedChain,
  { flow, sample }: OwnEvents,
  sinceEpochMs: () => number,
): FlowEvents | null {
  const { flows } = chain;
  if (!flow || flows === null) return null;
  const told = new FlowEvents({ events, flows, sample, sinceEpochMs });
  const { onEnd } = flows;
  flows.onEnd = () => {
    onEnd();
    told.ended();
  };
  return told;
}
