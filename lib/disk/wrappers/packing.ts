/** Files that are packed as a whole, told by how they begin. */
import { AppError } from "#lib/errors.ts";
import { corrupt, truncated } from "../image-error.ts";
import type { ByteSource } from "../io.ts";

export type Packing = "gzip" | "xz" | "zstd" | "bzip2" | "zip";
/** Those that are unpacked front to back. */
export type StreamPacking = Exclude<Packing, "zip">;

const STARTS: readonly (readonly [Packing, readonly number[]])[] = [
  // RFC 1952: deflate is the only method.
  ["gzip", [0x1f, 0x8b, 8]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["zip", [0x50, 0x4b, 3, 4]],
];
/** `BZh`, a digit, and the mark of the first block or of the end (of nothing). */
const BZIP2 = [/^BZh[1-9]1AY&SY/, /^BZh[1-9]\x17rE8P\x90/];

/** Bytes that `packingOf` wants to see. */
export const PACKING_HEAD = 16;
/** One in another: `.zip` of a `.gz`. */
export const MOST_LAYERS = 2;
/** No disk is larger than this. Bytes. */
const MOST_BYTES = 65 * 2 ** 40;
/** Deflate unfolds 1,032 times at most; data that unfolds further is made to fill disks. Zeros cost none. */
const MOST_DATA_RATIO = 1100;
const RATIO_FROM = 2 ** 26;

/** Null: not packed, as far as its first bytes tell. */
export function packingOf(head: Uint8Array): Packing | null {
  // Skippable frames of zstd (RFC 8878, 3.1.2) may come first.
  if (((head[0] ?? 0) & 0xf0) === 0x50 && head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18) return "zstd";
  const text = String.fromCharCode(...head.subarray(0, 10));
  if (BZIP2.some((start) => start.test(text))) return "bzip2";
  return STARTS.find(([, start]) => start.every((byte, i) => head[i] === byte))?.[0] ?? null;
}

export async function packingOfFile(bytes: ByteSource, signal?: AbortSignal): Promise<Packing | null> {
  const head = Buffer.alloc(Math.min(PACKING_HEAD, bytes.size));
  await bytes.read(0, head, signal);
  return packingOf(head);
}

const ENDINGS: Readonly<Record<Packing, RegExp>> = {
  gzip: /\.gz$/i,
  xz: /\.xz$/i,
  zstd: /\.zst(d)?$/i,
  bzip2: /\.bz2$/i,
  zip: /\.zip$/i,
};

/** Whether a person who named the file so says that it is packed. */
export const namedPacked = (name: string, packing: Packing): boolean => ENDINGS[packing].test(name);

/** A tar and its packing in one word. */
const TAR_ENDING = /\.(?:tgz|txz|tzst|tbz2?|box)$/i;

/** What the file inside is called: `disk.img` of `disk.img.gz`. */
export function innerName(name: string, packing: Packing): string {
  if (TAR_ENDING.test(name) && packing !== "zip") return name.replace(TAR_ENDING, ".tar");
  const inner = name.replace(ENDINGS[packing], "");
  return inner === "" || inner === name ? `${name}.unpacked` : inner;
}

/** How far a packed file is read and unfolded: for offsets in messages, progress and limits. */
export class Meter {
  readonly name: string;
  /** Packed bytes that were taken. */
  taken = 0;
  #given = 0;
  #data = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Throws `image.unfolds-too-far` for what no disk can be. `zero`: all of the bytes are zeros. */
  give(length: number, zero: boolean): void {
    this.#given += length;
    if (!zero) this.#data += length;
    const far = this.#data > RATIO_FROM && this.#data > this.taken * MOST_DATA_RATIO;
    if (!far && this.#given <= MOST_BYTES) return;
    throw new AppError(
      "unprocessable",
      "image.unfolds-too-far",
      `${this.name} unfolds to ${this.#given} bytes from ${this.taken}, which no disk image does.`,
      { hint: "Ask whoever made the file what it is.", details: { file: this.name, offset: this.taken } },
    );
  }

  corrupt(what: string, cause?: unknown): AppError {
    return corrupt(this.name, this.taken, `${what} near byte ${this.taken}`, cause);
  }

  truncated(): AppError {
    return truncated(this.name, this.taken, `it ends at byte ${this.taken}, before its packed content does`);
  }
}
