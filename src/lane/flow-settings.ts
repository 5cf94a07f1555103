/**
 * The flow table of a lane, as the configuration has it.
 *
 * @module
 */

import type { Config } from '../config/schema.ts';
import type { FlowTimeouts } from '../flow/timeouts.ts';
import type { FlowSettings } from '../hook/chain-flows.ts';

const MILLISECONDS = 1000;

/** Seconds of the configuration as milliseconds of the table; what is not said stays out. */
export function flowSettings({ most, timeouts }: Config['flows']): FlowSettings {
  const given: Readonly<Record<keyof FlowTimeouts, number | undefined>> = {
    tcpNewMs: timeouts.tcpNew,
    tcpEstablishedMs: timeouts.tcpEstablished,
    tcpClosingMs: timeouts.tcpClosing,
    tcpClosedMs: timeouts.tcpClosed,
    udpNewMs: timeouts.udpNew,
    udpEstablishedMs: timeouts.udpEstablished,
    icmpMs: timeouts.icmp,
    otherMs: timeouts.other,
  };
  const told = Object.entries(given).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value * MILLISECONDS] as const],
  );
  return { most, timeouts: Object.fromEntries(told) };
}
