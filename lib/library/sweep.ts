/**
 * Puts away what nobody owns: folders that the ledger says are due, uploads that were given up, versions whose job
 * ended without a word. Only what the ledger or the uploads table names is ever removed.
 */
import { rm } from "node:fs/promises";
import { and, eq, inArray, isNull, lt, ne, or } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import { images, imageVersions, jobs, ledger, uploads, users } from "#lib/db/schema.ts";
import { ENDED_JOB_STATES } from "#lib/domain/job.ts";
import { errorToJson } from "#lib/errors.ts";
import { withoutResult } from "#lib/jobs/handler.ts";
import type { Services } from "#lib/services/context.ts";
import { openLibrary } from "./store.ts";
import { finishUpload } from "./uploads/finish-upload.ts";
import { receivedBytes } from "./uploads/upload-record.ts";
import { uploadPath } from "./uploads/upload-path.ts";
import { endVersion } from "./version-state.ts";

const EVERY_MS = 10 * 60_000;
/** An unfinished upload may be gone on with for so long. */
const GIVEN_UP_MS = 7 * 24 * 3600_000;
/** A sender whose last answer was lost asks within minutes. */
const FILED_MS = 24 * 3600_000;

export interface LibrarySweep {
  close(): Promise<void>;
}

/** At once, and every ten minutes. */
export async function startLibrarySweep(services: Services): Promise<LibrarySweep> {
  let work: Promise<void> = Promise.resolve();
  const then = (step: () => Promise<void>): Promise<void> => {
    work = work.then(step).catch((error: unknown) => services.log.error({ err: error }, "tidying the library failed"));
    return work;
  };
  const all = () =>
    then(async () => {
      await fileWholeUploads(services);
      await settleVersions(services);
      await removeAbandoned(services);
      await forgetUploads(services);
    });
  const timer = setInterval(() => void all(), EVERY_MS);
  timer.unref();
  // Made at the first start, so that workers know which folder to look for.
  await openLibrary(services);
  await all();
  return {
    async close() {
      clearInterval(timer);
      await work;
    },
  };
}

/** Removes folders of versions that are gone. The job that made one must have ended. */
export async function removeAbandoned(services: Pick<Services, "db" | "dataDir">): Promise<void> {
  const due = await services.db
    .select({ seq: ledger.seq, ref: ledger.ref })
    .from(ledger)
    .innerJoin(jobs, eq(jobs.id, ledger.jobId))
    .where(
      and(
        eq(ledger.kind, "file"),
        isNull(ledger.hostId),
        inArray(ledger.state, ["planned", "made"]),
        inArray(jobs.state, [...ENDED_JOB_STATES]),
      ),
    );
  if (due.length === 0) return;
  const library = await openLibrary(services);
  for (const { seq, ref } of due) {
    const [, folder] = /^library\/([0-9a-f-]{36})$/.exec(ref) ?? [];
    if (folder === undefined) continue;
    const [owner] = await services.db
      .select({ state: imageVersions.state })
      .from(imageVersions)
      .where(and(eq(imageVersions.folder, folder), isNull(imageVersions.removedAt), ne(imageVersions.state, "failed")));
    // A version that lives owns its folder, whatever the ledger was last told.
    if (owner !== undefined) continue;
    await library.remove(folder);
    await services.db.update(ledger).set({ state: "removed", updatedAt: new Date() }).where(eq(ledger.seq, seq));
  }
}

/** A version and its job end together. Where they do not say the same, an older release or a restored backup is at work. */
async function settleVersions(services: Services): Promise<void> {
  const rows = await services.db
    .select({ version: imageVersions, job: jobs, imageName: images.name })
    .from(imageVersions)
    .innerJoin(images, eq(images.id, imageVersions.imageId))
    .innerJoin(jobs, eq(jobs.id, imageVersions.jobId))
    .where(and(inArray(imageVersions.state, ["receiving", "analysing"]), inArray(jobs.state, [...ENDED_JOB_STATES])));
  for (const { version, job, imageName } of rows) {
    const state = job.state === "cancelled" ? ("cancelled" as const) : ("failed" as const);
    const repaired = await services.db.transaction(async (tx) => {
      if (!(await endVersion(tx, job, { state, error: job.error ?? errorToJson(withoutResult(job)) }))) return false;
      await appendAudit(tx, SUPRAVISOR, {
        action: "image.repaired",
        subject: { kind: "image", id: version.imageId, name: imageName },
        details: { version: version.number, was: version.state, jobId: job.id, job: job.state },
      });
      return true;
    });
    if (!repaired) continue;
    services.log.warn({ jobId: job.id, versionId: version.id }, "a version was still open though its job had ended");
    services.events.publish({ type: "image", id: version.imageId });
    services.events.publish({ type: "audit" });
  }
}

/** All bytes had come, and the server went before it could say so. */
async function fileWholeUploads(services: Services): Promise<void> {
  const rows = await services.db
    .select({ upload: uploads, user: users })
    .from(uploads)
    .innerJoin(users, eq(users.id, uploads.userId))
    .where(inArray(uploads.state, ["receiving", "whole"]));
  for (const { upload, user } of rows) {
    if ((await receivedBytes(services, upload.id)) !== upload.size) continue;
    const actor = { id: user.id, name: user.name, role: user.role, via: "system" as const, address: null };
    await finishUpload(services, actor, upload.id);
  }
}

async function forgetUploads(services: Services): Promise<void> {
  const now = Date.now();
  const old = await services.db
    .select()
    .from(uploads)
    .where(
      or(
        and(ne(uploads.state, "filed"), lt(uploads.createdAt, new Date(now - GIVEN_UP_MS))),
        and(eq(uploads.state, "filed"), lt(uploads.createdAt, new Date(now - FILED_MS))),
      ),
    );
  for (const row of old) {
    if (row.state === "filed" && (await receivedBytes(services, row.id)) > 0) {
      // Its analysis has not moved it yet: as long as the version lives it still may.
      const [version] =
        row.versionId === null
          ? []
          : await services.db
              .select({ id: imageVersions.id })
              .from(imageVersions)
              .where(eq(imageVersions.id, row.versionId));
      if (version !== undefined) continue;
    }
    await rm(uploadPath(services.dataDir, row.id), { force: true });
    await services.db.transaction(async (tx) => {
      const [gone] = await tx.delete(uploads).where(eq(uploads.id, row.id)).returning({ id: uploads.id });
      if (gone === undefined || row.state === "filed") return;
      await appendAudit(tx, SUPRAVISOR, {
        action: "upload.given-up",
        subject: { kind: "upload", id: row.id, name: row.fileName },
        details: { bytes: row.size, by: "its age", begun: row.createdAt.toISOString() },
      });
    });
  }
}
