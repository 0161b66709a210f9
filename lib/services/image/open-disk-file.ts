import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { and, eq } from "drizzle-orm";
import { imageDisks, imageVersions } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { imageNotFound } from "#lib/library/create-version.ts";
import { requireStored } from "#lib/library/disk-row.ts";
import { storedFileName } from "#lib/library/file-names.ts";
import { openPlainFile } from "#lib/library/plain-file.ts";
import { openLibrary } from "#lib/library/store.ts";
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
 * An original file of a disk, as it was given; `fileName` null: the main one. The caller closes the handle.
 * Throws `image.not-found`, `image.linked`, `image.no-such-file`, `library.file-missing`.
 */
export async function openDiskFile(
  ctx: Ctx,
  where: { readonly imageId: string; readonly versionId: string; readonly diskId: string },
  fileName: string | null,
): Promise<DiskFile> {
  await authorise(ctx, "image.read");
  const [found] = await ctx.db
    .select({ version: imageVersions, disk: imageDisks })
    .from(imageDisks)
    .innerJoin(imageVersions, eq(imageVersions.id, imageDisks.versionId))
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
  return { fileName: name, size: (await handle.stat()).size, handle, sha256: disk.sha256[index] ?? null };
}
