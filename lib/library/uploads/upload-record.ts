/** Uploads as rows: who sends what, and how much of it is here. */
import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, rm } from "node:fs/promises";
import { and, asc, eq, ne } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { uploads } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx, Services } from "#lib/services/context.ts";
import { checkDestination } from "../create-version.ts";
import { requireDistinct } from "../file-names.ts";
import { OWN_FILE, OWN_FOLDER } from "../own-modes.ts";
import { fullOr } from "../space.ts";
import type { UploadAim } from "./metadata.ts";
import { arrived, requireFewOpen, requireRoom } from "./reservation.ts";
import { uploadPath, uploadsFolder } from "./upload-path.ts";

export type UploadRow = typeof uploads.$inferSelect;

/** 16 TiB: what ext4 holds in one file. */
export const MAX_UPLOAD = 16 * 1024 ** 4;

function person(ctx: Ctx): string {
  if (ctx.actor.id === null) throw new AppError("forbidden", "auth.forbidden", "Only a person uploads.");
  return ctx.actor.id;
}

/** Throws `upload.empty`, `upload.too-large`, `library.full`, `image.not-found`, `image.name-taken`, `image.names-collide`, `upload.in-set`, `upload.too-many`. */
export async function beginUpload(ctx: Ctx, aim: UploadAim, size: number): Promise<UploadRow> {
  const userId = person(ctx);
  if (size === 0) throw new AppError("invalid", "upload.empty", `${aim.fileName} is empty.`);
  if (size > MAX_UPLOAD)
    throw new AppError("unprocessable", "upload.too-large", `${aim.fileName} is larger than 16 TiB.`);
  await checkDestination(ctx.db, { imageId: aim.imageId, name: aim.imageName });
  await makeUploadsFolder(ctx.dataDir);
  await requireFewOpen(ctx, userId, aim.setId);
  await requireRoom(ctx, { userId, id: null, fileName: aim.fileName, wanted: size });
  await requireDistinctInSet(ctx, userId, aim);
  const id = randomUUID();
  // The row first: a file without one would never be found again.
  const row = await ctx.db.transaction(async (tx) => {
    const [begun] = await tx
      .insert(uploads)
      .values({ id, userId, ...aim, size })
      .onConflictDoNothing()
      .returning();
    if (begun === undefined) {
      throw new AppError("conflict", "upload.in-set", `The set has a file ${aim.fileName} already.`, {
        hint: "Go on with that upload, or end it first.",
      });
    }
    await appendAudit(tx, ctx.actor, {
      action: "upload.begun",
      subject: { kind: "upload", id, name: aim.fileName },
      details: { bytes: size, imageId: aim.imageId, imageName: aim.imageName, format: aim.saidFormat, set: aim.setId },
    });
    return begun;
  });
  ctx.events.publish({ type: "audit" });
  try {
    await using file = await open(uploadPath(ctx.dataDir, id), "wx", OWN_FILE);
    await file.sync();
  } catch (error) {
    await ctx.db.delete(uploads).where(eq(uploads.id, id));
    throw fullOr(error) ?? error;
  }
  return row;
}

async function makeUploadsFolder(dataDir: string): Promise<void> {
  const folder = uploadsFolder(dataDir);
  try {
    await mkdir(folder, { recursive: true, mode: OWN_FOLDER });
    // One that an earlier release made may be open to a group.
    await chmod(folder, OWN_FOLDER);
  } catch (error) {
    throw fullOr(error) ?? error;
  }
}

/** Names that some file systems take for one would end as one file. */
async function requireDistinctInSet(ctx: Ctx, userId: string, aim: UploadAim): Promise<void> {
  if (aim.setId === null) return;
  const rows = await ctx.db
    .select({ fileName: uploads.fileName })
    .from(uploads)
    .where(and(eq(uploads.userId, userId), eq(uploads.setId, aim.setId)));
  // The very name is told apart by the row's own index.
  requireDistinct([...rows.map(({ fileName }) => fileName).filter((name) => name !== aim.fileName), aim.fileName]);
}

/** Bytes that are here, which the file itself tells. */
export async function receivedBytes(services: Pick<Services, "dataDir">, id: string): Promise<number> {
  return (await arrived(services.dataDir, id)).bytes;
}

/** An upload of this very person; whose it is otherwise is not told. Throws `upload.not-found`. */
export async function findUpload(ctx: Ctx, id: string): Promise<UploadRow> {
  uploadPath(ctx.dataDir, id);
  const [row] = await ctx.db
    .select()
    .from(uploads)
    .where(and(eq(uploads.id, id), eq(uploads.userId, person(ctx))));
  if (row === undefined)
    throw new AppError("not-found", "upload.not-found", "There is no such upload.", { hint: "Begin it anew." });
  return row;
}

/** Throws `upload.finished` for one that is an image by now. */
export async function endUpload(ctx: Ctx, id: string): Promise<void> {
  const row = await findUpload(ctx, id);
  const received = await receivedBytes(ctx, id);
  await ctx.db.transaction(async (tx) => {
    const [gone] = await tx
      .delete(uploads)
      .where(and(eq(uploads.id, row.id), ne(uploads.state, "filed")))
      .returning({ id: uploads.id });
    if (gone === undefined) {
      throw new AppError("conflict", "upload.finished", `${row.fileName} is in the library already.`, {
        hint: "Remove the image's version instead.",
      });
    }
    await appendAudit(tx, ctx.actor, {
      action: "upload.given-up",
      subject: { kind: "upload", id: row.id, name: row.fileName },
      details: { bytes: row.size, received },
    });
  });
  ctx.events.publish({ type: "audit" });
  await rm(uploadPath(ctx.dataDir, row.id), { force: true });
}

export interface UnfinishedUpload {
  readonly row: UploadRow;
  readonly offset: number;
}

export async function unfinishedUploads(ctx: Ctx): Promise<UnfinishedUpload[]> {
  const rows = await ctx.db
    .select()
    .from(uploads)
    .where(and(eq(uploads.userId, person(ctx)), ne(uploads.state, "filed")))
    .orderBy(asc(uploads.createdAt));
  return Promise.all(rows.map(async (row) => ({ row, offset: await receivedBytes(ctx, row.id) })));
}
