/** A disk in another format, as a file that is nowhere stored: its length is exact and any range is made on demand. */
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource } from "#lib/disk/block-source.ts";
import { parseOptions } from "#lib/disk/convert.ts";
import type { FilePlan } from "#lib/disk/plan.ts";
import { readPlan } from "#lib/disk/plan-reader.ts";
import { formatOf } from "#lib/disk/registry.ts";

export interface VirtualFile {
  /** What a client sees: `web01.vmdk`. */
  readonly name: string;
  /** Bytes. */
  readonly length: number;
  /** Stretches of the file, sorted and gapless over [from, to) and a little more; `zero` reads as zeros. */
  stretches(
    from: number,
    to: number,
  ): Iterable<{ readonly at: number; readonly length: number; readonly zero: boolean }>;
  /** Fills `into` from `offset`. Throws `io.past-end`, and what the disk throws. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
}

export interface VirtualFileOptions {
  readonly disk: BlockSource;
  readonly name: string;
  readonly format: DiskFormatId;
  /** Of the format, in its own words. */
  readonly options?: Record<string, unknown>;
  readonly signal?: AbortSignal;
}

/**
 * Throws `image.not-plannable` for a target whose length is known only at its end (compressed ones), `options.invalid`,
 * and what planning throws. The disk stays the caller's and must outlive the file.
 */
export async function planVirtualFile(request: VirtualFileOptions): Promise<VirtualFile> {
  const { disk, name, signal } = request;
  const format = formatOf(request.format);
  const options = parseOptions(format, request.options ?? {});
  if (format.plan === undefined) throw noLength(format.label);
  const plan: FilePlan = await format.plan(disk, options, signal);
  return {
    name,
    length: plan.length,
    *stretches(from, to) {
      for (const { at, length, kind } of plan.segments(from, to)) yield { at, length, zero: kind === "zero" };
    },
    read: (offset, into, stop) => readPlan(plan, disk, offset, into, stop),
  };
}

function noLength(label: string): AppError {
  return new AppError(
    "unprocessable",
    "image.not-plannable",
    `${label} with these options cannot be served: its length is known only when all of it is written.`,
    { hint: "Choose an uncompressed variant, or convert to a file." },
  );
}
