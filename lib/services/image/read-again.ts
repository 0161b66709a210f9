import { and, eq, inArray, isNull } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { imageDisks, images, imageVersions, jobs, requests } from "#lib/db/schema.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { MachineWish } from "#lib/domain/image.ts";
import { AppError } from "#lib/errors.ts";
import { imageNotFound } from "#lib/library/create-version.ts";
import { imageLinked } from "#lib/library/disk-row.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/**
 * Reads a version's files anew, as the format that the person says: what no content can tell is raw. Of a package with
 * several machines, the one that is meant.
 * Throws `image.not-found`, `image.in-use`, `image.linked`, `image.no-files`. Answers the job.
 */
export async function readVersionAgain(
  ctx: Ctx,
  imageId: string,
  versionId: string,
  from: SourceFormatId | null,
  wish: MachineWish = { machine: null, configuration: null },
): Promise<string> {
  await authorise(ctx, "image.add", {
    action: "image.read-again",
    subject: { kind: "image", id: imageId, name: "" },
  });
  const jobId = await ctx.db.transaction(async (tx) => {
    const [found] = await tx
      .select({ version: imageVersions, image: images })
      .from(imageVersions)
      .innerJoin(images, eq(images.id, imageVersions.imageId))
      .where(and(eq(imageVersions.id, versionId), eq(imageVersions.imageId, imageId), isNull(imageVersions.removedAt)))
      .for("update");
    if (found === undefined) throw imageNotFound();
    const { version, image } = found;
    if (version.source.kind === "linked") throw imageLinked();
    const [job] = version.jobId === null ? [] : await tx.select().from(jobs).where(eq(jobs.id, version.jobId));
    if (job !== undefined && ["queued", "running", "cancelling"].includes(job.state)) {
      throw new AppError("conflict", "image.in-use", `A job works on ${image.name} v${version.number}: ${job.title}.`, {
        hint: "Wait until it has ended.",
      });
    }
    const [wanted] = await tx
      .select({ number: requests.number })
      .from(requests)
      .where(and(eq(requests.imageVersionId, versionId), inArray(requests.status, ["pending", "approved", "running"])));
    if (wanted !== undefined) {
      throw new AppError(
        "conflict",
        "image.in-use",
        `${image.name} v${version.number} is wanted by request ${wanted.number} as it is.`,
        {
          hint: "Wait until it has ended, or cancel it.",
        },
      );
    }
    await tx.delete(imageDisks).where(eq(imageDisks.versionId, versionId));
    const next = await ctx.jobs.enqueue(tx, {
      kind: "image.analyse",
      title: `Analyse ${image.name} v${version.number}`,
      subject: { kind: "image", id: imageId },
      input: { versionId, ...wish },
      actor: ctx.actor,
    });
    await tx
      .update(imageVersions)
      .set({ state: "analysing", error: null, saidFormat: from, jobId: next })
      .where(eq(imageVersions.id, versionId));
    await appendAudit(tx, ctx.actor, {
      action: "image.read-again",
      subject: { kind: "image", id: imageId, name: image.name },
      details: { version: version.number, from, ...wish },
    });
    return next;
  });
  ctx.events.publish({ type: "image", id: imageId });
  ctx.events.publish({ type: "audit" });
  return jobId;
}
