/**
 * Writes `docs/windows-facts.md`. A developer's script, run after a change of the facts or of the titles that name them:
 * `npm run facts`. A test fails while the page differs.
 *
 * @module
 */

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../../support/documents.ts';
import { factsPage, PAGE } from './windows-facts-page.ts';

writeFileSync(path.join(ROOT, PAGE), factsPage());
