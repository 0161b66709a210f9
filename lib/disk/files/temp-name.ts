/** Names of files that are there for a while only, beside the one that they will be or were. */
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";

/** Most file systems take 255 bytes; the rest is ours. */
const MOST_BYTES = 200;

/** As much of a name as leaves room for an ending of ours, in whole characters. */
export function shortName(name: string): string {
  let short = "";
  let bytes = 0;
  for (const character of name) {
    bytes += Buffer.byteLength(character);
    if (bytes > MOST_BYTES) break;
    short += character;
  }
  return short;
}

/** Hidden, and no other's: `.NAME.RANDOM.ENDING`. */
export function tempPath(path: string, ending: string): string {
  return join(dirname(path), `.${shortName(basename(path))}.${randomBytes(6).toString("hex")}.${ending}`);
}
