/** A disk in another format for a peer that fetches it itself: any range, also twice, and fingerprinted on the way. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "./block-source.ts";
import { type Conversion, parseOptions } from "./convert.ts";
import { FingerprintFeed } from "./fingerprint-feed.ts";
import type { FilePlan } from "./plan.ts";
import { readPlan } from "./plan-reader.ts";
import { formatOf } from "./registry.ts";
import type { TransferProgress } from "./write-plan.ts";

/** The bytes of a file that is nowhere stored. */
export interface OutgoingFile {
  /** Bytes, exact. */
  readonly length: number;
  /** Fills `into` from `offset`. Throws `io.past-end`, and what the disk throws. One read at a time. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
}

export interface OutgoingOptions {
  /** Stays the caller's, and must outlive the file. */
  readonly disk: BlockSource;
  readonly to: DiskFormatId;
  readonly options?: Record<string, unknown>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: TransferProgress) => void;
}

export class FingerprintedFile implements OutgoingFile, AsyncDisposable {
  readonly #disk: BlockSource;
  readonly #plan: FilePlan;
  readonly #feed: FingerprintFeed;
  readonly #onProgress: (progress: TransferProgress) => void;
  /** Bytes of the disk before this one have been heard, whatever is asked for again. */
  #heard = 0;
  #moved = 0;

  constructor(plan: FilePlan, { disk, signal, onProgress }: OutgoingOptions) {
    this.#disk = disk;
    this.#plan = plan;
    this.#feed = new FingerprintFeed(disk, signal);
    this.#onProgress = onProgress ?? (() => undefined);
  }

  get length(): number {
    return this.#plan.length;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    await readPlan(this.#plan, this.#disk, offset, into, signal);
    const end = offset + into.length;
    for (const segment of this.#plan.segments(offset, end)) {
      if (segment.kind !== "disk") continue;
      const from = Math.max(segment.at, offset);
      const to = Math.min(segment.at + segment.length, end);
      const first = segment.offset + from - segment.at;
      // A transfer that was cut begins again a little earlier: what was heard before is not heard twice.
      const skip = Math.max(0, this.#heard - first);
      if (to - from <= skip) continue;
      await this.#feed.take(first + skip, into.subarray(from - offset + skip, to - offset));
      this.#heard = first + to - from;
    }
    this.#moved += into.length;
    this.#onProgress({ done: this.#heard, total: this.#disk.size, moved: this.#moved });
  }

  /** After the peer has said that it has all. What it did not ask for is read here. */
  async finish(): Promise<Conversion> {
    const fingerprint = await this.#feed.finish();
    this.#onProgress({ done: this.#disk.size, total: this.#disk.size, moved: this.#moved });
    return { fileLength: this.length, fingerprint, moved: this.#moved };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#feed[Symbol.asyncDispose]();
  }
}

/** Throws `options.invalid`, `image.not-plannable` for targets whose length shows only at their end, and what planning throws. */
export async function planOutgoing(request: OutgoingOptions): Promise<FingerprintedFile> {
  const format = formatOf(request.to);
  if (format.plan === undefined) {
    throw new AppError(
      "unprocessable",
      "image.not-plannable",
      `The length of a ${format.label} is not known beforehand.`,
    );
  }
  const plan = await format.plan(request.disk, parseOptions(format, request.options ?? {}), request.signal);
  return new FingerprintedFile(plan, request);
}
