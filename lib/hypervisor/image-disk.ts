/** Image files on a host as the disks in them, for hosts that can seek in their files. */
import type { ImageFile } from "#lib/disk/io.ts";
import { openImage } from "#lib/disk/registry.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { HostDisk } from "./adapter.ts";

/**
 * Owns the file from now on. `said` is the host's word for the format: it counts, since a guest can write what looks
 * like another format into its raw disk. Null: the content decides. Throws `image.*`.
 */
export async function openImageDisk(
  file: ImageFile & AsyncDisposable,
  said: SourceFormatId | null,
  signal?: AbortSignal,
): Promise<HostDisk> {
  try {
    const image = await openImage(file, {
      ...(said === null ? {} : { from: said }),
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      access: "random",
      disk: image.disk,
      async [Symbol.asyncDispose]() {
        await image[Symbol.asyncDispose]();
        await file[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await file[Symbol.asyncDispose]();
    throw error;
  }
}
