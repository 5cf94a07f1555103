/**
 * Every error that firehook raises on its control plane, in one table.
 *
 * Floor 0: imported by everyone, imports nothing. The data plane does not use it: a packet moves a counter, it never
 * throws. A code, once released, keeps its meaning; `docs/errors.md` lists the same codes and a test compares the two.
 *
 * @module
 */

/** The operations an error can come from. A closed set, so that scripts can branch on it. */
export type ErrorOp =
  | 'attach'
  | 'config'
  | 'control'
  | 'ddk'
  | 'filter'
  | 'inject'
  | 'lane'
  | 'load'
  | 'open'
  | 'pool'
  | 'read'
  | 'run'
  | 'write';

interface ErrorEntry {
  readonly op: ErrorOp;
  /** What failed, as the start of a sentence. */
  readonly what: string;
  /** What the operator can do. Empty where the detail already says it. */
  readonly advice: string;
  /** Exit code of a command that ends with this error: 1 failed, 2 usage or config, 3 unreachable, 4 permission. */
  readonly exitCode: 1 | 2 | 3 | 4;
}

/** Code to operation, message and advice. */
export const ERRORS = {
  FIREHOOK_CONFIG_UNREADABLE: {
    op: 'config',
    what: 'cannot read the configuration',
    advice: 'check the path and its permissions',
    exitCode: 2,
  },
  FIREHOOK_CONFIG_SYNTAX: { op: 'config', what: 'the configuration is not valid YAML', advice: '', exitCode: 2 },
  FIREHOOK_CONFIG_INVALID: { op: 'config', what: 'the configuration is not valid', advice: '', exitCode: 2 },
  FIREHOOK_USAGE: { op: 'config', what: 'wrong usage', advice: '', exitCode: 2 },
  FIREHOOK_FILTER_INVALID: { op: 'filter', what: 'filter', advice: '', exitCode: 2 },
  FIREHOOK_FILE_WRITABLE: {
    op: 'load',
    what: 'others may write what decides about the traffic',
    advice: '',
    exitCode: 2,
  },
  FIREHOOK_INTERNAL: {
    op: 'run',
    what: 'an unexpected error',
    advice: 'this is a fault of firehook: please report it with this line',
    exitCode: 1,
  },
  FIREHOOK_INIT: { op: 'write', what: 'cannot make the package', advice: '', exitCode: 1 },
  FIREHOOK_PRINT: { op: 'write', what: 'cannot print', advice: '', exitCode: 1 },
  FIREHOOK_HOOK_UNREADABLE: {
    op: 'load',
    what: 'cannot read the hook',
    advice: 'module paths are relative to the config file',
    exitCode: 2,
  },
  FIREHOOK_HOOK_BUNDLE: { op: 'load', what: 'cannot bundle the hook', advice: '', exitCode: 2 },
  FIREHOOK_HOOK_INVALID: { op: 'load', what: 'not a hook', advice: '', exitCode: 2 },
  FIREHOOK_HOOK_VERSION: { op: 'load', what: 'the hook is for another version of firehook', advice: '', exitCode: 2 },
  FIREHOOK_HOOK_RIGHTS: { op: 'load', what: 'the hook needs what it is not granted', advice: '', exitCode: 2 },
  FIREHOOK_HOOK_FAULT: { op: 'load', what: 'a hook is at fault', advice: '', exitCode: 1 },
  FIREHOOK_HOOK_OPTIONS: { op: 'load', what: 'the options of a hook are not valid', advice: '', exitCode: 2 },
  FIREHOOK_HOOK_SETUP: { op: 'load', what: 'the hook failed while it was set up', advice: '', exitCode: 2 },
  FIREHOOK_EVENTS_FILE: {
    op: 'write',
    what: 'cannot write the file for events',
    advice: 'check events.file: a plain file, in a folder that is there',
    exitCode: 2,
  },
  FIREHOOK_TABLE_UNREADABLE: { op: 'load', what: 'cannot read the list of a table', advice: '', exitCode: 2 },
  FIREHOOK_TABLE_INVALID: { op: 'load', what: 'the list of a table is not valid', advice: '', exitCode: 2 },
  FIREHOOK_TABLE_BUILD: { op: 'load', what: 'cannot build a table', advice: '', exitCode: 1 },
  FIREHOOK_DRIVER_MISSING: {
    op: 'open',
    what: 'cannot load the driver',
    advice: 'firehook doctor names what is missing',
    exitCode: 1,
  },
  FIREHOOK_DRIVER_OPEN: { op: 'open', what: 'cannot open the interface', advice: '', exitCode: 1 },
  FIREHOOK_LANE_FAILED: { op: 'lane', what: 'the lane failed', advice: '', exitCode: 1 },
  FIREHOOK_RELOAD_FAILED: { op: 'lane', what: 'not reloaded', advice: '', exitCode: 1 },
  FIREHOOK_RELOAD_RESTART: {
    op: 'config',
    what: 'not reloaded',
    advice: 'stop firehookd and start it again',
    exitCode: 2,
  },
  FIREHOOK_UPGRADE_FAILED: { op: 'lane', what: 'not upgraded', advice: '', exitCode: 1 },
  FIREHOOK_UPGRADE_LOST: {
    op: 'lane',
    what: 'the upgrade failed in the middle',
    advice: 'policy.onDown is in force; start firehookd again',
    exitCode: 1,
  },
  FIREHOOK_APPLY_FILE: { op: 'config', what: 'not applied', advice: '', exitCode: 2 },
  FIREHOOK_CONFIRM_FILE: { op: 'config', what: 'not confirmed', advice: '', exitCode: 1 },
  FIREHOOK_TRIAL: { op: 'config', what: 'not now', advice: '', exitCode: 1 },
  FIREHOOK_LANE_USER: { op: 'lane', what: 'wrong lane.user', advice: '', exitCode: 2 },
  FIREHOOK_LANE_CPU: { op: 'lane', what: 'wrong lane.cpus', advice: '', exitCode: 2 },
  FIREHOOK_ATTACH_INTERFACE: {
    op: 'attach',
    what: 'cannot attach',
    advice: 'ip link shows what there is',
    exitCode: 2,
  },
  FIREHOOK_ATTACH_BUSY: {
    op: 'attach',
    what: 'already attached',
    advice: 'stop the other firehookd first',
    exitCode: 1,
  },
  FIREHOOK_ATTACH_TAKEN: {
    op: 'attach',
    what: 'something takes frames before firehook would',
    advice: 'take it away, or name its kind in tolerate',
    exitCode: 2,
  },
  FIREHOOK_ATTACH_UNPROVEN: {
    op: 'attach',
    what: 'interception could not be proven',
    advice: 'firehook selftest shows what this kernel does',
    exitCode: 1,
  },
  FIREHOOK_ATTACH_TOOL: {
    op: 'attach',
    what: 'a system tool failed',
    advice: 'firehook doctor names what is missing',
    exitCode: 1,
  },
  FIREHOOK_ATTACH_KERNEL: {
    op: 'attach',
    what: 'the kernel refused',
    advice: 'firehook doctor names what is missing',
    exitCode: 1,
  },
  FIREHOOK_PERMISSION: { op: 'attach', what: 'not permitted', advice: 'run as root', exitCode: 4 },
  FIREHOOK_CONTROL_SOCKET: { op: 'control', what: 'cannot open the control socket', advice: '', exitCode: 1 },
  FIREHOOK_METRICS_ADDRESS: { op: 'control', what: 'cannot tell metrics at the address', advice: '', exitCode: 1 },
  FIREHOOK_WEB_ADDRESS: { op: 'control', what: 'cannot show the page at the address', advice: '', exitCode: 1 },
  FIREHOOK_WEB_TOKEN: {
    op: 'control',
    what: 'cannot take the token of the page',
    advice: 'make it with: umask 077; openssl rand -hex 32 > FILE',
    exitCode: 2,
  },
  FIREHOOK_CONTROL_UNREACHABLE: {
    op: 'control',
    what: 'no daemon answers',
    advice: 'is firehookd running? --socket names another socket',
    exitCode: 3,
  },
  FIREHOOK_DEVICE: { op: 'control', what: 'cannot ask the device', advice: '', exitCode: 1 },
  FIREHOOK_POOL_DOUBLE_FREE: { op: 'pool', what: 'freed twice', advice: '', exitCode: 1 },
  FIREHOOK_POOL_STRANGER: { op: 'pool', what: 'not an allocation of this pool', advice: '', exitCode: 1 },
  FIREHOOK_POOL_USE_AFTER_FREE: { op: 'pool', what: 'used after it was freed', advice: '', exitCode: 1 },
  FIREHOOK_POOL_LOST_BUFFER: {
    op: 'pool',
    what: 'a second data buffer',
    advice: 'free the first one with FreeIprBuff before',
    exitCode: 1,
  },
  FIREHOOK_POOL_BAD_TYPE: {
    op: 'pool',
    what: 'unknown pool type',
    advice: 'there are NonPagedPool and PagedPool',
    exitCode: 1,
  },
  FIREHOOK_POOL_BAD_TAG: {
    op: 'pool',
    what: 'bad pool tag',
    advice: 'a tag is 1 to 4 characters from 0x20 to 0x7e',
    exitCode: 1,
  },
  FIREHOOK_DDK_BUGCHECK: { op: 'ddk', what: 'a driver did what stops Windows', advice: '', exitCode: 1 },
  FIREHOOK_SAVEFILE_UNREADABLE: { op: 'read', what: 'cannot read the capture file', advice: '', exitCode: 2 },
  FIREHOOK_SAVEFILE_FORMAT: {
    op: 'read',
    what: 'not a valid capture file',
    advice: 'pcap and pcapng files are read',
    exitCode: 2,
  },
  FIREHOOK_SAVEFILE_TRUNCATED: { op: 'read', what: 'the capture file is truncated', advice: '', exitCode: 1 },
  FIREHOOK_SAVEFILE_UNWRITABLE: { op: 'write', what: 'cannot write the capture file', advice: '', exitCode: 2 },
  FIREHOOK_SAVEFILE_INCOMPLETE: { op: 'write', what: 'the written capture is not complete', advice: '', exitCode: 1 },
} as const satisfies Record<string, ErrorEntry>;

/** One of the keys of {@link ERRORS}. */
export type ErrorCode = keyof typeof ERRORS;

/** What an error can carry besides its code and detail. */
export interface ErrorContext {
  /** The underlying error. */
  readonly cause?: unknown;
  /** Name or path of the hook concerned. */
  readonly hook?: string;
  /** Name of the network interface concerned. */
  readonly interfaceName?: string;
  /** Replaces the table's advice where the place knows better. */
  readonly advice?: string;
}

const BRAND = Symbol.for('firehook.error');

/** An error of the control plane. Recognise it with {@link isFirehookError}, never with `instanceof`. */
export class FirehookError extends Error {
  readonly code: ErrorCode;
  readonly op: ErrorOp;
  readonly exitCode: 1 | 2 | 3 | 4;
  readonly hook: string | undefined;
  readonly interfaceName: string | undefined;
  readonly [BRAND] = true;

  /**
   * @param code - key of the table
   * @param detail - on what and because of what, for example `"eth7": no such interface`
   * @param context - cause, hook, interface, better advice
   */
  constructor(code: ErrorCode, detail: string, context: ErrorContext = {}) {
    const entry: ErrorEntry = ERRORS[code];
    const advice = context.advice ?? entry.advice;
    super(`${entry.what}: ${detail}${advice === '' ? '' : `; ${advice}`}`, { cause: context.cause });
    this.name = 'FirehookError';
    this.code = code;
    this.op = entry.op;
    this.exitCode = entry.exitCode;
    this.hook = context.hook;
    this.interfaceName = context.interfaceName;
  }
}

/** True for a {@link FirehookError}, also one of a second copy of this module. */
export function isFirehookError(value: unknown): value is FirehookError {
  return typeof value === 'object' && value !== null && BRAND in value;
}
