/**
 * What the demo's server says, so that its client can tell the answer from any other.
 *
 * @module
 */

/** The one page of the web server. */
export const GREETING = 'Hello from behind the firewall.';
