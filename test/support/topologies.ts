/**
 * The three labs that most tests of the running daemon use.
 *
 * ```
 *   bridgeLab   client 10.77.0.1/24 ── lan0 fw wan0 ── server 10.77.0.2/24          fd77::1/64, fd77::2/64
 *   hostLab     peer 10.78.0.2/24 ── eth0 host 10.78.0.1/24                         fd78::2/64, fd78::1/64
 *   routerLab   inside 10.79.1.2/24 ── lan0 router wan0 ── outside 10.79.2.2/24     fd79:1::2/64, fd79:2::2/64
 *               the router is .1 and ::1 on both sides and forwards
 * ```
 * The interface of every other host is `eth0`. Nothing passes between the ports of `fw` until a firewall is there.
 *
 * @module
 */

import type { Lab, LabOptions, LabOwner } from './lab.ts';
import { createLab } from './lab.ts';

/** Two hosts in one subnet with a bridge to be between them. */
export function bridgeLab(owner?: LabOwner, options?: LabOptions): Promise<Lab<'client' | 'fw' | 'server'>> {
  return createLab(
    owner,
    {
      namespaces: { client: {}, fw: {}, server: {} },
      links: [
        [
          { in: 'client', name: 'eth0', addresses: ['10.77.0.1/24', 'fd77::1/64'] },
          { in: 'fw', name: 'lan0' },
        ],
        [
          { in: 'fw', name: 'wan0' },
          { in: 'server', name: 'eth0', addresses: ['10.77.0.2/24', 'fd77::2/64'] },
        ],
      ],
    },
    options,
  );
}

/** A host to be protected and its peer. */
export function hostLab(owner?: LabOwner, options?: LabOptions): Promise<Lab<'host' | 'peer'>> {
  return createLab(
    owner,
    {
      namespaces: { host: {}, peer: {} },
      links: [
        [
          { in: 'peer', name: 'eth0', addresses: ['10.78.0.2/24', 'fd78::2/64'] },
          { in: 'host', name: 'eth0', addresses: ['10.78.0.1/24', 'fd78::1/64'] },
        ],
      ],
    },
    options,
  );
}

/** A router between two subnets. */
export function routerLab(owner?: LabOwner, options?: LabOptions): Promise<Lab<'inside' | 'outside' | 'router'>> {
  const forwarding = { 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 };
  return createLab(
    owner,
    {
      namespaces: {
        inside: { routes: ['default via 10.79.1.1', 'default via fd79:1::1'] },
        router: { sysctls: forwarding },
        outside: { routes: ['default via 10.79.2.1', 'default via fd79:2::1'] },
      },
      links: [
        [
          { in: 'inside', name: 'eth0', addresses: ['10.79.1.2/24', 'fd79:1::2/64'] },
          { in: 'router', name: 'lan0', addresses: ['10.79.1.1/24', 'fd79:1::1/64'] },
        ],
        [
          { in: 'router', name: 'wan0', addresses: ['10.79.2.1/24', 'fd79:2::1/64'] },
          { in: 'outside', name: 'eth0', addresses: ['10.79.2.2/24', 'fd79:2::2/64'] },
        ],
      ],
    },
    options,
  );
}
