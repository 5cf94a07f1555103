/**
 * What the tests of the driver interface share: a door of their own over the stand-alone host, and the check of a bug check.
 *
 * @module
 */

import assert from 'node:assert/strict';
import type { DRIVER_OBJECT } from '../../../src/ddk/io-types.ts';
import { createStandAlone } from '../../../src/ddk/stand-alone.ts';
import { isFirehookError } from '../../../src/errors.ts';

/** A door that shares nothing with other tests. */
export function freshDoor(parameters: unknown = null) {
  const { host, door, functions } = createStandAlone();
  host.printsLog = false;
  host.parameters = parameters;
  return { host, door, ddk: functions };
}

/** A door with a loaded driver, and its driver object. */
export function loadedDoor(prepare: (driver: DRIVER_OBJECT) => void = () => undefined) {
  const made = freshDoor();
  let driver: DRIVER_OBJECT | null = null;
  const status = made.host.load((object: DRIVER_OBJECT) => {
    driver = object;
    object.DriverUnload = () => undefined;
    prepare(object);
    return 0;
  });
  assert.equal(status, 0);
  assert.ok(driver);
  return { ...made, driver: driver as DRIVER_OBJECT };
}

/** Asserts that `call` is refused as Windows would stop: with this bug check, for this function. */
export function assertBugCheck(call: () => unknown, name: string, functionName: string): void {
  assert.throws(call, (error) => {
    assert.ok(isFirehookError(error), String(error));
    assert.equal(error.code, 'FIREHOOK_DDK_BUGCHECK');
    assert.ok(error.message.includes(name), `${error.message} names ${name}`);
    assert.ok(error.message.includes(functionName), `${error.message} names ${functionName}`);
    return true;
  });
}

/** An in-out parameter. */
export function ref<T>(value: T): { value: T } {
  return { value };
}
