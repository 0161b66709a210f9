/** What a disk image format must offer. Formats are data in registry.ts; they never import one another. */
import type { z } from "zod";
import type { DiskFormatId, SourceFormatId } from "#lib/domain/disk-format.ts";
import type { BackingChain } from "./backing/backing-chain.ts";
import type { BlockLayout } from "./block-layout.ts";
import type { BlockSource } from "./block-source.ts";
import type { LeafDigests } from "./copy/leaf-digests.ts";
import type { DiskStream } from "./disk-stream.ts";
import type { ImageFile } from "./io.ts";
import type { PlacedBytes } from "./placed.ts";
import type { FilePair, FilePlan } from "./plan.ts";

/** What opening found beside the bytes. JSON values only. */
export interface ImageFacts {
  readonly format: SourceFormatId;
  /** e.g. `streamOptimized`, `v3`. */
  readonly variant: string;
  readonly virtualSize: number;
  /** Names of the sibling files that belong to the image (extents, data file, backing chain), relative to its folder. */
  readonly files: readonly string[];
  /** Those of them that the image is a difference of, nearest first. Absent: it stands alone. */
  readonly parents?: readonly string[];
  /** Format details worth showing: cluster size, adapter type, CID, hardware version, compression. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
  /** Things a person should know: internal snapshots ignored, dirty bit set. */
  readonly notes: readonly string[];
}

export interface OpenedImage extends AsyncDisposable {
  readonly facts: ImageFacts;
  readonly disk: BlockSource;
}

/** A disk read from a file that passes by once. */
export interface OpenedStream extends DiskStream {
  readonly facts: ImageFacts;
}

/** A file that holds a disk byte for byte, beside the one that will name it. */
export interface ReferredFile {
  readonly name: string;
  /** Where in it the disk begins. */
  readonly at: number;
  /** Of the disk. Bytes. */
  readonly size: number;
}

/** What opening one image may need to know besides its file. */
export interface OpenContext {
  /** The files below an image of QEMU's; the format adds itself to it. */
  readonly chain: BackingChain;
  /** A person, or the image that names it, has said that it is of this format. */
  readonly said: boolean;
}

/** A format that is read. */
export interface ImageFormat {
  readonly id: SourceFormatId;
  readonly label: string;
  /** Decides by content. raw: never. `tail` is the last bytes of the file (footers). */
  matches(head: Uint8Array, tail: Uint8Array): boolean;
  /** Throws AppError `image.*` (kind unprocessable) with the byte offset in `details` for what cannot be understood. */
  open(image: ImageFile, signal: AbortSignal | undefined, context: OpenContext): Promise<OpenedImage>;
  /**
   * Opens a file that passes by once, where `open` would look at its end first: by what lies in front, or as a stream.
   * Reads of `image.bytes` go forward; null leaves it to `open`.
   */
  forward?(image: ImageFile, signal?: AbortSignal): Promise<OpenedImage | OpenedStream | null>;
}

/** A format that is written as well. */
export interface DiskFormat<Options = unknown> extends ImageFormat {
  readonly id: DiskFormatId;
  /** Options for writing; qemu-img's words where it has one. */
  readonly options: z.ZodType<Options>;
  /** Uncompressed targets: exact layout before the first byte. Throws `options.two-files` for what planPair plans. */
  plan?(disk: BlockSource, options: Options, signal?: AbortSignal): Promise<FilePlan>;
  /** Variants that lie in two files, of which the main one will be called `fileName`; null for all others. */
  planPair?(disk: BlockSource, options: Options, fileName: string, signal?: AbortSignal): Promise<FilePair | null>;
  /**
   * Uncompressed targets of a disk of `size` bytes: where blocks go in whatever order they come. Throws
   * `image.not-plannable` for options of which there is only a stream, `image.too-large-for-format`.
   */
  layOut?(size: number, options: Options): BlockLayout;
  /** An image that names the file in which the disk lies instead of holding it; null when this one cannot be named. */
  refer?(file: ReferredFile, options: Options): FilePlan | null;
  /**
   * Compressed targets: a forward-only stream, length unknown before its end. A piece holds until the one after the
   * next is asked for. `digests` takes those of the disk's leaves on the way.
   */
  stream?(disk: BlockSource, options: Options, signal?: AbortSignal, digests?: LeafDigests): AsyncIterable<Uint8Array>;
  /** Compressed targets whose head is written last, for a sink that can go back. */
  place?(disk: BlockSource, options: Options, signal?: AbortSignal, digests?: LeafDigests): AsyncIterable<PlacedBytes>;
}
