/**
 * Requests to devices: who may ask, what is refused, and that the answers of all lanes have to agree.
 *
 * @module
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DaemonView, LaneView } from '../../../src/control/daemon-view.ts';
import { askDevices } from '../../../src/control/device-control.ts';

const REQUEST = { device: '\\\\.\\Test', code: 0x222400, input: 'AQI=', outputLength: 4 };

type Answer = { status: number; output: string; error: string | null } | Error;

function daemonOf(answers: readonly Answer[], devices = true): DaemonView {
  const lanes = answers.map((answer, index) => ({
    pid: 100 + index,
    isReady: true,
    stalled: null,
    ask: () =>
      answer instanceof Error ? Promise.reject(answer) : Promise.resolve({ type: 'answered', id: 1, ...answer }),
  }));
  return { config: { control: { devices } }, lanes: lanes as unknown as LaneView[] } as unknown as DaemonView;
}

const one = { status: 0, output: 'AAA=', error: null };

test('answers that agree are one answer', async () => {
  assert.deepEqual(await askDevices(daemonOf([one, one]), JSON.stringify(REQUEST)), [
    200,
    { status: 0, output: 'AAA=', lanes: 2 },
  ]);
});

test('answers that differ, or do not come, are all shown', async () => {
  const [status, body] = await askDevices(daemonOf([one, { ...one, status: 5 }]), JSON.stringify(REQUEST));
  assert.equal(status, 409);
  assert.deepEqual((body as { answers: object[] }).answers, [
    { pid: 100, status: 0, output: 'AAA=' },
    { pid: 101, status: 5, output: 'AAA=' },
  ]);
  for (const bad of [new Error('no answer within 3 s'), { ...one, error: 'IRQL' }]) {
    const [code, told] = await askDevices(daemonOf([one, bad]), JSON.stringify(REQUEST));
    assert.equal(code, 502);
    assert.match(JSON.stringify(told), /IRQL|no answer within 3 s/);
  }
});

test('nothing is asked where it is not allowed, where no lane runs, and for what is no request', async () => {
  const never = [new Error('was asked')];
  assert.equal((await askDevices(daemonOf(never, false), JSON.stringify(REQUEST)))[0], 403);
  assert.equal((await askDevices(daemonOf([]), JSON.stringify(REQUEST)))[0], 503);
  for (const body of [
    '',
    'null',
    '{}',
    JSON.stringify({ ...REQUEST, code: -1 }),
    JSON.stringify({ ...REQUEST, code: 2 ** 32 }),
    JSON.stringify({ ...REQUEST, input: 'no base64!' }),
    JSON.stringify({ ...REQUEST, input: 'A'.repeat(60_000) }),
    JSON.stringify({ ...REQUEST, outputLength: 32 * 1024 + 1 }),
    JSON.stringify({ ...REQUEST, outputLength: 0.5 }),
    JSON.stringify({ ...REQUEST, device: '' }),
    JSON.stringify({ ...REQUEST, more: 1 }),
  ]) {
    assert.equal((await askDevices(daemonOf(never), body))[0], 400, body.slice(0, 80));
  }
});
