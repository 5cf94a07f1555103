/**
 * A user who is neither root nor in any group of note, for tests of what such a user is told.
 *
 * Keeps the one right to read everything: the checkout may lie in a folder that only root may enter.
 *
 * @module
 */

/** Arguments of setpriv(1), before the command. Root only. */
export const AS_NOBODY: readonly string[] = [
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
  '--inh-caps=+dac_read_search',
  '--ambient-caps=+dac_read_search',
];
