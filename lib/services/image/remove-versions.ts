import { and, eq, inArray, isNull } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Tx } from "#lib/db/client.ts";
import { imageDisks, images, imageVersions, jobs, ledger, requests } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { folderRef, imageNotFound } from "#lib/library/create-version.ts";
import { removeAbandoned } from "#lib/library/sweep.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

type Version = typeof imageVersions.$inferSelect;

/** Removes an image with all its versions and their files. Throws `image.not-found`, `image.in-use`. */
export async function removeImage(ctx: Ctx, imageId: string): Promise<void> {
  await authorise(ctx, "image.remove", { subject: { kind: "image", id: imageId, name: "" } });
  await removeVersions(ctx, imageId, null);
}

/** Removes one version with its files; the image goes with its last one. Throws `image.not-found`, `image.in-use`. */
export async function removeVersion(ctx: Ctx, imageId: string, versionId: string): Promise<void> {
  await authorise(ctx, "image.remove", {
    action: "image.version-removed",
    subject: { kind: "image", id: imageId, name: "" },
  });
  await removeVersions(ctx, imageId, versionId);
}

async function removeVersions(ctx: Ctx, imageId: string, versionId: string | null): Promise<void> {
  await ctx.db.transaction(async (tx) => {
    const [image] = await tx
      .select()
      .from(images)
      .where(and(eq(images.id, imageId), isNull(images.removedAt)))
      .for("update");
    if (image === undefined) throw imageNotFound();
    const all = await tx
      .select()
      .from(imageVersions)
      .where(and(eq(imageVersions.imageId, imageId), isNull(imageVersions.removedAt)))
      .for("update");
    const going = versionId === null ? all : all.filter(({ id }) => id === versionId);
    if (going.length === 0) throw imageNotFound();
    for (const version of going) await requireUnused(tx, image.name, version);
    for (const version of going) await forget(tx, version);
    const last = going.length === all.length;
    if (last) await forgetImage(tx, imageId);
    await appendAudit(tx, ctx.actor, {
      action: last ? "image.removed" : "image.version-removed",
      subject: { kind: "image", id: imageId, name: image.name },
      details: { versions: going.map(({ number }) => number) },
    });
  });
  ctx.events.publish({ type: "image", id: imageId });
  ctx.events.publish({ type: "audit" });
  // The ledger holds the folders from the same transaction on: what fails here is done by the next sweep.
  await removeAbandoned(ctx).catch((error: unknown) =>
    ctx.log.warn({ err: error }, "files of a removed image are still there"),
  );
}

async function requireUnused(tx: Tx, imageName: string, version: Version): Promise<void> {
  const open = await tx
    .select({ number: requests.number })
    .from(requests)
    .where(and(eq(requests.imageVersionId, version.id), inArray(requests.status, ["pending", "approved", "running"])));
  if (open.length > 0) {
    const which = open.map(({ number }) => number).join(", ");
    throw new AppError(
      "conflict",
      "image.in-use",
      `${imageName} v${version.number} is wanted by ${open.length === 1 ? "request" : "requests"} ${which}.`,
      {
        hint: "Wait until they have ended, or cancel them.",
      },
    );
  }
  if (version.jobId === null) return;
  const [job] = await tx
    .select({ title: jobs.title })
    .from(jobs)
    .where(and(eq(jobs.id, version.jobId), inArray(jobs.state, ["queued", "running", "cancelling"])));
  if (job !== undefined) {
    throw new AppError("conflict", "image.in-use", `A job works on ${imageName} v${version.number}: ${job.title}.`, {
      hint: "Wait until it has ended, or cancel it.",
    });
  }
}

/** Old requests speak of the version: then its row stays, without disks, and no list shows it. */
async function forget(tx: Tx, version: Version): Promise<void> {
  await tx
    .update(ledger)
    .set({ state: "made", updatedAt: new Date() })
    .where(and(eq(ledger.kind, "file"), eq(ledger.ref, folderRef(version.folder)), eq(ledger.state, "kept")));
  await tx.delete(imageDisks).where(eq(imageDisks.versionId, version.id));
  const [old] = await tx
    .select({ id: requests.id })
    .from(requests)
    .where(eq(requests.imageVersionId, version.id))
    .limit(1);
  if (old === undefined) {
    await tx.delete(imageVersions).where(eq(imageVersions.id, version.id));
    return;
  }
  await tx
    .update(imageVersions)
    .set({
      removedAt: new Date(),
      state: "failed",
      error: { kind: "not-found", code: "image.removed", message: "This version was removed." },
    })
    .where(eq(imageVersions.id, version.id));
}

async function forgetImage(tx: Tx, imageId: string): Promise<void> {
  const [row] = await tx
    .select({ id: imageVersions.id })
    .from(imageVersions)
    .where(eq(imageVersions.imageId, imageId))
    .limit(1);
  if (row === undefined) await tx.delete(images).where(eq(images.id, imageId));
  else await tx.update(images).set({ removedAt: new Date() }).where(eq(images.id, imageId));
}
