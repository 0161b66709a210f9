/** The stage that all three jobs end with: files that are whole become a version that can be deployed. */
import { readdir } from "node:fs/promises";
import { AppError, errorToJson } from "#lib/errors.ts";
import type { JobIO } from "#lib/jobs/runner.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Analysis, AnalyseInput, AnalyseProgress } from "../analyse-files.ts";
import { fullOr } from "../space.ts";
import { openLibrary } from "../store.ts";
import { finishFailed, finishReady, setState, type VersionRow } from "../version-state.ts";

const TASK = new URL("../../transfer/tasks/analyse-image.task.ts", import.meta.url);
/** Between two reports lies at most one block of the disk. */
const STALL_MS = 120_000;

export const isStopping = (signal: AbortSignal): boolean =>
  signal.aborted && signal.reason instanceof AppError && signal.reason.code === "worker.stopping";

/** A capture knows its disks' files; of what people give, one file leads to the others. */
function filesApart({ source }: VersionRow): readonly string[] | null {
  return source.kind === "capture" ? (source.disks?.map(({ fileName }) => fileName) ?? null) : null;
}

/** Throws what analysis throws, after the version holds it. A worker that stops leaves the version as it is. */
export async function runAnalysis(io: JobIO, version: VersionRow): Promise<Analysis> {
  const { services } = io;
  await setState(services, version, "analysing");
  await io.stage("analyse", "running", "Reading the disk");
  try {
    const library = await openLibrary(services);
    const folder = library.pathOf(version.folder);
    const fileNames = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
    const analysis = await runInThread<AnalyseInput, Analysis, AnalyseProgress>(
      TASK,
      { folder, fileNames, apart: filesApart(version), said: version.saidFormat, free: await library.free() },
      { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
    );
    await finishReady(services, version, analysis);
    await io.stage("analyse", "done");
    if (analysis.unpacked.length > 0) await io.log("info", `Unpacked: ${analysis.unpacked.join(", ")}`);
    for (const { facts, fileName, entry, fingerprint } of analysis.disks) {
      const name = entry === null ? fileName : `${entry} in ${fileName}`;
      await io.log("info", `${name}: ${facts.format} ${facts.variant}, fingerprint ${fingerprint}`);
    }
    return analysis;
  } catch (thrown) {
    if (isStopping(io.signal)) throw thrown;
    const error = fullOr(thrown) ?? thrown;
    await io.stage("analyse", "failed");
    await finishFailed(services, version, errorToJson(io.signal.aborted ? io.signal.reason : error));
    throw error;
  }
}
