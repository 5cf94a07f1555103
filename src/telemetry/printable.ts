/**
 * Makes text from packets, hooks and lanes harmless for a terminal.
 *
 * Control characters could move the cursor, colour what follows, type into a shell or forge a line; bidirectional controls
 * could show a line in another order than it has. Rule: whatever is written for a person goes through here.
 *
 * @see ECMA-48 (C0, C1); Unicode Standard Annex 9 (bidirectional controls); Unicode 15, 23.2 (line and paragraph separator)
 * @module
 */

/** C0, DEL, C1, and the characters that change the direction of text or end a line. */
const UNSAFE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;
/** The same in a JSON text, whose strings hold no C0; what stands between its values is left. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The text with every unsafe character as `\x1b` or `\u202e`. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
}

/** A JSON text that means the same, with every unsafe character in its strings as `\u009b`. */
export function printableJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
