/** Job `image.analyse`: files that were uploaded, or that a person wants to be read as another format. */
import { eq } from "drizzle-orm";
import { z } from "zod";
import { uploads } from "#lib/db/schema.ts";
import { errorToJson } from "#lib/errors.ts";
import type { JobHandler, JobIO } from "#lib/jobs/runner.ts";
import { fullOr } from "../space.ts";
import { openLibrary } from "../store.ts";
import { uploadPath } from "../uploads/upload-path.ts";
import { finishFailed, loadVersion, type VersionRow } from "../version-state.ts";
import { isStopping, runAnalysis } from "./run-analysis.ts";

const Input = z.object({ versionId: z.uuid() });

export const analyseHandler: JobHandler = async (io) => {
  const { versionId } = Input.parse(io.input);
  const found = await loadVersion(io.services, versionId);
  if (found === null) return;
  try {
    await adoptUploads(io, found.version);
  } catch (thrown) {
    const error = fullOr(thrown) ?? thrown;
    if (!isStopping(io.signal)) await finishFailed(io.services, found.version, errorToJson(error));
    throw error;
  }
  await runAnalysis(io, found.version);
};

/** Moves finished uploads into the version's folder. Each move may have been done by an attempt before. */
async function adoptUploads(io: JobIO, version: VersionRow): Promise<void> {
  const { db, dataDir } = io.services;
  const rows = await db.select().from(uploads).where(eq(uploads.versionId, version.id));
  if (rows.length === 0) return;
  const library = await openLibrary(io.services);
  for (const row of rows) {
    // The row stays for a while: a sender whose last answer was lost asks how far it got.
    await library.adopt(uploadPath(dataDir, row.id), version.folder, row.fileName);
  }
}
