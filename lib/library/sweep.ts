/**
 * Puts away what nobody owns: folders that the ledger says are due, uploads that were given up, versions whose job
 * ended without a word. Only what the ledger or the uploads table names is ever removed.
 */
import { rm } from "node:fs/promises";
import { and, eq, inArray, isNull, lt, ne, or } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import { imageVersions, jobs, ledger, uploads, users } from "#lib/db/schema.ts";
import { errorToJson, AppError } from "#lib/errors.ts";
import type { Services } from "#lib/services/context.ts";
import { openLibrary } from "./store.ts";
import { finishUpload } from "./uploads/finish-upload.ts";
import { receivedBytes } from "./uploads/upload-record.ts";
import { uploadPath } from "./uploads/upload-path.ts";
import { keepFolder, type VersionRow } from "./version-state.ts";

const FINISHED = ["succeeded", "failed", "cancelled"] as const;
const EVERY_MS = 10 * 60_000;
/** An unfinished upload may be gone on with for so long. */
const GIVEN_UP_MS = 7 * 24 * 3600_000;
/** A sender whose last answer was lost asks within minutes. */
const FILED_MS = 24 * 3600_000;

export interface LibrarySweep {
  close(): Promise<void>;
}

/** At once, every ten minutes, and for a version as soon as its job has ended. */
export async function startLibrarySweep(services: Services): Promise<LibrarySweep> {
  let work: Promise<void> = Promise.resolve();
  const then = (step: () => Promise<void>): Promise<void> => {
    work = work.then(step).catch((error: unknown) => services.log.error({ err: error }, "tidying the library failed"));
    return work;
  };
  const all = () =>
    then(async () => {
      await fileWholeUploads(services);
      await settleVersions(services, null);
      await removeAbandoned(services);
      await forgetUploads(services);
    });
  const timer = setInterval(() => void all(), EVERY_MS);
  timer.unref();
  const unsubscribe = services.events.subscribe((event) => {
    if (event.type === "job") void then(() => settleVersions(services, event.id));
  });
  // Made at the first start, so that workers know which folder to look for.
  await openLibrary(services);
  await all();
  return {
    async close() {
      clearInterval(timer);
      unsubscribe();
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
        inArray(jobs.state, [...FINISHED]),
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

/** A job that was cancelled before it began never ran its handler: its version would wait for ever. */
async function settleVersions(services: Services, jobId: string | null): Promise<void> {
  const rows: { version: VersionRow; job: typeof jobs.$inferSelect }[] = await services.db
    .select({ version: imageVersions, job: jobs })
    .from(imageVersions)
    .innerJoin(jobs, eq(jobs.id, imageVersions.jobId))
    .where(
      and(
        inArray(imageVersions.state, ["receiving", "analysing"]),
        inArray(jobs.state, [...FINISHED]),
        jobId === null ? undefined : eq(jobs.id, jobId),
      ),
    );
  for (const { version, job } of rows) {
    const error =
      job.error ??
      errorToJson(
        new AppError("cancelled", "job.cancelled", `The job was cancelled by ${job.cancelRequestedBy ?? "somebody"}.`),
      );
    await services.db.transaction(async (tx) => {
      const [changed] = await tx
        .update(imageVersions)
        .set({ state: "failed", error })
        .where(and(eq(imageVersions.id, version.id), inArray(imageVersions.state, ["receiving", "analysing"])))
        .returning({ id: imageVersions.id });
      // Uploaded files are whole: they stay for another analysis.
      if (changed !== undefined && job.kind === "image.analyse") await keepFolder(tx, version);
    });
    services.events.publish({ type: "image", id: version.imageId });
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
