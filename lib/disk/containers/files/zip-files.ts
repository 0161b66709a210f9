/** The files of a zip, each unpacked and compared with its checksum when it is first asked for. */
import { tmpdir } from "node:os";
import { createSpool, type SpoolPlace } from "../../files/spool.ts";
import type { ByteSource, ImageFile } from "../../io.ts";
import { Meter } from "../../wrappers/packing.ts";
import { unzip, zipEntries } from "../../wrappers/zip.ts";
import { dataParts } from "../../zeros.ts";
import { dirtyOf, type PackageFile, type PackageFiles } from "./package-files.ts";

const GAP = 4096;

/** The result owns what it unpacks. Throws `image.*`, `io.no-space`. */
export async function filesOfZip(image: ImageFile, spool?: SpoolPlace, signal?: AbortSignal): Promise<PackageFiles> {
  const entries = new Map((await zipEntries(image, signal)).map((entry) => [entry.name, entry]));
  const opened = new Map<string, Promise<PackageFile>>();
  const place = spool ?? { folder: tmpdir(), name: "package" };
  return {
    apart: false,
    ...dirtyOf(image),
    names: [...entries.keys()],
    async open(name) {
      const entry = entries.get(name);
      if (entry === undefined) return null;
      const known = opened.get(name);
      if (known !== undefined) return known;
      const unpacked = kept(name, unzip(image, entry, new Meter(image.name), signal), place).then(
        (bytes): PackageFile => ({ name, bytes, file: image.name, at: entry.at, plain: false }),
      );
      opened.set(name, unpacked);
      unpacked.catch(() => opened.delete(name));
      return unpacked;
    },
    async [Symbol.asyncDispose]() {
      for (const file of await Promise.allSettled(opened.values()))
        if (file.status === "fulfilled") await file.value.bytes[Symbol.asyncDispose]();
    },
  };
}

async function kept(name: string, bytes: AsyncIterable<Uint8Array>, place: SpoolPlace): Promise<ByteSource> {
  await using spool = await createSpool(place);
  let length = 0;
  for await (const piece of bytes) {
    for (const [from, to] of dataParts(piece, length, GAP)) await spool.write(length + from, piece.subarray(from, to));
    length += piece.length;
  }
  return await spool.source(length, name);
}
