/** Lays out a flat VMDK: a descriptor, and the disk byte for byte in a file beside it. */
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "../../block-source.ts";
import { tooLarge } from "../../image-error.ts";
import { flatRegion, mapData } from "../../packed-data.ts";
import type { FilePair } from "../../plan.ts";
import { metaRegion, planOf } from "../../region.ts";
import { SECTOR } from "./layout.ts";
import { describeNew } from "./new-descriptor.ts";
import type { VmdkOptions } from "./options.ts";

/** 62 TiB, where VMFS ends. */
const MAX_DISK_BYTES = 62 * 2 ** 40;
/** Only how the data is told apart from zeros; the file has no blocks. */
const BLOCK_BYTES = 65_536;

export function isFlat({ subformat }: VmdkOptions): boolean {
  return subformat === "monolithicFlat" || subformat === "vmfs";
}

/** For callers that can make one file only. */
export function twoFiles(subformat: string): AppError {
  return new AppError(
    "invalid",
    "options.two-files",
    `A ${subformat} VMDK is two files, a descriptor and the disk beside it; here only one can be made.`,
    { hint: "Convert to files in a folder, or choose monolithicSparse or streamOptimized." },
  );
}

/** `web01.vmdk` gets `web01-flat.vmdk` beside it. Null for subformats of one file. */
export async function planFlatVmdk(
  disk: BlockSource,
  options: VmdkOptions,
  fileName: string,
  signal?: AbortSignal,
): Promise<FilePair | null> {
  if (!isFlat(options)) return null;
  if (disk.size > MAX_DISK_BYTES) throw tooLarge("VMDK", disk.size, MAX_DISK_BYTES);
  const dataName = `${fileName.replace(/\.vmdk$/i, "")}-flat.vmdk`;
  // The descriptor has no way to write these.
  if (/["\p{Cc}]/u.test(dataName)) {
    throw new AppError("invalid", "io.bad-name", `A flat VMDK cannot be called ${JSON.stringify(fileName)}.`, {
      hint: "Choose a name without quotes and control characters.",
    });
  }
  const sectors = Math.ceil(disk.size / SECTOR);
  const length = sectors * SECTOR;
  const extent = options.subformat === "vmfs" ? `VMFS "${dataName}"` : `FLAT "${dataName}" 0`;
  const text = Buffer.from(describeNew(options, sectors, extent), "utf8");
  const map = await mapData(disk, BLOCK_BYTES, signal);
  const regions = length === 0 ? [] : [flatRegion(map, 0, length)];
  return {
    main: planOf([metaRegion(0, text.length, () => text)], text.length),
    data: planOf(regions, length),
    dataName,
  };
}
