/** The frame of import and capture: a fresh folder, the files, then analysis; what failed leaves nothing behind. */
import { errorToJson } from "#lib/errors.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import type { Analysis } from "../analyse-files.ts";
import { fullOr } from "../space.ts";
import { openLibrary } from "../store.ts";
import { finishWithoutFiles, loadVersion, setState, type VersionRow } from "../version-state.ts";
import { isStopping, runAnalysis } from "./run-analysis.ts";

export interface Filled {
  /** Files that were written into the folder. */
  readonly fileNames: readonly string[];
}

/**
 * `fill` writes into the folder, which is new and empty also when an attempt before had begun. Its failure removes
 * the folder and marks the version; a worker that stops leaves both for the next attempt. Null: the version is gone.
 */
export async function fillVersion<T extends Filled>(
  io: JobIO,
  versionId: string,
  label: string,
  fill: (version: VersionRow, folder: string) => Promise<T>,
): Promise<{ filled: T; analysis: Analysis } | null> {
  const { services } = io;
  const found = await loadVersion(services, versionId);
  if (found === null) return null;
  const { version } = found;
  let filled: T;
  try {
    const library = await openLibrary(services);
    await setState(services, version, "receiving");
    const folder = await library.fresh(version.folder);
    await io.stage("receive", "running", label);
    filled = await fill(version, folder);
    io.signal.throwIfAborted();
    await library.settle(version.folder, filled.fileNames);
    await io.stage("receive", "done");
  } catch (thrown) {
    if (isStopping(io.signal)) throw thrown;
    const error = fullOr(thrown) ?? thrown;
    await io.stage("receive", "failed");
    await finishWithoutFiles(services, version, errorToJson(io.signal.aborted ? io.signal.reason : error));
    throw error;
  }
  return { filled, analysis: await runAnalysis(io, version) };
}
