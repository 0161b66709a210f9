/** The manifest of an OVF package: a digest for each of its files. Source: DSP0243 1.1.1, section 5.1. */
import { corrupt } from "../../image-error.ts";
import type { PromisedDigest } from "../container.ts";

export type ManifestLine = Pick<PromisedDigest, "entry" | "algorithm" | "digest">;

/** In parts that begin and end without blanks: what two of them could share would be tried in every way. */
const HEAD = /^(SHA-?1|SHA-?256|SHA-?512)\s*\(/i;
const DIGEST = /^[0-9a-f]{40,128}$/i;
const LONGEST_LINE = 1024;
const LONGEST_NAME = 512;
const HEX_DIGITS = { sha1: 40, sha256: 64, sha512: 128 } as const;

/** Throws `image.corrupt` for a line that is none and for a file that is listed twice. `at`: offset in `name`. */
export function readManifest(name: string, at: number, text: string): ManifestLine[] {
  const lines: ManifestLine[] = [];
  const seen = new Set<string>();
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const read = readLine(line.slice(0, LONGEST_LINE).trim());
    if (read === null)
      throw corrupt(name, at, `its manifest has a line that cannot be read: ${JSON.stringify(line.slice(0, 80))}`);
    if (seen.has(read.entry)) throw corrupt(name, at, `its manifest lists ${read.entry.slice(0, 80)} twice`);
    seen.add(read.entry);
    lines.push(read);
  }
  return lines;
}

/** `SHA256(disk.vmdk)= 0123…`; null: it is none. The name ends at the last bracket before the digest. */
function readLine(line: string): ManifestLine | null {
  const head = HEAD.exec(line);
  const equals = line.lastIndexOf("=");
  if (head?.[1] === undefined || equals < head[0].length) return null;
  const algorithm = head[1].toLowerCase().replace("-", "") as ManifestLine["algorithm"];
  const named = line.slice(head[0].length, equals).trimEnd();
  const digest = line.slice(equals + 1).trimStart();
  if (!named.endsWith(")") || !DIGEST.test(digest) || digest.length !== HEX_DIGITS[algorithm]) return null;
  const entry = named.slice(0, -1).trim();
  return entry === "" || entry.length > LONGEST_NAME ? null : { entry, algorithm, digest: digest.toLowerCase() };
}
