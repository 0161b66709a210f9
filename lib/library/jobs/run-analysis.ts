/** The stage that all three jobs end with: files that are whole are read for what they hold. */
import { readdir } from "node:fs/promises";
import { MachineWish } from "#lib/domain/image.ts";
import { isLeft, type JobIO } from "#lib/jobs/handler.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { Analysis, AnalyseInput, AnalyseProgress } from "../analyse-files.ts";
import { openLibrary } from "../store.ts";
import { setState, type VersionRow } from "../version-state.ts";

const TASK = new URL("../../transfer/tasks/analyse-image.task.ts", import.meta.url);
/** Between two reports lies at most one block of the disk. */
const STALL_MS = 120_000;

/** A capture knows its disks' files; of what people give, one file leads to the others. */
function filesApart({ source }: VersionRow): readonly string[] | null {
  return source.kind === "capture" ? (source.disks?.map(({ fileName }) => fileName) ?? null) : null;
}

/** What the person said of a package that holds several machines or configurations. */
export const choiceIn = (input: unknown): MachineWish => MachineWish.parse(input);

/** Throws what analysis throws. The version is ready, or failed, from the end of the job on. */
export async function runAnalysis(io: JobIO, version: VersionRow): Promise<Analysis> {
  const { services } = io;
  await setState(services, version, "analysing");
  await io.stage("analyse", "running", "Reading the disk");
  const library = await openLibrary(services);
  const folder = library.pathOf(version.folder);
  try {
    const fileNames = (await readdir(folder)).filter((name) => !name.startsWith(".")).sort();
    const analysis = await runInThread<AnalyseInput, Analysis, AnalyseProgress>(
      TASK,
      {
        folder,
        fileNames,
        apart: filesApart(version),
        said: version.saidFormat,
        choice: choiceIn(io.input),
        free: await library.free(),
      },
      { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
    );
    await io.stage("analyse", "done");
    if (analysis.unpacked.length > 0) await io.log("info", `Unpacked: ${analysis.unpacked.join(", ")}`);
    for (const { facts, fileName, entry, fingerprint } of analysis.disks) {
      const name = entry === null ? fileName : `${entry} in ${fileName}`;
      await io.log("info", `${name}: ${facts.format} ${facts.variant}, fingerprint ${fingerprint}`);
    }
    return analysis;
  } catch (error) {
    if (!isLeft(io, error)) await io.stage("analyse", "failed");
    throw error;
  }
}
