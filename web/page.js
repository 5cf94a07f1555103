/**
 * The page: asks for a sample each second and shows what happened between two; traces live packets when asked to.
 *
 *   #token=... ─> kept for this tab, taken out of the address ─> Authorization of every request
 *
 * Rule: all text comes in by textContent. What is kept is bounded: five minutes of rates, two hundred packets.
 */

import { plotOf } from './plot.js';

const KEY = 'firehook-token';
const EVERY_MS = 1000;
const SPAN_SECONDS = 300;
const MOST_PACKETS = 200;
const MOST_LINE = 1 << 20;
const CURVES = ['received', 'forwarded', 'dropped', 'rejected', 'lost'];

const history = [];
let before = null;
let tracing = null;
let tracedPackets = 0;

const $ = (id) => document.getElementById(id);

function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given !== null) {
    sessionStorage.setItem(KEY, given);
    window.history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem(KEY) ?? '';
}

const token = takeToken();

function ask(path, signal) {
  return fetch(path, { headers: { authorization: `Bearer ${token}` }, signal, cache: 'no-store' });
}

/** An element with text in it, and elements. */
function make(name, content, className = '') {
  const node = document.createElement(name);
  if (className !== '') node.className = className;
  if (Array.isArray(content)) node.append(...content);
  else node.textContent = content;
  return node;
}

function shown(value) {
  const digits = value < 10 && !Number.isInteger(value) ? 1 : 0;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The entry of the sample before that has the same name, of several the one in the same turn. */
function counterpart(list, entry, then, nameOf) {
  const same = (one) => nameOf(one) === nameOf(entry);
  return then?.filter(same)[list.filter(same).indexOf(entry)];
}

/** How many a second; of the first sample, the average since the start. */
function rateOf(now, count, then) {
  if (before === null) return count / Math.max(1, now.uptimeSeconds);
  return Math.max(0, count - (then ?? 0)) / ((now.atMs - before.atMs) / 1000);
}

function rates(now, list, then, nameOf, keys) {
  return list.map((entry) => {
    const old = counterpart(list, entry, then, nameOf);
    return Object.fromEntries(keys.map((key) => [key, rateOf(now, entry[key], old?.[key])]));
  });
}

function fill(id, head, rows) {
  const table = $(id);
  table.hidden = rows.length === 0;
  table.replaceChildren(
    make(
      'tr',
      head.map((text) => make('th', text)),
    ),
    ...rows.map((row) =>
      make(
        'tr',
        row.map((text) => make('td', text)),
      ),
    ),
  );
}

function showState(now) {
  const { state, lease, generation, lanes, laneRestarts, driver, uptimeSeconds, flows, version, addsUp } = now;
  const parts = [
    `${state} for ${Math.floor(uptimeSeconds / 60)} min ${Math.floor(uptimeSeconds % 60)} s`,
    `lease ${lease}`,
    `generation ${generation}`,
    `lanes ${lanes}${laneRestarts === 0 ? '' : ` (${laneRestarts} replaced)`}`,
    driver,
    flows === null ? 'no flows asked for' : `flows ${shown(flows.now)} of ${shown(flows.most)}`,
    addsUp ? 'the ledger adds up' : 'the ledger does NOT add up',
    `version ${version}`,
  ];
  $('state').textContent = parts.join(' · ');
  $('problems').hidden = now.problems.length === 0;
  $('problems').replaceChildren(...now.problems.map((text) => make('li', text)));
}

function showPlot(now) {
  const total = Object.fromEntries(CURVES.map((key) => [key, rateOf(now, now.total[key], before?.total[key])]));
  history.push({ atMs: now.atMs, ...total });
  while (history.length > 0 && now.atMs - history[0].atMs > SPAN_SECONDS * 1000) history.shift();
  const times = history.map(({ atMs }) => (now.atMs - atMs) / 1000);
  const curves = CURVES.map((name) => ({ name, values: history.map((one) => one[name]) }));
  // A minute is enough for as long as there is no more.
  $('plot').replaceChildren(plotOf(times, curves, (times[0] ?? 0) <= 60 ? 60 : SPAN_SECONDS));
  $('legend').replaceChildren(...CURVES.map((name) => make('li', `${name} ${shown(total[name])}`, name)));
}

function showChain(now) {
  const byHook = rates(now, now.hooks, before?.hooks, ({ name }) => name, ['seen', 'dropped', 'rejected', 'faults']);
  const boxes = now.hooks.map((hook, index) => {
    const rate = byHook[index];
    const time = hook.meanNs === null ? '' : ` · ${(hook.meanNs / 1000).toFixed(1)} µs`;
    const lines = [
      make('span', hook.mark === '' ? hook.name : `${hook.name} (${hook.mark})`, 'name'),
      make('span', `priority ${hook.priority} · seen ${shown(rate.seen)}/s${time}`, 'seen'),
      ...['dropped', 'rejected', 'faults']
        .filter((key) => hook[key] > 0)
        .map((key) =>
          make('span', `${key} ${shown(hook[key])}, ${shown(rate[key])}/s`, key === 'faults' ? 'lost' : key),
        ),
    ];
    return make('li', lines, hook.mark === '' ? '' : 'taken');
  });
  const end = (title, key) =>
    make('li', [
      make('span', title, 'name'),
      make('span', `${shown(rateOf(now, now.total[key], before?.total[key]))}/s`, key),
    ]);
  $('chain').replaceChildren(end('in', 'received'), ...boxes, end('out', 'forwarded'));
}

function showWays(now) {
  const keys = ['received', 'receivedOctets', 'forwarded', 'dropped', 'rejected', 'lost'];
  const byWay = rates(now, now.ways, before?.ways, ({ name }) => name, keys);
  fill(
    'ways',
    ['way', 'in', 'Mbit/s', 'forwarded', 'dropped', 'rejected', 'lost', 'in all'],
    now.ways.map((way, index) => [
      way.isWouldBe ? `${way.name} (NOT enforced)` : way.name,
      ...keys.map((key) =>
        key === 'receivedOctets' ? ((byWay[index][key] * 8) / 1e6).toFixed(2) : shown(byWay[index][key]),
      ),
      shown(way.received),
    ]),
  );
}

function showCounts(id, head, now, list, then, nameOf) {
  const perSecond = rates(now, list, then, nameOf, ['count']);
  const rows = list.map((entry, index) => ({ name: nameOf(entry), count: entry.count, rate: perSecond[index].count }));
  rows.sort((one, other) => other.rate - one.rate || other.count - one.count);
  fill(
    id,
    [head, 'a second', 'count'],
    rows.map(({ name, rate, count }) => [name, shown(rate), shown(count)]),
  );
  $(`no-${id}`).hidden = rows.length > 0;
}

function show(now) {
  if (before !== null && (before.pid !== now.pid || now.atMs <= before.atMs)) {
    before = null;
    history.length = 0;
  }
  showState(now);
  showPlot(now);
  showChain(now);
  showWays(now);
  showCounts('causes', 'cause', now, now.causes, before?.causes, ({ cause }) => cause);
  showCounts('reasons', 'reason', now, now.reasons, before?.reasons, ({ hook, reason }) => `${hook}: ${reason}`);
  document.querySelector('main').hidden = false;
  before = now;
}

async function look() {
  try {
    const answer = await ask('/api/sample', AbortSignal.timeout(10_000));
    if (answer.status === 401) {
      $('state').textContent =
        'The token is missing or wrong: open the address that the log of firehookd says at its start.';
      document.querySelector('main').hidden = true;
      return;
    }
    if (!answer.ok) throw new Error((await answer.text()).trim());
    show(await answer.json());
  } catch (error) {
    $('state').textContent =
      `The daemon does not answer (${error.message}); what is below is old. Asked again each second.`;
  }
  setTimeout(look, EVERY_MS);
}

function packetText({ lane, packet }) {
  const end = (address, port) =>
    port < 0 ? address : address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const { ends, from, to, length, fate, by, reason, hooks } = packet;
  const between =
    ends === null
      ? 'no IP that can be read'
      : `protocol ${ends.protocol} ${end(ends.source, ends.sourcePort)} > ${end(ends.destination, ends.destinationPort)}`;
  const lines = hooks.map(
    (one) => `  ${one.hook}  ${one.skipped === null ? one.verdict : `not called: ${one.skipped}`}  ${one.reason ?? ''}`,
  );
  const who = `${by === null ? '' : ` by ${by}`}${reason === null ? '' : `: ${reason}`}`;
  return [`lane ${lane}  ${from} > ${to}  ${between}  ${length} octets`, ...lines, `  = ${fate}${who}`].join('\n');
}

function showPacket(line) {
  if ('end' in line) {
    $('trace-state').textContent = `ended: ${line.end}; ${line.told} told, ${line.lost} not told`;
    return;
  }
  tracedPackets += 1;
  $('trace-state').textContent = `packets: ${tracedPackets}`;
  const list = $('packets');
  list.prepend(make('li', packetText(line), line.packet.fate));
  while (list.childElementCount > MOST_PACKETS) list.lastElementChild.remove();
}

async function trace() {
  const expression = $('expression').value.trim();
  tracing = new AbortController();
  tracedPackets = 0;
  $('start').disabled = true;
  $('stop').disabled = false;
  $('trace-state').textContent = 'waiting for packets that match ...';
  try {
    const answer = await ask(`/api/trace?${new URLSearchParams({ expression })}`, tracing.signal);
    if (!answer.ok) {
      const text = await answer.text();
      throw new Error(answer.headers.get('content-type') === 'application/json' ? JSON.parse(text).error : text);
    }
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      if (rest.length > MOST_LINE) throw new Error('a line without end');
      for (const line of lines) showPacket(JSON.parse(line));
    }
  } catch (error) {
    $('trace-state').textContent = error.name === 'AbortError' ? 'stopped' : String(error.message);
  }
  $('start').disabled = false;
  $('stop').disabled = true;
}

$('start').addEventListener('click', () => void trace());
$('stop').addEventListener('click', () => tracing?.abort());
$('trace-form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (!$('start').disabled) void trace();
});
void look();
