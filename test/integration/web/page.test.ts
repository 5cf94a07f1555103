/**
 * The page in a real browser, of a daemon on a bridge: what it shows, that it moves, and that nothing of what hooks say gets to be more than text.
 *
 * With `FIREHOOK_SCREENSHOTS` set, the pictures of `docs/web.md` are made anew in that folder.
 *
 * @module
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type Browser, openBrowser } from '../../support/browser.ts';
import { type Daemon, startDaemon } from '../../support/daemon.ts';
import { PATIENCE_MS, pingsAgain, stockHook } from '../../support/live.ts';
import { bridgeLab, type Namespace, rootOnly, waitFor } from '../../support/netns.ts';

const SERVER = '10.77.0.2';
const LISTEN = '127.0.0.1:9478';
const skip = rootOnly('ping', 'chromium');
const SCREENSHOTS = process.env['FIREHOOK_SCREENSHOTS'];

/** What it says would be markup, were it not taken as text. */
const HOSTILE = '<img src=x onerror=alert(1)><script>alert(2)</script>';
const HOOK = `
  import { FORWARD, defineHook } from 'firehook';
  export default defineHook({
    name: 'big',
    setup(_options, { reason }) {
      const big = reason(${JSON.stringify(HOSTILE)});
      return { onPacket: ({ length }) => (length > 500 ? big.drop : FORWARD) };
    },
  });`;

async function layOut(t: TestContext): Promise<{ daemon: Daemon; client: Namespace; fw: Namespace; url: string }> {
  const { ns } = await bridgeLab(t);
  const hooks = [
    stockHook('pass-all'),
    { module: './big.ts' },
    stockHook('drop-port', { protocol: 'tcp', ports: [23] }),
  ];
  const config = { attach: [{ bridge: ['lan0', 'wan0'] }], web: { listen: LISTEN }, hooks };
  const daemon = await startDaemon(ns.fw, config, { files: { 'big.ts': HOOK } });
  await pingsAgain(ns.client, SERVER);
  const [url = ''] = /http:\/\/127\.0\.0\.1:9478\/#token=[\w-]{43}/.exec(daemon.log) ?? [];
  assert.notEqual(url, '', daemon.log);
  return { daemon, client: ns.client, fw: ns.fw, url };
}

async function picture(browser: Browser, name: string, scheme: 'light' | 'dark'): Promise<void> {
  if (SCREENSHOTS !== undefined) await browser.screenshot(path.join(SCREENSHOTS, name), scheme);
}

test('the page shows what the daemon does, moving, traces live packets, and obeys nothing that hooks say', {
  skip,
}, async (t) => {
  const { client, fw, url } = await layOut(t);
  const browser = await openBrowser(fw);
  await browser.open(url);
  await browser.shows('#state', /^running for 0 min \d+ s · lease held · generation 1 · lanes 1 · afpacket/);
  assert.equal(await browser.evaluate('location.href'), `http://${LISTEN}/`, 'the token is out of the address');

  client.spawn('ping', ['-i', '0.02', '-s', '600', SERVER]);
  client.spawn('ping', ['-i', '0.05', SERVER]);
  await browser.shows('#ways', /lan0 > wan0\t[1-9][\d,.]*\t/);
  await browser.shows('#causes', /dropped: by big\t[1-9]/);
  await browser.shows('#reasons', /big: <img src=x onerror=alert\(1\)><script>/);
  await browser.shows('#chain', /^in\n[\s\S]*pass-all[\s\S]*big\n[\s\S]*dropped [1-9][\s\S]*drop-port[\s\S]*out\n/);
  await browser.shows('#legend', /dropped [1-9]/);
  const points = `document.querySelector('#plot .dropped').getAttribute('points').split(' ').length`;
  const count = await browser.evaluate<number>(points);
  await waitFor(async () => (await browser.evaluate<number>(points)) > count + 2, {
    what: 'a plot that grows',
    timeoutMs: PATIENCE_MS,
  });

  await browser.evaluate(`document.getElementById('expression').value = 'icmp and greater 500'`);
  await browser.evaluate(`document.getElementById('start').click()`);
  await browser.shows('#packets', /lan0 > wan0 {2}protocol 1 10\.77\.0\.1 > 10\.77\.0\.2[\s\S]*= dropped by big: <img/);
  await picture(browser, 'web-light.png', 'light');
  await picture(browser, 'web-dark.png', 'dark');
  await browser.evaluate(`document.getElementById('stop').click()`);
  await browser.shows('#trace-state', /^stopped$/);

  assert.equal(await browser.evaluate(`document.querySelectorAll('img, script:not([src])').length`), 0);
  assert.equal(await browser.evaluate('document.cookie'), '');
  assert.deepEqual(browser.complaints, []);

  await assert.rejects(
    browser.evaluate(`document.body.innerHTML = '<b>x</b>'`),
    /TrustedHTML/,
    'not even its own code could',
  );
});

test('the page says what a wrong filter, a missing token and a daemon that has gone are', { skip }, async (t) => {
  const { daemon, fw, url } = await layOut(t);
  const browser = await openBrowser(fw);
  await browser.open(`http://${LISTEN}/`);
  await browser.shows('#state', /^The token is missing or wrong/);
  assert.equal(await browser.evaluate(`document.querySelector('main').hidden`), true);
  await browser.open(`${url}x`);
  await browser.shows('#state', /^The token is missing or wrong/);
  await browser.open('about:blank');
  await browser.open(url);
  await browser.shows('#state', /lease held/);
  await browser.evaluate(`document.getElementById('expression').value = 'tcp prot 23'`);
  await browser.evaluate(`document.getElementById('start').click()`);
  await browser.shows('#trace-state', /prot/);
  await daemon.stop();
  await browser.shows('#state', /^The daemon does not answer/);
});
