/**
 * Lists of digests as OpenSSL, the BSD and GNU tools, ovftool and VirtualBox write them.
 * Source: DSP0243 1.1.1, section 5.1; `openssl dgst`; coreutils, "cksum output modes".
 */
import { corrupt } from "../../image-error.ts";
import { type DigestAlgorithm, digestByLength, digestByName } from "./algorithms.ts";

export interface ManifestLine {
  /** As it is written there. */
  readonly entry: string;
  /** Null: none that is computed here; `said` names it. */
  readonly algorithm: DigestAlgorithm | null;
  readonly said: string;
  /** Lower-case hex. */
  readonly digest: string;
}

export interface Manifest {
  readonly lines: readonly ManifestLine[];
  /** Beginnings of lines that are none of the known forms. */
  readonly unread: readonly string[];
}

const TAG = /^\\?([A-Za-z][A-Za-z0-9_/ -]{1,30})\(/;
const SUM = /^\\?([0-9A-Fa-f]{32,128})(?=[ \t])/;
const HEX = /^[0-9a-f]{2,256}$/i;
const LONGEST_LINE = 1024;
const LONGEST_NAME = 512;
const MOST_UNREAD = 8;

/**
 * Throws `image.corrupt` for a digest of the wrong length and for two digests of one name that differ. `at`: offset in
 * `name`.
 */
export function readManifest(name: string, at: number, text: string): Manifest {
  const lines: ManifestLine[] = [];
  const unread: string[] = [];
  const seen = new Map<string, string>();
  for (const whole of text.replace(/^\ufeff/, "").split(/\r\n|\n|\r/)) {
    const line = whole.slice(0, LONGEST_LINE).replace(/^[ \t]+/, "");
    if (line.trim() === "" || line.startsWith("#")) continue;
    const read = readLine(line);
    if (read === "damaged") throw corrupt(name, at, `its manifest has a line that cannot be read: ${shown(line)}`);
    if (read === null) {
      if (unread.length < MOST_UNREAD) unread.push(line.trim().slice(0, 80));
      continue;
    }
    const key = `${read.said} ${read.entry}`;
    const before = seen.get(key);
    if (before === read.digest) continue;
    if (before !== undefined) throw corrupt(name, at, `its manifest lists ${shown(read.entry)} twice`);
    seen.set(key, read.digest);
    lines.push(read);
  }
  return { lines, unread };
}

const shown = (text: string): string => JSON.stringify(text.slice(0, 80));

/** Null: no line of digests. `damaged`: one of a known algorithm that is cut off or misspelt. */
function readLine(line: string): ManifestLine | "damaged" | null {
  const sum = SUM.exec(line);
  if (sum?.[1] !== undefined) return sumLine(line, sum[0].length, sum[1]);
  const tag = TAG.exec(line);
  if (tag?.[1] === undefined) return null;
  const said = tag[1].trim();
  const algorithm = digestByName(said);
  const broken = algorithm === null ? null : "damaged";
  // The name ends at the last bracket before the digest.
  const equals = line.lastIndexOf("=");
  if (equals < tag[0].length) return broken;
  const named = line.slice(tag[0].length, equals).trimEnd();
  const digest = line
    .slice(equals + 1)
    .trim()
    .replaceAll(":", "");
  if (!named.endsWith(")") || !HEX.test(digest)) return broken;
  if (algorithm !== null && digest.length !== algorithm.hexDigits) return "damaged";
  const entry = unescaped(line, named.slice(0, -1));
  if (entry.trim() === "" || entry.length > LONGEST_NAME) return broken;
  return { entry, algorithm: algorithm?.id ?? null, said, digest: digest.toLowerCase() };
}

/** `0123…  disk.vmdk`, `0123… *disk.vmdk`: the length of the digest tells the algorithm. */
function sumLine(line: string, end: number, digest: string): ManifestLine | null {
  const algorithm = digestByLength(digest.length);
  const rest = line.slice(end);
  const name = /^ [ *]/.test(rest) ? rest.slice(2) : rest.trimStart();
  const entry = unescaped(line, name);
  if (entry.trim() === "" || entry.length > LONGEST_NAME) return null;
  const said = algorithm ?? `${digest.length * 4}-bit`;
  return { entry, algorithm, said, digest: digest.toLowerCase() };
}

/** GNU tools mark lines whose names hold a backslash or a line break by a backslash in front. */
function unescaped(line: string, name: string): string {
  if (!line.startsWith("\\")) return name;
  return name.replace(/\\([\\nr])/g, (_, letter: string) => ({ n: "\n", r: "\r" })[letter] ?? "\\");
}
