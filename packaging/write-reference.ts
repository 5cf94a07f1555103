/**
 * Writes `docs/hook-reference.md`. A developer's script, run after a change of the hook interface or its docstrings: `npm run reference`. A test
 * fails while the page differs.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import { PAGE, referencePage } from './hook-reference.ts';

writeFileSync(new URL(`../${PAGE}`, import.meta.url), referencePage());
