/**
 * What takes frames first, judged from what the kernel lists. With real filters and devices:
 * `test/integration/plumbing/damages.test.ts`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { takersByTcx, takersOfFilters, takersOfLink } from '../../../src/plumbing/earlier-takers.ts';
import type { Link } from '../../../src/plumbing/link.ts';
import { MIRRED, type TcAction } from '../../../src/plumbing/netlink/tc-messages.ts';

const link = (name: string, more: Partial<Link> = {}): Link => ({
  ifindex: 2,
  name,
  mtu: 1500,
  type: 'ether',
  mac: '02:00:00:00:00:01',
  isUp: true,
  isPromiscuous: false,
  master: '',
  kind: '',
  parent: 0,
  masterKind: '',
  xdp: 0,
  ...more,
});
const kinds = (port: Link, kind: 'bridge' | 'host', ...others: Link[]) =>
  takersOfLink(port, kind, new Map([port, ...others].map((one) => [one.name, one]))).map((taker) => taker.kind);
const action = (kind: string, mirred = 0): TcAction => ({ kind, mirred, ifindex: 9 });
const reasons = (kind: string, actions: readonly TcAction[] | null) =>
  takersOfFilters(link('eth0'), [{ kind, actions, program: new Uint8Array(0) }], new Map()).map(({ text }) => text);

test('an XDP program is found, however it is attached', () => {
  for (const xdp of [1, 2, 3, 4]) assert.deepEqual(kinds(link('eth0', { xdp }), 'bridge'), ['xdp']);
  assert.deepEqual(kinds(link('eth0'), 'bridge'), []);
});

test('macvlan and ipvlan devices on a port are found, and other devices on it are not', () => {
  const on = (kind: string) => link('x0', { ifindex: 5, parent: 2, kind });
  assert.deepEqual(kinds(link('eth0'), 'host', on('macvlan')), ['macvlan']);
  assert.deepEqual(kinds(link('eth0'), 'host', on('macvtap')), ['macvlan']);
  assert.deepEqual(kinds(link('eth0'), 'host', on('ipvlan')), ['ipvlan']);
  assert.deepEqual(kinds(link('eth0'), 'host', on('ipvtap')), ['ipvlan']);
  assert.deepEqual(kinds(link('eth0'), 'host', on('vlan')), []);
  assert.deepEqual(kinds(link('eth0'), 'host', link('x0', { ifindex: 5, parent: 7, kind: 'macvlan' })), []);
});

test('a master takes the frames of a host, unless it is a VRF', () => {
  const under = (masterKind: string) => link('eth0', { master: 'm0', masterKind });
  for (const kind of ['bridge', 'bond', 'team', 'openvswitch', ''])
    assert.deepEqual(kinds(under(kind), 'host'), ['master']);
  assert.deepEqual(kinds(under('vrf'), 'host'), []);
});

test('a redirect takes frames, and what is not known may', () => {
  assert.match(reasons('u32', [action('mirred', MIRRED.egressRedirect)]).join(), /redirects its frames to interface 9/);
  assert.match(reasons('flower', [action('police'), action('mirred', MIRRED.ingressRedirect)]).join(), /redirects/);
  assert.match(reasons('matchall', [action('mirred', MIRRED.ingressMirror)]).join(), /copies/);
  assert.match(reasons('bpf', []).join(), /BPF/);
  assert.match(reasons('u32', [action('bpf')]).join(), /kind bpf/);
  assert.match(reasons('newer', null).join(), /kind newer/);
});

test('a filter that limits, counts, marks or copies is not in the way', () => {
  for (const kind of ['police', 'skbedit', 'gact', 'vlan', 'csum'])
    assert.deepEqual(reasons('u32', [action(kind)]), []);
  assert.deepEqual(reasons('u32', [action('mirred', MIRRED.egressMirror)]), []);
  assert.deepEqual(reasons('u32', []), []);
});

test('where bpf(2) is not permitted, tcx programs may be there, unless the kernel is too old for them', () => {
  const fail = (code: string) => () => {
    throw Object.assign(new Error(`bpf: ${code}`), { code });
  };
  const texts = (count: () => number, canHaveTcx = true) =>
    takersByTcx(link('eth0'), count, canHaveTcx).map(({ kind, text }) => `${kind} ${text}`);
  assert.deepEqual(
    texts(() => 0),
    [],
  );
  assert.match(texts(() => 2).join(), /^tcx eth0: 2 BPF program/);
  assert.match(texts(fail('EPERM')).join(), /^tcx eth0: BPF programs .* is not permitted here$/);
  assert.deepEqual(texts(fail('EPERM'), false), []);
  assert.throws(() => texts(fail('ENODEV')), { code: 'ENODEV' });
});
