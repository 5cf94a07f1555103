/**
 * Parameters of a driver: the `options` of the configuration, as the values of its service key.
 *
 * Rule: names do not distinguish case, as in the registry. RtlQueryRegistryValues, which takes a table of callbacks, is
 * left out: FhQueryParameter is firehook's own name for the one thing that drivers do with it.
 *
 * @module
 */

import type { OctetBuffer } from '../wire/octet-buffer.ts';
import type { DriverHost } from './host.ts';
import type { WarnOnce } from './once.ts';
import { RtlInitUnicodeString, textOf, type UNICODE, UNICODE_STRING } from './unicode.ts';

/** What a value can be: REG_DWORD, REG_SZ, REG_BINARY, REG_MULTI_SZ. */
export type FhParameter = number | string | OctetBuffer | readonly string[];

/** The path that DriverEntry is handed. */
export function registryPathOf(host: DriverHost): UNICODE_STRING {
  const path = new UNICODE_STRING();
  RtlInitUnicodeString(path, `\\Registry\\Machine\\System\\CurrentControlSet\\Services\\${host.name}`);
  return path;
}

/** Makes the function over one host. */
export function createParameterFunctions(host: DriverHost, warnOnce: WarnOnce) {
  return {
    /**
     * Reads a value of the `options` in the configuration. Firehook's own function.
     *
     * @param RegistryPath - what DriverEntry was handed
     * @param ValueName - key of the options; case does not matter
     * @returns a number for numbers, true (1) and false (0); a string; an array of strings; null when the value is not there, or is of
     * a kind that the registry has no type for, which is warned of
     */
    FhQueryParameter(RegistryPath: UNICODE, ValueName: UNICODE): FhParameter | null {
      const { parameters } = host;
      if (typeof parameters !== 'object' || parameters === null) return null;
      const wanted = textOf(ValueName).toLowerCase();
      const found = Object.entries(parameters).find(([name]) => name.toLowerCase() === wanted);
      if (found === undefined) return null;
      const [name, value] = found as [string, unknown];
      if (typeof value === 'number' || typeof value === 'string' || Buffer.isBuffer(value)) return value;
      if (typeof value === 'boolean') return value ? 1 : 0;
      if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value as string[];
      warnOnce(
        `parameter ${name}`,
        `${textOf(RegistryPath)}: the value of ${name} is no number, text or list of texts`,
      );
      return null;
    },
  };
}
