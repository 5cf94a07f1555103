/**
 * How `try-plumbing` tells `doctor` that the kernel was too slow, which is not the same as a kernel that refuses.
 *
 * @module
 */

/** Exit code of `try-plumbing` after a time-out: EX_TEMPFAIL of sysexits.h. */
export const NO_ANSWER = 75;
