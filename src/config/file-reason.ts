/**
 * What the system says about a file, in the words of an operator.
 *
 * Floor 1. Rule: the path is not in it; the message around it names the path.
 *
 * @module
 */

/** What the system or the decoder says, without the path that our own message names. */
export function fileReason(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ERR_ENCODING_INVALID_ENCODED_DATA':
      return 'not UTF-8 text';
    default:
      return cause.message;
  }
}
