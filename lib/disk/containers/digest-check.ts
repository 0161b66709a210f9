/** Compares bytes with the digest that a manifest promises, from the reads that a conversion makes anyway. */
import { createHash, type Hash } from "node:crypto";
import { AppError } from "#lib/errors.ts";
import type { ByteSource } from "../io.ts";
import type { PromisedDigest } from "./container.ts";

/** Reads that came too early wait here; what does not fit is read again at the end. */
const MOST_WAITING = 32 * 1_048_576;
const CHUNK = 1_048_576;

export function manifestMismatch(promised: Pick<PromisedDigest, "entry" | "file" | "at" | "digest">, found: string) {
  return new AppError(
    "unprocessable",
    "image.manifest-mismatch",
    `${promised.entry} in ${promised.file} is not what its manifest says: the file was changed or damaged.`,
    {
      hint: "Get the file anew, or compare it with the original.",
      details: { file: promised.file, entry: promised.entry, offset: promised.at, promised: promised.digest, found },
    },
  );
}

/** A file of which every read is heard. Reads in the file's order cost only the digest. */
export class CheckedSource implements ByteSource {
  readonly size: number;
  readonly allocated?: NonNullable<ByteSource["allocated"]>;
  readonly #bytes: ByteSource;
  readonly #promised: PromisedDigest;
  readonly #hash: Hash;
  readonly #waiting = new Map<number, Buffer>();
  #waitingBytes = 0;
  #position = 0;
  #result: Promise<void> | null = null;

  constructor(bytes: ByteSource, promised: PromisedDigest) {
    this.size = bytes.size;
    this.#bytes = bytes;
    this.#promised = promised;
    this.#hash = createHash(promised.algorithm);
    if (bytes.allocated !== undefined) this.allocated = bytes.allocated.bind(bytes);
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#bytes.read(offset, into, signal);
    if (this.#result === null) this.#take(offset, into);
  }

  #take(offset: number, bytes: Uint8Array): void {
    if (offset > this.#position) {
      const longest = this.#waiting.get(offset)?.length ?? 0;
      if (bytes.length <= longest || this.#waitingBytes + bytes.length - longest > MOST_WAITING) return;
      this.#waiting.set(offset, Buffer.from(bytes));
      this.#waitingBytes += bytes.length - longest;
      return;
    }
    this.#advance(offset, bytes);
    // Pieces that waited for this one.
    for (let more = true; more && this.#waiting.size > 0; ) {
      more = false;
      for (const [at, piece] of this.#waiting) {
        if (at > this.#position) continue;
        this.#waiting.delete(at);
        this.#waitingBytes -= piece.length;
        this.#advance(at, piece);
        more = true;
      }
    }
  }

  #advance(offset: number, bytes: Uint8Array): void {
    const known = this.#position - offset;
    if (known >= bytes.length) return;
    this.#hash.update(bytes.subarray(known));
    this.#position = offset + bytes.length;
  }

  /** Reads what nobody asked for and compares. Throws `image.manifest-mismatch`. Later reads are not heard. */
  verify(signal?: AbortSignal): Promise<void> {
    this.#result ??= this.#finish(signal);
    return this.#result;
  }

  async #finish(signal: AbortSignal | undefined): Promise<void> {
    const buffer = Buffer.allocUnsafe(CHUNK);
    while (this.#position < this.size) {
      signal?.throwIfAborted();
      const next = Math.min(this.size, ...[...this.#waiting.keys()].filter((at) => at > this.#position));
      const part = buffer.subarray(0, Math.min(CHUNK, next - this.#position));
      await this.#bytes.read(this.#position, part, signal);
      this.#take(this.#position, part);
    }
    const found = this.#hash.digest("hex");
    if (found !== this.#promised.digest) throw manifestMismatch(this.#promised, found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiting.clear();
    await this.#bytes[Symbol.asyncDispose]();
  }
}

/** The files that one disk reads, each with what is promised of it. */
export class DigestChecks {
  readonly #promised: ReadonlyMap<string, readonly PromisedDigest[]>;
  readonly #heard = new Map<string, ByteSource>();
  readonly #checked: CheckedSource[] = [];

  constructor(promised: readonly PromisedDigest[]) {
    this.#promised = Map.groupBy(promised, ({ entry }) => entry);
  }

  /** The same bytes, heard if anything is promised of them. */
  heard(entry: string, bytes: ByteSource): ByteSource {
    const known = this.#heard.get(entry);
    if (known !== undefined) return known;
    let heard = bytes;
    for (const promised of this.#promised.get(entry) ?? []) {
      const checked: CheckedSource = new CheckedSource(heard, promised);
      this.#checked.push(checked);
      heard = checked;
    }
    this.#heard.set(entry, heard);
    return heard;
  }

  async verify(signal?: AbortSignal): Promise<void> {
    for (const checked of this.#checked) await checked.verify(signal);
  }

  get any(): boolean {
    return this.#checked.length > 0;
  }
}
