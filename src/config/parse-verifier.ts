/**
 * The keys of `verifier:` from a command line: `KEY=VALUE`, once for each.
 *
 * Floor 1. Rule: a value is read as in the file, and judged by the same schema in the same words; what is not named keeps
 * the value of the configuration.
 *
 * @module
 */

import { parse } from 'yaml';
import { FirehookError } from '../errors.ts';
import { configSchema, type Settings } from './schema.ts';

/**
 * The settings with what the pairs say. Of a key that is named twice the last one counts.
 *
 * @param option - named in messages
 * @throws {@link FirehookError} FIREHOOK_USAGE with every problem
 */
export function parseVerifier(
  option: string,
  pairs: readonly string[],
  settings: Settings['verifier'],
): Settings['verifier'] {
  if (pairs.length === 0) return settings;
  const named = pairs.map((pair): [string, unknown] => {
    const at = pair.indexOf('=');
    if (at < 1)
      throw new FirehookError(
        'FIREHOOK_USAGE',
        `${option} ${JSON.stringify(pair)} is not valid; expected KEY=VALUE, for example chains=octets`,
      );
    return [pair.slice(0, at), readValue(pair.slice(at + 1))];
  });
  const result = configSchema.shape.verifier.safeParse({ ...settings, ...Object.fromEntries(named) });
  if (result.success) return result.data;
  const problems = result.error.issues.flatMap((issue) => {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : [issue.path.join('.')];
    return keys.map((key, index) => `verifier.${key}: ${issue.message.split('\n')[index] ?? ''}`);
  });
  throw new FirehookError('FIREHOOK_USAGE', `${option}: ${problems.join('; ')}`);
}

function readValue(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}
