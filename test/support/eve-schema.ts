/**
 * The shape of EVE events as Suricata writes them down, for the types that firehook makes: names and types of fields, by hand from the public
 * description and not from what firehook does.
 *
 * Rule: below the type nothing else may stand than what is there; what is firehook's own stands below `firehook`, which Suricata does not have.
 *
 * @see https://docs.suricata.io/en/latest/output/eve/eve-json-format.html, https://docs.suricata.io/en/suricata-8.0.0/appendix/eve-index.html
 * @module
 */

import assert from 'node:assert/strict';

type Shape = 'integer' | 'string' | 'boolean' | { readonly [name: string]: Shape };

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}[+-]\d{4}$/;

/** Fields that an event of any type may have. */
const COMMON: Readonly<Record<string, Shape>> = {
  timestamp: 'string',
  flow_id: 'integer',
  in_iface: 'string',
  event_type: 'string',
  src_ip: 'string',
  src_port: 'integer',
  dest_ip: 'string',
  dest_port: 'integer',
  proto: 'string',
  icmp_type: 'integer',
  icmp_code: 'integer',
  ip_v: 'integer',
  pkt_src: 'string',
  log_level: 'string',
  ether: { dest_mac: 'string', src_mac: 'string' },
};

/** What stands below a type, and below `tcp` of a flow. */
const TYPES: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  drop: {
    len: 'integer',
    tos: 'integer',
    ttl: 'integer',
    ipid: 'integer',
    tc: 'integer',
    hoplimit: 'integer',
    flowlbl: 'integer',
    tcpseq: 'integer',
    tcpack: 'integer',
    tcpwin: 'integer',
    syn: 'boolean',
    ack: 'boolean',
    psh: 'boolean',
    rst: 'boolean',
    urg: 'boolean',
    fin: 'boolean',
    tcpres: 'integer',
    tcpurgp: 'integer',
    udplen: 'integer',
    icmp_id: 'integer',
    icmp_seq: 'integer',
    reason: 'string',
  },
  alert: {
    action: 'string',
    gid: 'integer',
    signature_id: 'integer',
    rev: 'integer',
    signature: 'string',
    category: 'string',
    severity: 'integer',
  },
  flow: {
    pkts_toserver: 'integer',
    pkts_toclient: 'integer',
    bytes_toserver: 'integer',
    bytes_toclient: 'integer',
    start: 'string',
    end: 'string',
    age: 'integer',
    state: 'string',
    reason: 'string',
    alerted: 'boolean',
  },
  tcp: {
    tcp_flags: 'string',
    tcp_flags_ts: 'string',
    tcp_flags_tc: 'string',
    syn: 'boolean',
    fin: 'boolean',
    rst: 'boolean',
    psh: 'boolean',
    ack: 'boolean',
    state: 'string',
  },
  stats: {
    uptime: 'integer',
    capture: { kernel_packets: 'integer', kernel_drops: 'integer' },
    decoder: { pkts: 'integer', bytes: 'integer', invalid: 'integer' },
    ips: { accepted: 'integer', blocked: 'integer', rejected: 'integer', replaced: 'integer' },
    flow: { total: 'integer', active: 'integer' },
  },
  engine: { message: 'string', module: 'string', error: 'string', error_code: 'integer', thread_name: 'string' },
};

/** What has to be there. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  drop: ['len', 'reason'],
  alert: ['action', 'gid', 'signature_id', 'rev', 'signature', 'category', 'severity'],
  flow: Object.keys(TYPES['flow'] ?? {}),
  stats: ['uptime', 'capture', 'decoder'],
  engine: ['message'],
};

/** A line as a parser of EVE reads it. @throws AssertionError where it is not as Suricata's */
export function assertEve(line: string): Record<string, unknown> {
  assert.ok(line.endsWith('}\n') && line.indexOf('\n') === line.length - 1, 'one whole line');
  const event = JSON.parse(line) as Record<string, unknown>;
  const { firehook, ...rest } = event;
  const type = String(event['event_type']);
  const below = TYPES[type];
  assert.ok(below !== undefined, `a type of Suricata: ${type}`);
  const shape: Shape = { ...COMMON, [type]: below, ...(type === 'flow' ? { tcp: TYPES['tcp'] as Shape } : {}) };
  assertShape(rest, shape, type);
  assert.match(String(event['timestamp']), TIME);
  for (const name of REQUIRED[type] ?? []) assert.ok(name in (event[type] as object), `${type}.${name}`);
  assert.equal(typeof (firehook ?? {}), 'object');
  if (type === 'flow')
    for (const name of ['start', 'end']) assert.match((event['flow'] as Record<string, string>)[name] ?? '', TIME);
  return event;
}

function assertShape(value: unknown, shape: Shape, where: string): void {
  if (shape === 'integer') assert.ok(Number.isSafeInteger(value), `${where}: ${String(value)}`);
  else if (typeof shape === 'string') assert.equal(typeof value, shape, where);
  else {
    assert.ok(typeof value === 'object' && value !== null, where);
    for (const [name, inner] of Object.entries(value)) {
      const expected = shape[name];
      assert.ok(expected !== undefined, `${where}.${name} is no field of Suricata`);
      assertShape(inner, expected, `${where}.${name}`);
    }
  }
}
