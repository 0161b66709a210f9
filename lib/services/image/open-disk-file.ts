import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { and, eq } from "drizzle-orm";
import { imageDisks, images, imageVersions } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { imageNotFound } from "#lib/library/create-version.ts";
import { requireStored } from "#lib/library/disk-row.ts";
import { storedFileName } from "#lib/library/file-names.ts";
import { openPlainFile } from "#lib/library/plain-file.ts";
import { openLibrary } from "#lib/library/store.ts";
import { recordRepeatable } from "#lib/audit/repeats.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

export interface DiskFile {
  readonly fileName: string;
  readonly size: number;
  readonly handle: FileHandle;
  /** Hex SHA-256; the same bytes for as long as the version lives. */
  readonly sha256: string | null;
}

/**
 * An original file of a disk, as it was given; `fileName` null: the main one. The caller closes the handle. That it is
 * `taken` out of the library, and not only looked at, is in the trail before this returns. Throws `image.not-found`, `image.linked`, `image.no-such-file`, `library.file-missing`.
 */
export async function openDiskFile(
  ctx: Ctx,
  where: { readonly imageId: string; readonly versionId: string; readonly diskId: string },
  fileName: string | null,
  taken = true,
): Promise<DiskFile> {
  const subject = { kind: "image", id: where.imageId, name: "" } as const;
  await authorise(ctx, "image.download", { subject });
  const [found] = await ctx.db
    .select({ version: imageVersions, disk: imageDisks, imageName: images.name })
    .from(imageDisks)
    .innerJoin(imageVersions, eq(imageVersions.id, imageDisks.versionId))
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .where(
      and(
        eq(imageDisks.id, where.diskId),
        eq(imageVersions.id, where.versionId),
        eq(imageVersions.imageId, where.imageId),
      ),
    );
  if (found === undefined) throw imageNotFound();
  const { version } = found;
  const disk = requireStored(found.disk);
  const name = fileName ?? disk.fileName;
  const index = disk.files.indexOf(name);
  if (index < 0) throw new AppError("not-found", "image.no-such-file", "The disk has no file of that name.");
  const path = join((await openLibrary(ctx)).pathOf(version.folder), storedFileName(name));
  const handle = await openPlainFile(path).catch((cause: unknown) => {
    throw new AppError("unavailable", "library.file-missing", `${name} is not in the library.`, {
      hint: "The library folder was changed by somebody else, or is not mounted.",
      cause,
    });
  });
  try {
    const { size } = await handle.stat();
    const sha256 = disk.sha256[index] ?? null;
    if (taken) {
      // A download in a thousand ranges is one entry and a count.
      await recordRepeatable(ctx, ctx.actor, {
        action: "image.downloaded",
        subject: { ...subject, name: found.imageName },
        details: { version: version.number, disk: disk.position, file: name, format: disk.format, bytes: size, sha256 },
      });
    }
    return { fileName: name, size, handle, sha256 };
  } catch (error) {
    await handle.close();
    throw error;
  }
}
