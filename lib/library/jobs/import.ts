/** Job `image.import`: from a folder of the server, or from a URL. */
import { z } from "zod";
import type { JobIO } from "#lib/jobs/handler.ts";
import { patiently } from "#lib/jobs/patience.ts";
import { loadSettings } from "#lib/services/settings/settings.ts";
import { runInThread } from "#lib/transfer/thread.ts";
import type { CopiedFiles, CopyImageInput } from "../import/copy-image.ts";
import type { Fetched, FetchInput } from "../url/fetch-file.ts";
import { openLibrary } from "../store.ts";
import type { VersionRow } from "../version-state.ts";
import { fillVersion } from "./fill-version.ts";
import { choiceIn } from "./run-analysis.ts";
import { versionJob } from "./version-job.ts";

const Input = z.discriminatedUnion("from", [
  z.object({ from: z.literal("folder"), versionId: z.uuid(), path: z.string() }),
  /** The URL is sealed: a signed one is as good as a password while it lasts. */
  z.object({
    from: z.literal("url"),
    versionId: z.uuid(),
    urlBox: z.string(),
    fileName: z.string(),
    sha256: z.string(),
  }),
]);

const COPY = new URL("../../transfer/tasks/copy-image.task.ts", import.meta.url);
const FETCH = new URL("../../transfer/tasks/fetch-url.task.ts", import.meta.url);
const STALL_MS = 300_000;

type Report = { done: number; total: number; moved: number };

export const importHandler = versionJob(async (io) => {
  const input = Input.parse(io.input);
  if (input.from === "folder") {
    const done = await fillVersion(io, input.versionId, "Copying from the folder", (version, folder) =>
      copyIn(io, version, folder, input.path),
    );
    return done?.analysis ?? null;
  }
  const url = io.services.secrets.open(input.urlBox, urlBinding(input.versionId));
  const done = await fillVersion(io, input.versionId, "Downloading", async (_version, folder) => {
    const settings = await patiently(() => loadSettings(io.services.db));
    const library = await openLibrary(io.services);
    const fetched = await runInThread<FetchInput, Fetched, Report>(
      FETCH,
      {
        url,
        sha256: input.sha256,
        folder,
        fileName: input.fileName,
        networks: settings.importNetworks,
        free: await library.free(),
      },
      { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
    );
    await io.log("info", `${fetched.size} bytes, SHA-256 as given`);
    return { fileNames: [input.fileName] };
  });
  return done?.analysis ?? null;
});

export const urlBinding = (sealedFor: string): string => `import-url:${sealedFor}`;

async function copyIn(io: JobIO, version: VersionRow, folder: string, path: string) {
  // The folders may have been withdrawn, and the path changed under us, since somebody asked: the thread decides by what
  // it has open.
  const { importFolders } = await patiently(() => loadSettings(io.services.db));
  const library = await openLibrary(io.services);
  const copied = await runInThread<CopyImageInput, CopiedFiles, Report>(
    COPY,
    {
      source: path,
      from: { folders: importFolders, dataDir: io.services.dataDir },
      folder,
      said: version.saidFormat,
      choice: choiceIn(io.input),
      free: await library.free(),
    },
    { signal: io.signal, onProgress: (progress) => io.progress(progress), stallAfter: STALL_MS },
  );
  await io.log("info", `${copied.fileNames.join(", ")}${copied.shared ? " (blocks shared with the original)" : ""}`);
  return copied;
}
