import type { SettingsView } from "#lib/domain/settings.ts";
import { noticeOf, requireAllowable } from "#lib/library/import/allowed-folder.ts";

/** Throws `settings.bad-import-folder`. One that does not exist yet may be allowed; the answer says so. */
export async function requireAllowableFolders(folders: readonly string[], dataDir: string): Promise<void> {
  for (const folder of folders) await requireAllowable(folder, dataDir);
}

export async function importFolderNotices(
  folders: readonly string[],
  dataDir: string,
): Promise<SettingsView["importFolderNotices"]> {
  const found = await Promise.all(
    folders.map(async (folder) => ({ folder, message: await noticeOf(folder, dataDir) })),
  );
  return found.flatMap(({ folder, message }) => (message === null ? [] : { folder, message }));
}
