/**
 * The cables of the chaos test: what each port is called and holds, and how all of it is put right again.
 *
 * ```
 *   bridge   client 10.77.0.1 ── lan0 .8 fw .9 wan0 ── server 10.77.0.2        fd77::1, ::8, ::9, ::2
 *   host     peer 10.78.0.2 ── eth0 fw 10.78.0.1                               fd78::2, ::1
 * ```
 * Rule: neighbours are written down for good. An address resolution that gave up would keep traffic away for longer than
 * what is measured. The ports of the bridge have addresses, so that a frame which the machine itself takes is seen too.
 *
 * @see ip-neighbour(8), ip-link(8)
 * @module
 */

import { createLab, type Lab, type Namespace } from '../support/lab.ts';
import { finish, startProcess } from '../support/processes.ts';

/** How firehook is attached. */
export type AttachKind = 'bridge' | 'host';

/** A device with what it carries. */
export interface End {
  readonly ns: Namespace;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** With prefix length. */
  readonly addresses: readonly string[];
  /** Neighbours that it has to know: address and MAC. */
  readonly neighbours: readonly (readonly [address: string, mac: string])[];
}

/** A port of firehook and what is plugged in there. */
export interface Port {
  readonly own: End;
  readonly far: End;
}

/** What the port is called while it is renamed. */
export const OTHER_NAME = 'renamed0';
/** MTU of everything. */
export const MTU = 1500;

const RESTORE_MS = 20_000;
const SYSCTLS = { 'net.ipv4.conf.all.rp_filter': 0, 'net.ipv6.conf.all.keep_addr_on_down': 1 };

/** The namespaces and cables of an attach. */
export interface Cables {
  readonly lab: Lab<string>;
  /** Where firehook runs. */
  readonly fw: Namespace;
  readonly ports: readonly Port[];
}

/** Makes the namespaces and the cables. */
export async function layCables(kind: AttachKind): Promise<Cables> {
  return kind === 'bridge' ? await layBridge() : await layHost();
}

/**
 * Puts every port and what is plugged in right: there, with its name, MTU, MAC and addresses, and up. What is right already
 * is left alone.
 */
export async function restorePorts(ports: readonly Port[]): Promise<void> {
  for (const { own, far } of ports) {
    await inNamespace(own.ns, makeScript(own, far));
    await inNamespace(far.ns, endScript(far));
    await inNamespace(own.ns, endScript(own));
  }
}

async function layBridge(): Promise<Cables> {
  const spec = { sysctls: SYSCTLS };
  const lab = await createLab(undefined, { namespaces: { client: spec, fw: spec, server: spec }, links: [] });
  const { client, fw, server } = lab.ns;
  const [clientMac, lanMac, wanMac, serverMac] = [macOf(1), macOf(2), macOf(3), macOf(4)];
  const lan = port(
    end(fw, 'lan0', lanMac, ['10.77.0.8/32', 'fd77::8/128'], []),
    end(
      client,
      'eth0',
      clientMac,
      ['10.77.0.1/24', 'fd77::1/64'],
      [...each(['10.77.0.2', 'fd77::2'], serverMac), ...each(['10.77.0.8', 'fd77::8'], lanMac)],
    ),
  );
  const wan = port(
    end(fw, 'wan0', wanMac, ['10.77.0.9/32', 'fd77::9/128'], []),
    end(
      server,
      'eth0',
      serverMac,
      ['10.77.0.2/24', 'fd77::2/64'],
      [...each(['10.77.0.1', 'fd77::1'], clientMac), ...each(['10.77.0.9', 'fd77::9'], wanMac)],
    ),
  );
  return await laid(lab, fw, [lan, wan]);
}

async function layHost(): Promise<Cables> {
  const spec = { sysctls: SYSCTLS };
  const lab = await createLab(undefined, { namespaces: { peer: spec, fw: spec }, links: [] });
  const { peer, fw } = lab.ns;
  const [peerMac, hostMac] = [macOf(1), macOf(2)];
  const only = port(
    end(fw, 'eth0', hostMac, ['10.78.0.1/24', 'fd78::1/64'], each(['10.78.0.2', 'fd78::2'], peerMac)),
    end(peer, 'eth0', peerMac, ['10.78.0.2/24', 'fd78::2/64'], each(['10.78.0.1', 'fd78::1'], hostMac)),
  );
  return await laid(lab, fw, [only]);
}

async function laid(lab: Lab<string>, fw: Namespace, ports: readonly Port[]): Promise<Cables> {
  try {
    await restorePorts(ports);
    return { lab, fw, ports };
  } catch (error) {
    await lab.remove();
    throw error;
  }
}

function port(own: End, far: End): Port {
  return { own, far };
}

function end(ns: Namespace, name: string, mac: string, addresses: string[], neighbours: End['neighbours']): End {
  return { ns, name, mac, mtu: MTU, addresses, neighbours };
}

function each(addresses: readonly string[], mac: string): [string, string][] {
  return addresses.map((address) => [address, mac]);
}

function macOf(number: number): string {
  return `02:00:00:00:0c:0${number}`;
}

/** Names the port back, or makes it anew when it is gone. */
function makeScript(own: End, far: End): string {
  const peer = `peer name ${far.name} mtu ${far.mtu} address ${far.mac} netns ${far.ns.name}`;
  return [
    `if [ ! -e /sys/class/net/${own.name} ] && [ -e /sys/class/net/${OTHER_NAME} ]; then`,
    // Before Linux 6.2 only a device that is down can be renamed.
    `  ip link set ${OTHER_NAME} name ${own.name} || { ip link set ${OTHER_NAME} down; ip link set ${OTHER_NAME} name ${own.name}; }`,
    'fi',
    `[ -e /sys/class/net/${own.name} ] || ip link add ${own.name} mtu ${own.mtu} address ${own.mac} type veth ${peer}`,
  ].join('\n');
}

function endScript({ name, mac, mtu, addresses, neighbours }: End): string {
  const folder = `/sys/class/net/${name}`;
  return [
    `[ "$(cat ${folder}/address)" = ${mac} ] || ip link set ${name} address ${mac}`,
    `[ "$(cat ${folder}/mtu)" = ${mtu} ] || ip link set ${name} mtu ${mtu}`,
    `[ $(($(cat ${folder}/flags) & 1)) = 1 ] || ip link set ${name} up`,
    'ip link set lo up',
    ...addresses.map((address) => `ip address replace ${address} dev ${name}${address.includes(':') ? ' nodad' : ''}`),
    ...neighbours.map(([address, mac]) => `ip neighbour replace ${address} lladdr ${mac} dev ${name} nud permanent`),
  ].join('\n');
}

async function inNamespace(ns: Namespace, script: string): Promise<void> {
  const args = ['netns', 'exec', ns.name, 'sh', '-ec', script];
  const { code, stderr } = await finish(startProcess('ip', args), RESTORE_MS);
  if (code !== 0) throw new Error(`${ns.name}: cannot put the ports right: ${stderr}`);
}
