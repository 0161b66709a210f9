/**
 * Conversions that copy nothing: the new file says where the disk lies, or is one more name for it. From then on both
 * are one disk, and who writes to one writes to the other. So it is done only for callers who said that they want it.
 */
import { randomBytes } from "node:crypto";
import { link, realpath, rename, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import type { BlockSource } from "../block-source.ts";
import { parseOptions } from "../convert.ts";
import { fileError, isCode } from "../files/file-error.ts";
import { createFileSink, refuseTarget } from "../files/file-sink.ts";
import { formatOf } from "../registry.ts";
import { writePlan } from "../write-plan.ts";
import { flatFile, type FlatFile } from "./flat-file.ts";

export interface ShareDiskOptions {
  readonly disk: BlockSource;
  readonly to: DiskFormatId;
  readonly options: Record<string, unknown>;
  readonly target: string;
  readonly overwrite: boolean;
  readonly signal?: AbortSignal;
}

export interface SharedDisk {
  readonly fileLength: number;
  /** Bytes that were written. */
  readonly moved: number;
  /** The file that holds the disk, as it was before. */
  readonly sharedWith: string;
}

/** null when the disk and the target are not made for it: then it is to be copied. Throws `io.exists`, `options.invalid`. */
export async function shareDisk(request: ShareDiskOptions): Promise<SharedDisk | null> {
  const { disk, target, signal, options } = request;
  // Whoever names a variant that holds the disk itself gets it.
  if (![undefined, "monolithicFlat", "vmfs"].some((flat) => options.subformat === flat)) return null;
  const flat = await flatFile(disk, signal);
  if (flat === null) return null;
  const path = await realpath(flat.path);
  const final = join(await realpath(dirname(resolve(target))), basename(target));
  return request.to === "raw" ? linkRaw(request, flat, path, final) : referTo(request, flat, path, final);
}

async function referTo(
  request: ShareDiskOptions,
  flat: FlatFile,
  path: string,
  final: string,
): Promise<SharedDisk | null> {
  const { disk, options, overwrite, signal } = request;
  // What an image names lies beside it, here as for those that are read.
  if (dirname(path) !== dirname(final)) return null;
  const format = formatOf(request.to);
  const plan = format.refer?.({ name: basename(path), at: flat.at, size: flat.size }, parseOptions(format, options));
  if (plan === undefined || plan === null) return null;
  await using sink = await createFileSink(final, { overwrite });
  const { moved } = await writePlan({ plan, disk, sink, ...(signal === undefined ? {} : { signal }) });
  await sink.commit(plan.length, signal);
  return { fileLength: plan.length, moved, sharedWith: path };
}

/** One more name for the same file. Only where the file is the disk and nothing else. */
async function linkRaw(
  request: ShareDiskOptions,
  flat: FlatFile,
  path: string,
  final: string,
): Promise<SharedDisk | null> {
  if (flat.at !== 0 || flat.fileBytes !== flat.size) return null;
  parseOptions(formatOf("raw"), request.options);
  // Space of its own was asked for.
  if (![undefined, false, "off"].some((off) => request.options.preallocation === off)) return null;
  await refuseTarget(final, request.overwrite);
  const name = request.overwrite ? `${final}.${randomBytes(6).toString("hex")}.part` : final;
  try {
    await link(path, name);
  } catch (error) {
    // Another file system, one without links, or a file that is not ours to link.
    if (isCode(error, "EXDEV", "EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK")) return null;
    throw fileError(error, `Creating ${final}`);
  }
  if (name !== final) {
    try {
      await rename(name, final);
    } catch (error) {
      await unlink(name).catch(() => undefined);
      throw fileError(error, `Replacing ${final}`);
    }
  }
  return { fileLength: flat.size, moved: 0, sharedWith: path };
}
