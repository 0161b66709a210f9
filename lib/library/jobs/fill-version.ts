/** The frame of import and capture: a fresh folder, the files, then analysis; what failed leaves nothing behind. */
import { isLeft, type JobIO } from "#lib/jobs/handler.ts";
import { HostAway } from "#lib/jobs/host-wait.ts";
import { patiently } from "#lib/jobs/patience.ts";
import type { Analysis } from "../analyse-files.ts";
import { openLibrary } from "../store.ts";
import { claimFolder, dropFolder, loadVersion, setState, type VersionRow } from "../version-state.ts";
import { runAnalysis } from "./run-analysis.ts";

export interface Filled {
  /** Files that were written into the folder. */
  readonly fileNames: readonly string[];
}

/**
 * `fill` writes into the folder, which is new and empty also when an attempt before had begun. Its failure removes
 * the folder; a worker that stops leaves it for the next attempt. Null: the version is gone.
 */
export async function fillVersion<T extends Filled>(
  io: JobIO,
  versionId: string,
  label: string,
  fill: (version: VersionRow, folder: string) => Promise<T>,
): Promise<{ filled: T; analysis: Analysis } | null> {
  const { services } = io;
  const found = await patiently(() => loadVersion(services, versionId));
  if (found === null) return null;
  const { version } = found;
  const library = await openLibrary(services);
  let filled: T;
  try {
    await setState(services, version, "receiving");
    await patiently(() => claimFolder(services.db, version));
    const folder = await library.fresh(version.folder);
    await io.stage("receive", "running", label);
    filled = await fill(version, folder);
    io.signal.throwIfAborted();
    await library.settle(version.folder, filled.fileNames);
    await io.stage("receive", "done");
  } catch (error) {
    if (isLeft(io, error)) throw error;
    await io.stage("receive", "failed");
    await library.remove(version.folder);
    if (!(error instanceof HostAway)) await patiently(() => dropFolder(services.db, version));
    throw error;
  }
  return { filled, analysis: await runAnalysis(io, version) };
}
