/** Job `image.analyse`: files that were uploaded, or that a person wants to be read as another format. */
import { eq } from "drizzle-orm";
import { z } from "zod";
import { uploads } from "#lib/db/schema.ts";
import type { JobIO } from "#lib/jobs/handler.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { openLibrary } from "../store.ts";
import { uploadPath } from "../uploads/upload-path.ts";
import { loadVersion, type VersionRow } from "../version-state.ts";
import { runAnalysis } from "./run-analysis.ts";
import { versionJob } from "./version-job.ts";

const Input = z.object({ versionId: z.uuid() });

export const analyseHandler = versionJob(async (io) => {
  const { versionId } = Input.parse(io.input);
  const found = await patiently(() => loadVersion(io.services, versionId));
  if (found === null) return null;
  await adoptUploads(io, found.version);
  return runAnalysis(io, found.version);
});

/** Moves finished uploads into the version's folder. Each move may have been done by an attempt before. */
async function adoptUploads(io: JobIO, version: VersionRow): Promise<void> {
  const { db, dataDir } = io.services;
  const rows = await patiently(() => db.select().from(uploads).where(eq(uploads.versionId, version.id)));
  if (rows.length === 0) return;
  const library = await openLibrary(io.services);
  for (const row of rows) {
    // The row stays for a while: a sender whose last answer was lost asks how far it got.
    await library.adopt(uploadPath(dataDir, row.id), version.folder, row.fileName);
  }
}
