import type { Db } from "#lib/db/client.ts";
import { openLibrary } from "../store.ts";
import type { VersionRow } from "../version-state.ts";
import { faultWords } from "./fault-words.ts";
import { type KnownDisk, knownFiles, missingFiles } from "./version-files.ts";

/** Why a version's files cannot be read now, each in words without a full stop. Throws `library.foreign`. */
export async function versionFaults(
  services: { readonly db: Db; readonly dataDir: string },
  version: Pick<VersionRow, "id" | "folder">,
  disks: readonly KnownDisk[],
): Promise<string[]> {
  const { root } = await openLibrary(services);
  const faults = await missingFiles({ root, folder: version.folder, versionId: version.id }, knownFiles(disks));
  return faults.map(faultWords);
}
