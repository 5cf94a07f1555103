/**
 * A driver as the runtime has it: bundled, evaluated over the exports of a door, started, and called. Two of one module do not meet.
 *
 * @module
 */

import assert from 'node:assert/strict';
import path from 'node:path';
import { before, test } from 'node:test';
import vm from 'node:vm';
import { createStandAlone } from '../../../src/ddk/stand-alone.ts';
import { DROP, FORWARD, STATUS_SUCCESS } from '../../../src/firewall/constants.ts';
import { bundleHooks } from '../../../src/hook/bundle-hook.ts';
import { HOOK_MODULE_NAMES } from '../../../src/hook-modules.ts';
import { ROOT } from '../../support/documents.ts';
import { ipv4, udp } from '../../support/packet-builder.ts';

const ADD = 0x0012a408;
const DROP_ALL = Buffer.from('00000000000000000000000000000000000000000000010000000000', 'hex');
let code = '';

before(async () => {
  const [bundle] = await bundleHooks(path.join(ROOT, 'hooks/drivers/rules-driver.ts'), HOOK_MODULE_NAMES);
  code = bundle?.code ?? '';
});

function load(parameters: unknown) {
  const { host, door } = createStandAlone();
  host.printsLog = false;
  host.parameters = parameters;
  const module: { exports: Record<string, unknown> } = { exports: {} };
  const require = (name: string) => (name === 'firehook/ddk' ? door.exports : assert.fail(name));
  const run = vm.compileFunction(code, ['module', 'exports', 'require']) as (...scope: unknown[]) => void;
  run(module, module.exports, require);
  assert.equal(host.load(module.exports['DriverEntry']), STATUS_SUCCESS);
  return host;
}

test('a bundled driver runs over the exports of its door, and shares nothing with another one', () => {
  const [strict, mild] = [load({ Start: true }), load({ Start: true })];
  assert.equal(strict.ioControl('\\\\.\\RulesDriver', ADD, DROP_ALL).status, STATUS_SUCCESS);
  const packet = ipv4({}, udp());
  assert.equal(strict.send([packet]).verdict, DROP);
  assert.equal(mild.send([packet]).verdict, FORWARD);
  assert.deepEqual(strict.unload(), []);
  assert.deepEqual(mild.unload(), []);
});
