/** Writes a disk into a file while it comes, in whatever order: blocks as they arrive, tables when all are there. */
import { BlockArrivals } from "./block-arrivals.ts";
import { blockDataAt, type BlockLayout, type FileAround } from "./block-layout.ts";
import { allBlocks } from "./packed-data.ts";
import { GranuleRuns } from "./granule-runs.ts";
import { PackedRuns } from "./packed-runs.ts";
import type { ByteSink } from "./io.ts";
import type { Region } from "./region.ts";
import { dataParts } from "./zeros.ts";

/** Zeros shorter than this are written with the data around them. */
const SHORTEST_GAP = 16_384;

/** Whether such a file can be written without going back, when its disk comes in order. */
export const growsForward = (layout: BlockLayout): boolean => layout.everyBlock;

export class DiskAppender {
  readonly #layout: BlockLayout;
  readonly #sink: ByteSink;
  readonly #signal: AbortSignal | undefined;
  readonly #blocks: number;
  readonly #arrivals: BlockArrivals;
  /** Fixed variants: what stands around the blocks is known before them. */
  #around: FileAround | null = null;
  /** Bytes that went into the sink. */
  moved = 0;

  /** `size`: of the disk, bytes. Writes to `sink` and does not commit it. */
  constructor(layout: BlockLayout, size: number, sink: ByteSink, signal?: AbortSignal) {
    this.#layout = layout;
    this.#sink = sink;
    this.#signal = signal;
    this.#blocks = Math.ceil(size / layout.blockBytes);
    this.#arrivals = new BlockArrivals(this.#blocks);
  }

  /** Comes before the first `take`. */
  async begin(): Promise<void> {
    if (!this.#layout.everyBlock) return;
    const { blockBytes, dataAt } = this.#layout;
    const none = new GranuleRuns(blockBytes, this.#blocks, new PackedRuns());
    this.#around = this.#layout.around(allBlocks(none));
    for (const region of this.#around.regions) if (region.at < dataAt) await this.#writeRegion(region);
  }

  /** Bytes of the disk at `offset`; zeros among them are left out. They may be reused once this resolves. */
  async take(offset: number, bytes: Uint8Array): Promise<void> {
    for (const [start, end] of dataParts(bytes, offset, SHORTEST_GAP)) {
      for (let pos = start; pos < end; ) {
        const block = Math.floor((offset + pos) / this.#layout.blockBytes);
        const within = offset + pos - block * this.#layout.blockBytes;
        let at: number;
        let length: number;
        if (this.#layout.everyBlock) {
          at = this.#layout.dataAt + offset + pos;
          length = end - pos;
        } else {
          at = blockDataAt(this.#layout, await this.#rankOf(block)) + within;
          length = Math.min(end - pos, this.#layout.blockBytes - within);
          // Blocks that follow one another in the file as well are one write.
          while (this.#layout.lead === undefined && pos + length < end) {
            const rank = await this.#rankOf(Math.floor((offset + pos + length) / this.#layout.blockBytes));
            if (blockDataAt(this.#layout, rank) !== at + length) break;
            length += Math.min(end - pos - length, this.#layout.blockBytes);
          }
        }
        await this.#write(at, bytes.subarray(pos, pos + length));
        pos += length;
      }
    }
  }

  async #rankOf(block: number): Promise<number> {
    const { rank, first, fresh } = this.#arrivals.rankOf(block);
    const { lead } = this.#layout;
    if (lead !== undefined) {
      for (let i = first; i < first + fresh; i++) {
        await this.#write(blockDataAt(this.#layout, i) - lead.length, lead.bytes());
      }
    }
    return rank;
  }

  /** Writes what is left around the blocks. Answers the file's length, to commit. */
  async finish(): Promise<number> {
    const { blockBytes, dataAt, everyBlock } = this.#layout;
    const around = this.#around ?? this.#layout.around(this.#arrivals.finish(blockBytes));
    for (const region of around.regions) if (!everyBlock || region.at >= dataAt) await this.#writeRegion(region);
    return around.length;
  }

  async #writeRegion(region: Region): Promise<void> {
    if (region.length === 0) return;
    for (const segment of region.segments(region.at, region.at + region.length)) {
      if (segment.kind === "meta") await this.#write(segment.at, segment.bytes());
    }
  }

  async #write(at: number, bytes: Uint8Array): Promise<void> {
    await this.#sink.write(at, bytes, this.#signal);
    this.moved += bytes.length;
  }
}
