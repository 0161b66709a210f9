/** Where image files lie: a folder a version, and nothing else is ever removed. */
import { randomUUID } from "node:crypto";
import { access, chmod, link, mkdir, open, readFile, rename, rm, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { settings } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { storedFileName, unpackedMark } from "./file-names.ts";
import { moveAcross, syncFile, syncFolder } from "./move-across.ts";
import { OWN_FILE, OWN_FOLDER } from "./own-modes.ts";
import { fullOr } from "./space.ts";

export interface LibraryStore {
  /** Absolute path of the library's own folder. */
  readonly root: string;
  /** Identity of this library; the database knows it too, so that a worker never fills the wrong folder. */
  readonly id: string;
  /** Absolute path of a version's folder, which may not be there yet. Throws `library.bad-folder`. */
  pathOf(folder: string): string;
  /** Makes the folder, empty; what an earlier attempt left in it is gone. */
  fresh(folder: string): Promise<string>;
  /** Makes the folder unless it is there. */
  ensure(folder: string): Promise<string>;
  /** Moves a file in under a plain name, durable when it returns. Done already (source gone, target there) is fine. */
  adopt(source: string, folder: string, fileName: string): Promise<void>;
  /** Makes what was written into the folder durable. */
  settle(folder: string, fileNames: readonly string[]): Promise<void>;
  /** Removes the folder of a version; gone already is fine. */
  remove(folder: string): Promise<void>;
  /** Bytes that can still be stored. */
  free(): Promise<number>;
}

export const FOLDER = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const ID_FILE = ".library-id";

const opened = new WeakMap<Db, Promise<LibraryStore>>();

/**
 * The library of this data folder. Throws `library.foreign` when the folder is not the one that the database
 * means: a worker whose shared folder is not mounted must not write into the empty place below it.
 */
export function openLibrary(services: { readonly db: Db; readonly dataDir: string }): Promise<LibraryStore> {
  const known = opened.get(services.db);
  if (known !== undefined) return known;
  const library = openFolder(services.db, join(services.dataDir, "library"));
  opened.set(services.db, library);
  // A failure is not remembered: the folder may be mounted by the next try.
  library.catch(() => opened.delete(services.db));
  return library;
}

async function openFolder(db: Db, root: string): Promise<LibraryStore> {
  const [row] = await db.select().from(settings).where(eq(settings.key, "library"));
  const found = await readId(root);
  if (row !== undefined && found !== idOf(row.value)) throw foreign(root, found);
  // One that an earlier release made may be open to a group.
  if (found !== null) await chmod(root, OWN_FOLDER).catch(() => undefined);
  if (row !== undefined && found !== null) return folderStore(root, found);
  // The file comes first: a crash between the two leaves a folder whose id the next start stores.
  await mkdir(root, { recursive: true, mode: OWN_FOLDER });
  const id = found ?? (await writeId(root));
  await db.insert(settings).values({ key: "library", value: { id } }).onConflictDoNothing();
  const [stored] = await db.select().from(settings).where(eq(settings.key, "library"));
  if (idOf(stored?.value) !== id) throw foreign(root, id);
  return folderStore(root, id);
}

/**
 * Absolute path of the library's folder, which is the one that the database means; neither is touched.
 * Throws `library.foreign`.
 */
export async function requireSameLibrary({ db, dataDir }: { db: Db; dataDir: string }): Promise<string> {
  const root = join(dataDir, "library");
  const [row] = await db.select().from(settings).where(eq(settings.key, "library"));
  const found = await readId(root);
  // A library that was never used has neither.
  if (found !== (row === undefined ? null : idOf(row.value))) throw foreign(root, found);
  return root;
}

function idOf(value: unknown): string | null {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string" ? value.id : null;
}

async function readId(root: string): Promise<string | null> {
  return readFile(join(root, ID_FILE), "utf8").then(
    (text) => text.trim(),
    () => null,
  );
}

async function writeId(root: string): Promise<string> {
  const id = randomUUID();
  const draft = join(root, `${ID_FILE}.${id}`);
  const file = await open(draft, "wx", OWN_FILE);
  try {
    await file.writeFile(`${id}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  // link, not rename: two first starts at once must end with one identity.
  await link(draft, join(root, ID_FILE)).catch(() => undefined);
  await unlink(draft);
  return (await readId(root)) ?? id;
}

function foreign(root: string, found: string | null): AppError {
  const what = found === null ? "holds no image library" : "holds the image library of another database";
  return new AppError("unavailable", "library.foreign", `The folder ${root} ${what}.`, {
    hint: "Mount the library folder of the server here, or point SUPRAVISOR_DATA_DIR at it.",
  });
}

function folderStore(root: string, id: string): LibraryStore {
  const pathOf = (folder: string): string => {
    if (!FOLDER.test(folder)) {
      throw new AppError(
        "internal",
        "library.bad-folder",
        "A version's folder has a name that the library never gives.",
      );
    }
    return join(root, folder);
  };
  const store: LibraryStore = {
    id,
    root,
    pathOf,
    async fresh(folder) {
      await store.remove(folder);
      return store.ensure(folder);
    },
    async ensure(folder) {
      const path = pathOf(folder);
      try {
        await mkdir(path, { recursive: true, mode: OWN_FOLDER });
        await syncFolder(root);
      } catch (error) {
        throw fullOr(error) ?? error;
      }
      return path;
    },
    async adopt(source, folder, fileName) {
      const target = join(await store.ensure(folder), storedFileName(fileName));
      try {
        await rename(source, target);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        const mark = join(pathOf(folder), unpackedMark(fileName));
        if (code === "ENOENT" && ((await exists(target)) || (await exists(mark)))) return;
        if (code !== "EXDEV") throw fullOr(error) ?? missing(fileName, error);
        await moveAcross(source, target);
      }
      await store.settle(folder, [fileName]);
    },
    async settle(folder, fileNames) {
      const path = pathOf(folder);
      for (const name of fileNames) await syncFile(join(path, storedFileName(name)));
      await syncFolder(path);
    },
    async remove(folder) {
      await rm(pathOf(folder), { recursive: true, force: true });
    },
    async free() {
      const info = await statfs(root);
      return info.bavail * info.bsize;
    },
  };
  return store;
}

function missing(fileName: string, cause: unknown): AppError {
  return new AppError("internal", "library.move-failed", `${fileName} could not be moved into the library.`, {
    hint: "The data folder may be full, read-only or changed by somebody else.",
    cause,
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
