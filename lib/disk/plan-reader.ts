/** Bytes of a target file before it exists: what an HTTP range or an NBD read asks for. */
import type { BlockSource } from "./block-source.ts";
import { AppError } from "#lib/errors.ts";
import type { FilePlan } from "./plan.ts";

/** Fills `into` with the file's bytes from `offset`. Throws `io.past-end`, and what the disk throws. */
export async function readPlan(
  plan: FilePlan,
  disk: BlockSource,
  offset: number,
  into: Uint8Array,
  signal?: AbortSignal,
): Promise<void> {
  const end = offset + into.length;
  if (!Number.isSafeInteger(offset) || offset < 0 || end > plan.length) {
    throw new AppError("internal", "io.past-end", `Bytes ${offset} to ${end} of a file of ${plan.length} were wanted.`);
  }
  const reads: Promise<void>[] = [];
  try {
    for (const segment of plan.segments(offset, end)) {
      const from = Math.max(segment.at, offset);
      const to = Math.min(segment.at + segment.length, end);
      if (to <= from) continue;
      const part = into.subarray(from - offset, to - offset);
      if (segment.kind === "zero") part.fill(0);
      else if (segment.kind === "meta") part.set(segment.bytes().subarray(from - segment.at, to - segment.at));
      else reads.push(disk.read(segment.offset + (from - segment.at), part, signal));
    }
  } catch (error) {
    await Promise.allSettled(reads);
    throw error;
  }
  // All of them, even after a failure: nobody may write into the caller's buffer later.
  for (const result of await Promise.allSettled(reads)) if (result.status === "rejected") throw result.reason;
}
