/** The library's files beside the database. Only looks: nothing is changed, least of all removed. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { and, eq, inArray, isNull } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { imageDisks, imageVersions, ledger, uploads } from "#lib/db/schema.ts";
import { folderRef } from "../create-version.ts";
import { FOLDER, ID_FILE, requireSameLibrary } from "../store.ts";
import { uploadsFolder } from "../uploads/upload-path.ts";
import type { Fault } from "./fault-words.ts";
import { knownFiles, look, missingFiles, unknownFiles } from "./version-files.ts";

export interface Comparison {
  /** Looked at. */
  readonly versions: number;
  readonly files: number;
  readonly faults: readonly Fault[];
}

type Where = { readonly db: Db; readonly dataDir: string };

/** Throws `library.foreign`. What comes and goes meanwhile is not taken for a fault. */
export async function compareLibrary(services: Where, signal?: AbortSignal): Promise<Comparison> {
  const root = await requireSameLibrary(services);
  // Folders first: whoever makes one has entered its row before.
  const folders = await namesIn(root);
  const versions = await services.db.select().from(imageVersions).where(isNull(imageVersions.removedAt));
  const faults: Fault[] = [];
  let files = 0;
  let looked = 0;
  for (const version of versions) {
    signal?.throwIfAborted();
    if (version.source.kind === "linked" || version.state !== "ready") continue;
    looked++;
    const disks = await services.db.select().from(imageDisks).where(eq(imageDisks.versionId, version.id));
    const known = knownFiles(disks);
    files += known.size;
    const place = { root, folder: version.folder, versionId: version.id };
    const found = [...(await missingFiles(place, known)), ...(await unknownFiles(place, new Set(known.keys())))];
    // Removed or read again while it was looked at: its files go or change as they should.
    if (found.length > 0 && (await isUnchanged(services.db, version.id))) faults.push(...found);
  }
  faults.push(...(await strayFolders(services.db, folders, new Set(versions.map(({ folder }) => folder)))));
  faults.push(...(await strayUploads(services)));
  return { versions: looked, files, faults };
}

async function isUnchanged(db: Db, versionId: string): Promise<boolean> {
  const [row] = await db
    .select({ id: imageVersions.id })
    .from(imageVersions)
    .where(and(eq(imageVersions.id, versionId), isNull(imageVersions.removedAt), eq(imageVersions.state, "ready")));
  return row !== undefined;
}

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

const stray = (fault: Fault["fault"], place: string): Fault => ({
  fault,
  place,
  versionId: null,
  expected: null,
  actual: null,
});

async function strayFolders(db: Db, names: readonly string[], owned: ReadonlySet<string>): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (const name of names) {
    // Drafts of the id live for a moment, at the first start of two at once.
    if (name === ID_FILE || name.startsWith(`${ID_FILE}.`) || owned.has(name)) continue;
    if (!FOLDER.test(name)) {
      faults.push(stray("unknown-file", `library/${name}`));
      continue;
    }
    // The sweep removes it as soon as the job that made it has ended.
    const [due] = await db
      .select({ seq: ledger.seq })
      .from(ledger)
      .where(and(eq(ledger.ref, folderRef(name)), inArray(ledger.state, ["planned", "made"])))
      .limit(1);
    if (due === undefined) faults.push(stray("unknown-folder", folderRef(name)));
  }
  return faults;
}

async function strayUploads({ db, dataDir }: Where): Promise<Fault[]> {
  const names = await namesIn(uploadsFolder(dataDir));
  const rows = await db.select({ id: uploads.id, state: uploads.state }).from(uploads);
  const known = new Set(rows.map(({ id }) => id));
  const faults = names.filter((name) => !known.has(name)).map((name) => stray("unknown-upload", `uploads/${name}`));
  for (const { id, state } of rows) {
    // One that is filed is in its version's folder, or on its way there.
    if (state === "filed" || (await look(join(uploadsFolder(dataDir), id))) !== null) continue;
    const [still] = await db.select({ state: uploads.state }).from(uploads).where(eq(uploads.id, id));
    if (still !== undefined && still.state !== "filed") faults.push(stray("upload-missing", `uploads/${id}`));
  }
  return faults;
}
