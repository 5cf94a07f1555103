/**
 * What hooks count and write down in a replay: in the report, as text and as JSON, and in the file of `--events`.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { ReplayReport } from '../../../src/cli/replay-report.ts';
import type { EveEvent } from '../../../src/events/eve.ts';
import { runFirehook } from './run-firehook.ts';

const DEMO = fileURLToPath(new URL('../../fixtures/demo.pcap', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'firehook-replay-events-'));
chmodSync(folder, 0o755);
after(() => rmSync(folder, { recursive: true }));

const HOOK = path.join(folder, 'watch.ts');
writeFileSync(
  HOOK,
  `import { defineHook, FORWARD } from 'firehook';
   export default defineHook({
     name: 'watch',
     flows: true,
     setup(options, runtime) {
       const octets = runtime.counter('all_octets', 'Octets of all packets.');
       let last = 0;
       runtime.gauge('last_octets', () => last);
       return {
         onPacket(packet) {
           last = packet.length;
           octets.add(packet.length);
           // More than a ring has room for.
           for (let index = 0; index < 300; index++) runtime.event('alert', packet, { index });
           return FORWARD;
         },
         teardown() {
           runtime.event('anomaly', null, { reason: 'the end' });
           last = 0;
         },
       };
     },
   });`,
);

test('all events are in the file, in order, with the time and the ends of their packets', () => {
  const file = path.join(folder, 'events.json');
  const { code, stdout, stderr } = runFirehook('replay', DEMO, '--hook', HOOK, '--events', file, '--json');
  assert.equal(code, 0, stderr);
  const { events, hooks, flows, packets } = JSON.parse(stdout) as ReplayReport;
  const [hook] = hooks;
  assert.deepEqual(
    hook?.metrics.map(({ name, kind, help }) => [name, kind, help]),
    [
      ['all_octets', 'counter', 'Octets of all packets.'],
      ['last_octets', 'gauge', ''],
    ],
  );
  const seen = hook?.seen ?? 0;
  assert.ok(seen > 10 && seen <= packets);
  assert.ok((hook?.metrics[1]?.value ?? 0) > 0, 'gauges are asked before teardown');
  assert.ok(flows !== null && flows.made > 0 && flows.now === flows.made);
  assert.deepEqual(events, {
    made: 300 * seen + 1,
    byType: { alert: 300 * seen, dns: 0, tls: 0, flow: 0, anomaly: 1 },
    file,
    written: 300 * seen + 1,
    failed: 0,
  });
  const lines = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as EveEvent);
  assert.equal(lines.length, 300 * seen + 1);
  for (const [place, line] of lines.slice(0, -1).entries()) assert.equal(line.alert?.['index'], place % 300);
  const [first] = lines;
  assert.equal(first?.in_iface, 'interface 0');
  assert.deepEqual(first?.firehook, { hook: 'watch', lane: 0 });
  assert.match(first?.src_ip ?? '', /^[0-9a-f.:]+$/);
  assert.deepEqual(lines.at(-1)?.anomaly, { reason: 'the end' });
});

test('without a file they are counted; text has the numbers', () => {
  const { code, stdout } = runFirehook('replay', DEMO, '--hook', HOOK);
  assert.equal(code, 0);
  assert.match(stdout, /^watch +all_octets +[\d,]+ +Octets of all packets\.$/m);
  assert.match(stdout, /^Events of hooks: [\d,]+ alert, 1 anomaly$/m);
});

test('a file that cannot be written is refused before the replay; one that is full is warned of', () => {
  const missing = path.join(folder, 'missing', 'events.json');
  const refused = runFirehook('replay', DEMO, '--hook', HOOK, '--events', missing);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /FIREHOOK_EVENTS_FILE.*missing\/events\.json: ENOENT/);
  const full = runFirehook('replay', DEMO, '--hook', HOOK, '--events', '/dev/full', '--json');
  const { events, warnings } = JSON.parse(full.stdout) as ReplayReport;
  assert.deepEqual([events.written, events.failed], [0, events.made]);
  assert.match(warnings.join('\n'), /events were not written: ENOSPC/);
});
