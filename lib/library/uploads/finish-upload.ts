/** From bytes to a version: the row, the job and the audit entry are one transaction; the job moves the files. */
import { and, eq, isNull, sql } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { images, imageVersions, uploads } from "#lib/db/schema.ts";
import type { Actor, Services } from "#lib/services/context.ts";
import { createVersion } from "../create-version.ts";
import { imageNameOf } from "../file-names.ts";
import type { UploadRow } from "./upload-record.ts";

/**
 * Call when all bytes are here and durable, as often as you like. Answers the image; null while other files of the
 * set are missing.
 */
export async function finishUpload(services: Services, actor: Actor, id: string): Promise<string | null> {
  const imageId = await services.db.transaction(async (tx) => {
    const [row] = await tx.select().from(uploads).where(eq(uploads.id, id)).for("update");
    if (row === undefined) return null;
    if (row.state === "filed") return imageOf(tx, row.versionId);
    const files = await wholeSet(tx, row);
    return files === null ? null : file(tx, services, actor, files);
  });
  if (imageId !== null) {
    services.events.publish({ type: "image", id: imageId });
    services.events.publish({ type: "audit" });
  }
  return imageId;
}

async function imageOf(tx: Tx, versionId: string | null): Promise<string | null> {
  if (versionId === null) return null;
  const [version] = await tx
    .select({ imageId: imageVersions.imageId })
    .from(imageVersions)
    .where(eq(imageVersions.id, versionId));
  return version?.imageId ?? null;
}

/** All files of the upload's set once the last is whole; a file of its own is its whole set. */
async function wholeSet(tx: Tx, row: UploadRow): Promise<UploadRow[] | null> {
  if (row.setId === null) return [row];
  // The last two files may end at the same moment: one of them has to see the other.
  await tx.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`upload-set:${row.setId}`}, 0))`);
  await tx.update(uploads).set({ state: "whole" }).where(eq(uploads.id, row.id));
  const whole = await tx
    .select()
    .from(uploads)
    .where(and(eq(uploads.userId, row.userId), eq(uploads.setId, row.setId), eq(uploads.state, "whole")));
  return whole.length < (row.setSize ?? 1) ? null : whole;
}

async function file(tx: Tx, services: Services, actor: Actor, files: UploadRow[]): Promise<string> {
  // A descriptor is by far the smallest of its set, and its name is the one that people know.
  const sorted = [...files].sort((a, b) => a.size - b.size || a.fileName.localeCompare(b.fileName));
  const main = sorted[0];
  if (main === undefined) throw new Error("a set without files");
  const wanted = sorted.find((row) => row.imageId !== null)?.imageId ?? null;
  const said = sorted.find((row) => row.imageName !== null)?.imageName ?? imageNameOf(main.fileName);
  const started = await createVersion(tx, services, actor, {
    // What was free when the upload began may be taken or gone by now; the bytes are worth more than the wish.
    destination: { imageId: await stillThere(tx, wanted), name: null, fallbackName: said },
    source: { kind: "upload", fileName: main.fileName },
    saidFormat: sorted.find((row) => row.saidFormat !== null)?.saidFormat ?? null,
    state: "analysing",
    job: { kind: "image.analyse", verb: "Analyse", input: () => ({}) },
  });
  for (const row of files) {
    await tx.update(uploads).set({ state: "filed", versionId: started.versionId }).where(eq(uploads.id, row.id));
  }
  return started.imageId;
}

async function stillThere(tx: Tx, imageId: string | null): Promise<string | null> {
  if (imageId === null) return null;
  const [image] = await tx
    .select({ id: images.id })
    .from(images)
    .where(and(eq(images.id, imageId), isNull(images.removedAt)));
  return image?.id ?? null;
}
