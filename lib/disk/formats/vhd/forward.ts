/** The blocks of a dynamic VHD as they pass by: each behind its bitmap, which is read with it. */
import type { DiskPiece, DiskStream } from "../../disk-stream.ts";
import { storedOrder } from "../../forward/stored-pieces.ts";
import type { ImageFile } from "../../io.ts";
import { MappedDisk } from "../../mapped-disk.ts";
import { bitmapBytes, blockTable, cutByBitmap, type DynamicShape } from "./block-map.ts";

const STEP = 1_048_576;

/** Reads the table, which stands in front. */
export async function forwardBlocks(
  image: ImageFile,
  shape: DynamicShape,
  signal?: AbortSignal,
): Promise<Pick<DiskStream, "order" | "pieces">> {
  const { size, blockBytes } = shape;
  const lead = bitmapBytes(blockBytes);
  const table = blockTable(image, shape);
  const whole = new MappedDisk(image, size, (offset, limit, kindOnly, stop) =>
    table.locate(offset, limit, kindOnly, stop),
  );
  const { order, runs } = await storedOrder(whole, image.bytes, signal);

  async function* pieces(stop?: AbortSignal): AsyncIterable<DiskPiece> {
    const bitmap = Buffer.alloc(lead);
    const buffer = Buffer.allocUnsafe(Math.min(STEP, blockBytes));
    for (const { offset: start, length, at } of runs) {
      // Blocks without room for a bitmap between them would be one run: each is taken alone.
      for (let block = start; block < start + length; block += blockBytes) {
        const dataAt = at + block - start;
        await image.bytes.read(dataAt - lead, bitmap, stop);
        const end = Math.min(blockBytes, start + length - block);
        for (let from = 0; from < end; from += buffer.length) {
          const bytes = buffer.subarray(0, Math.min(buffer.length, end - from));
          await image.bytes.read(dataAt + from, bytes, stop);
          clearUnwritten(bitmap, bytes, from);
          yield { offset: block + from, bytes };
        }
      }
    }
  }
  return { order, pieces };
}

/** Sectors that were never written read as zeros, whatever lies there. */
function clearUnwritten(bitmap: Buffer, bytes: Buffer, from: number): void {
  for (let pos = 0; pos < bytes.length; ) {
    const { length, at } = cutByBitmap(bitmap, 0, from + pos, bytes.length - pos);
    if (at === "parent") bytes.fill(0, pos, pos + length);
    pos += length;
  }
}
