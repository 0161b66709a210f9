/** The two checksums that a block of an XVA can have beside it. Source: xapi, `stream_vdi.ml`. */
import { createHash } from "node:crypto";
import xxhash from "xxhash-wasm";

export type BlockChecksum = "sha1" | "xxh64";

/** Endings of the files that hold them, and their length in hexadecimal digits. */
export const CHECKSUM_FILE = {
  sha1: { ending: ".checksum", digits: 40 },
  xxh64: { ending: ".xxhash", digits: 16 },
} as const satisfies Record<BlockChecksum, { ending: string; digits: number }>;

const { h64Raw } = await xxhash();

/** As xapi writes it: SHA-1 in small letters, XXH64 (seed 0) in capitals; its import compares letter by letter. */
export function blockChecksum(kind: BlockChecksum, block: Uint8Array): string {
  return kind === "sha1"
    ? createHash("sha1").update(block).digest("hex")
    : h64Raw(block).toString(16).toUpperCase().padStart(16, "0");
}
