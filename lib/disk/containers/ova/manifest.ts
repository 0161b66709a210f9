/** The manifest of an OVF package: a digest for each of its files. Source: DSP0243 1.1.1, section 5.1. */
import { corrupt } from "../../image-error.ts";
import type { PromisedDigest } from "../container.ts";

export type ManifestLine = Pick<PromisedDigest, "entry" | "algorithm" | "digest">;

const LINE = /^\s*(SHA-?1|SHA-?256|SHA-?512)\s*\(\s*(.{1,512}?)\s*\)\s*=\s*([0-9a-fA-F]{40,128})\s*$/i;
const HEX_DIGITS = { sha1: 40, sha256: 64, sha512: 128 } as const;

/** Throws `image.corrupt` for a line that is none and for a file that is listed twice. `at`: offset in `name`. */
export function readManifest(name: string, at: number, text: string): ManifestLine[] {
  const lines: ManifestLine[] = [];
  const seen = new Set<string>();
  for (const line of text.replace(/^\ufeff/, "").split(/\r?\n/)) {
    if (line.trim() === "") continue;
    const parts = LINE.exec(line.slice(0, 1024));
    const algorithm = parts?.[1]?.toLowerCase().replace("-", "") as ManifestLine["algorithm"] | undefined;
    const [, , entry, digest] = parts ?? [];
    if (algorithm === undefined || entry === undefined || digest?.length !== HEX_DIGITS[algorithm]) {
      throw corrupt(name, at, `its manifest has a line that cannot be read: ${JSON.stringify(line.slice(0, 80))}`);
    }
    if (seen.has(entry)) throw corrupt(name, at, `its manifest lists ${entry.slice(0, 80)} twice`);
    seen.add(entry);
    lines.push({ entry, algorithm, digest: digest.toLowerCase() });
  }
  return lines;
}
