/** A disk into a volume that a host has made ready, whichever of the two moves the bytes. */
import { type Conversion, convertDisk, type ConvertDiskOptions } from "#lib/disk/convert.ts";
import { planOutgoing } from "#lib/disk/outgoing-file.ts";
import type { CreatedDisk } from "./adapter.ts";

/** Throws what disk, format and host throw; then the volume is left to `remove`. */
export async function fillDisk(created: CreatedDisk, source: Omit<ConvertDiskOptions, "sink">): Promise<Conversion> {
  if ("pull" in created) {
    await using file = await planOutgoing(source);
    await created.pull(file, source.signal);
    return await file.finish();
  }
  await using sink = created.sink;
  return await convertDisk({ ...source, sink });
}
