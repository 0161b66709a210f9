import { and, eq, isNull, ne } from "drizzle-orm";
import type { z } from "zod";
import { appendAudit } from "#lib/audit/append.ts";
import { images, imageVersions } from "#lib/db/schema.ts";
import type { ImageEdit } from "#lib/domain/image.ts";
import { imageNameTaken, imageNotFound } from "#lib/library/create-version.ts";
import { findImage, latestOf } from "#lib/library/image-query.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Name, description, and the hardware hints of the latest version. Throws `image.not-found`, `image.name-taken`. */
export async function editImage(ctx: Ctx, id: string, edit: z.infer<typeof ImageEdit>): Promise<void> {
  await authorise(ctx, "image.edit", { subject: { kind: "image", id, name: "" } });
  const before = await findImage(ctx.db, id);
  const latest = latestOf(before.versions).row;
  await ctx.db.transaction(async (tx) => {
    if (edit.name !== undefined) {
      const [other] = await tx
        .select({ id: images.id })
        .from(images)
        .where(and(eq(images.name, edit.name), ne(images.id, id), isNull(images.removedAt)));
      if (other !== undefined) throw imageNameTaken(edit.name);
    }
    const [image] = await tx
      .update(images)
      .set({ name: edit.name ?? before.row.name, description: edit.description ?? before.row.description })
      .where(and(eq(images.id, id), isNull(images.removedAt)))
      .returning();
    if (image === undefined) throw imageNotFound();
    if (edit.hints !== undefined)
      await tx.update(imageVersions).set({ hints: edit.hints }).where(eq(imageVersions.id, latest.id));
    await appendAudit(tx, ctx.actor, {
      action: "image.edited",
      subject: { kind: "image", id, name: image.name },
      details: {
        ...(edit.name === undefined ? {} : { name: { from: before.row.name, to: edit.name } }),
        ...(edit.description === undefined
          ? {}
          : { description: { from: before.row.description, to: edit.description } }),
        ...(edit.hints === undefined ? {} : { version: latest.number, hints: { from: latest.hints, to: edit.hints } }),
      },
    });
  });
  ctx.events.publish({ type: "image", id });
  ctx.events.publish({ type: "audit" });
}
