/** Words of others (servers, hosts, files, people) as a terminal can be given them: as letters, never as orders. */

import { unprintable } from "#lib/domain/plain-name.ts";

const coded = (character: string): string => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;

/** One line stays one line: whoever prints one ends it. */
export function printable(text: string): string {
  return text.replace(unprintable(), (character) => (/[\t\n\r\u2028\u2029]/.test(character) ? " " : coded(character)));
}

/** JSON that means the same and holds none of them; what makes its lines is kept. */
export function printableJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(value, null, indent) ?? "null";
  return text.replace(unprintable(), (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
