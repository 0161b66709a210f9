/** How full each part of a disk is, for a picture. */
import type { AllocationMap } from "#lib/domain/guest.ts";
import type { BlockSource } from "./block-source.ts";

/** Shares of data in `slices` equal parts of the disk, first to last. Reads no data. */
export async function allocationMap(disk: BlockSource, slices: number, signal?: AbortSignal): Promise<AllocationMap> {
  const held = new Float64Array(slices);
  const width = disk.size / slices;
  let dataBytes = 0;
  for await (const extent of disk.extents(signal)) {
    if (extent.kind === "zero") continue;
    dataBytes += extent.length;
    const end = extent.offset + extent.length;
    for (let i = Math.floor(extent.offset / width); i < slices && i * width < end; i++) {
      const inside = Math.min(end, (i + 1) * width) - Math.max(extent.offset, i * width);
      held[i] = (held[i] ?? 0) + Math.max(0, inside);
    }
  }
  return { slices: Array.from(held, (bytes) => (width === 0 ? 0 : Math.min(1, bytes / width))), dataBytes };
}
