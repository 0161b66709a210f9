import { basename } from "node:path";
import type { z } from "zod";
import type { FolderEntry, ImportFromFolder, ImportFromUrl, MachineWish } from "#lib/domain/image.ts";
import { createVersion, type VersionStarted } from "#lib/library/create-version.ts";
import { imageNameFrom, imageNameOf, safeFileName } from "#lib/library/file-names.ts";
import { listImportFolder, requireImportable } from "#lib/library/import/folders.ts";
import type { ImportPlace } from "#lib/library/import/import-guard.ts";
import { formatOfFolder } from "#lib/library/import/machine-files.ts";
import { urlBinding } from "#lib/library/jobs/import.ts";
import { addressRule } from "#lib/library/url/address-rule.ts";
import { requireFetchable } from "#lib/library/url/fetchable.ts";
import { authorise, authoriseLook } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";
import { loadSettings } from "#lib/services/settings/settings.ts";

export async function listFolder(ctx: Ctx, path: string): Promise<FolderEntry[]> {
  await authoriseLook(ctx, "image.add");
  return listImportFolder(await importPlace(ctx), path);
}

async function importPlace(ctx: Ctx): Promise<ImportPlace> {
  return { folders: (await loadSettings(ctx.db)).importFolders, dataDir: ctx.dataDir };
}

/** Throws `import.outside-folders`, `import.not-a-file`, `import.format-of-folder`, `image.*`. */
export async function importFromFolder(ctx: Ctx, input: z.infer<typeof ImportFromFolder>): Promise<VersionStarted> {
  await authorise(ctx, "image.add");
  const { path, folder } = await requireImportable(await importPlace(ctx), input.path);
  if (folder && input.from !== null) throw formatOfFolder(path);
  const name = basename(path);
  const fallbackName = folder ? imageNameFrom(name) : imageNameOf(safeFileName(name));
  const started = await ctx.db.transaction((tx) =>
    createVersion(tx, ctx, ctx.actor, {
      destination: { imageId: input.imageId, name: input.name, fallbackName },
      source: { kind: "folder", path },
      saidFormat: input.from,
      state: "receiving",
      job: { kind: "image.import", verb: "Import", input: () => ({ from: "folder", path, ...wish(input) }) },
    }),
  );
  return announced(ctx, started);
}

/** Throws `import.bad-url`, `import.private-address`, `import.unknown-host`, `image.*`. Where a name leads is checked when it is fetched. */
export async function importFromUrl(ctx: Ctx, input: z.infer<typeof ImportFromUrl>): Promise<VersionStarted> {
  await authorise(ctx, "image.add");
  const { importNetworks } = await loadSettings(ctx.db);
  const url = requireFetchable(input.url, addressRule(importNetworks));
  const fileName = fileNameOf(url);
  const started = await ctx.db.transaction((tx) =>
    createVersion(tx, ctx, ctx.actor, {
      destination: { imageId: input.imageId, name: input.name, fallbackName: imageNameOf(fileName) },
      // Without its query, which may be a signature: who reads images need not be able to fetch them there.
      source: { kind: "url", url: `${url.origin}${url.pathname}` },
      saidFormat: input.from,
      state: "receiving",
      job: {
        kind: "image.import",
        verb: "Import",
        input: (versionId) => ({
          from: "url",
          urlBox: ctx.secrets.seal(url.href, urlBinding(versionId)),
          fileName,
          sha256: input.sha256.toLowerCase(),
          ...wish(input),
        }),
      },
    }),
  );
  return announced(ctx, started);
}

const wish = ({ machine, configuration }: MachineWish): MachineWish => ({ machine, configuration });

function fileNameOf(url: URL): string {
  try {
    return safeFileName(decodeURIComponent(url.pathname.split("/").at(-1) ?? ""));
  } catch {
    return "image";
  }
}

function announced(ctx: Ctx, started: VersionStarted): VersionStarted {
  ctx.events.publish({ type: "image", id: started.imageId });
  ctx.events.publish({ type: "audit" });
  return started;
}
