/**
 * Writes `config/firehook.schema.json` from the schema. A developer's script, run after a change of the schema:
 * `node --import tsx src/config/write-schema.ts`. A test fails while the two differ.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { configJsonSchema } from './schema.ts';

writeFileSync(
  new URL('../../config/firehook.schema.json', import.meta.url),
  `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
);
