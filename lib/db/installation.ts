/**
 * Database and data folder belong together, and each bears the installation's id. What is missing is never taken for
 * new: beside an installation's keys or library an empty database is a mount that failed or an address that is wrong.
 */
import { randomUUID } from "node:crypto";
import { open, readdir, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { eq } from "drizzle-orm";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import type { Db } from "./client.ts";
import { folderProblem } from "./data-folder.ts";
import { settings } from "./schema.ts";

const FILE = "installation.json";
const KEY = "installation";
const Mark = z.object({ id: z.string().min(1) });

/** What stands in the folder and says that an installation lived there; null when nothing does. */
export async function traceOf(dataDir: string, keysCount: boolean): Promise<string | null> {
  const names = new Set(await namesIn(dataDir));
  for (const name of keysCount ? [FILE, "secret.key", "auth.key"] : [FILE]) if (names.has(name)) return name;
  if ((await namesIn(join(dataDir, "library"))).includes(".library-id")) return "library";
  if (keysCount && (await namesIn(join(dataDir, "uploads"))).length > 0) return "uploads";
  return null;
}

/** An empty database may become ours only beside a folder without traces, or when somebody said so. */
export function refuseEmpty(what: string, dataDir: string, trace: string): AppError {
  return new AppError(
    "conflict",
    "db.missing",
    `${what}, but the data folder ${dataDir} belongs to an installation: ${trace} is there.`,
    {
      hint: "Look whether a volume is not mounted, a restore is incomplete, or DATABASE_URL is wrong or missing. To begin with an empty database on purpose, start with --new-database.",
    },
  );
}

/**
 * Compares the ids of both, lets `agree` have its say, and only then writes the id where it is missing: a folder that
 * turns out to be a wrong one is left as it was. `joins`: a worker's folder may be another one with the library mounted
 * in it, so nothing is written. Throws `db.other-installation` and what `agree` throws.
 */
export async function settleInstallation(
  db: Db,
  dataDir: string,
  { joins, replaces, agree }: { joins: boolean; replaces: boolean; agree: () => Promise<void> },
): Promise<void> {
  const marked = await readMark(dataDir);
  const stored = await storedId(db);
  if (marked !== null && stored !== null && marked !== stored) {
    throw new AppError(
      "conflict",
      "db.other-installation",
      `The database belongs to another installation than the data folder ${dataDir}.`,
      {
        hint: "Give both of the same installation: DATABASE_URL and SUPRAVISOR_DATA_DIR, or both parts of one backup.",
        details: { database: stored, dataFolder: marked },
      },
    );
  }
  await agree();
  if (joins || (marked !== null && stored !== null)) return;
  // A database that somebody made anew on purpose is another installation.
  const id = stored ?? (replaces ? null : marked) ?? randomUUID();
  await db.insert(settings).values({ key: KEY, value: { id } }).onConflictDoNothing();
  const mark = (await storedId(db)) ?? id;
  await writeMark(dataDir, mark).catch((error: unknown) => {
    throw folderProblem(dataDir, error);
  });
}

async function storedId(db: Db): Promise<string | null> {
  const [row] = await db.select().from(settings).where(eq(settings.key, KEY));
  return Mark.safeParse(row?.value).data?.id ?? null;
}

async function readMark(dataDir: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(join(dataDir, FILE), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  try {
    return Mark.parse(JSON.parse(text)).id;
  } catch (cause) {
    throw new AppError("conflict", "data.bad-mark", `The file ${join(dataDir, FILE)} cannot be understood.`, {
      hint: "Restore it from a backup. Without it the folder is recognised by its keys.",
      cause,
    });
  }
}

async function writeMark(dataDir: string, id: string): Promise<void> {
  const draft = join(dataDir, `${FILE}.${randomUUID()}`);
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ id })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(draft, join(dataDir, FILE));
}

/** Empty when there is no such folder; throws when it may not be read. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
