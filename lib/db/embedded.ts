/** PGlite in the data folder: opened, made when there was none, and when it cannot be opened the true reason. */
import { constants } from "node:fs";
import { access, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { AppError } from "#lib/errors.ts";
import { namesIn, refuseEmpty, traceOf } from "./installation.ts";
import { databaseProblem } from "./problem.ts";

/** Stands beside `db` while that is being made: what is left of an attempt that was cut short may go. */
const MAKING = "db.making";

/** Throws `db.missing`, `db.incomplete`, `db.full`, `db.no-rights`, `db.read-only`, `db.other-version`, `db.damaged`. */
export async function openPGlite(dataDir: string, newDatabase: boolean): Promise<{ pglite: PGlite; made: boolean }> {
  const folder = join(dataDir, "db");
  try {
    const names = await namesIn(folder);
    if (names.includes("PG_VERSION")) return { pglite: await opened(folder), made: false };
    await allowNew(dataDir, folder, names, newDatabase);
    return { pglite: await make(dataDir, folder), made: true };
  } catch (error) {
    throw inWords(folder, error, error instanceof OpenFailure ? await firstClosed(folder) : null);
  }
}

/** The first thing below the folder that this account may not read and write, as the system says it: the engine's words are wrong there. */
async function firstClosed(folder: string): Promise<NodeJS.ErrnoException | null> {
  const refusal = (path: string): Promise<NodeJS.ErrnoException | null> =>
    access(path, constants.R_OK | constants.W_OK).then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    );
  const own = await refusal(folder);
  if (own !== null) return own;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() && !entry.isDirectory()) continue;
    const error = await refusal(join(entry.parentPath, entry.name));
    if (error !== null) return error;
  }
  return null;
}

async function allowNew(
  dataDir: string,
  folder: string,
  names: readonly string[],
  newDatabase: boolean,
): Promise<void> {
  const cutShort = (await namesIn(dataDir)).includes(MAKING);
  const trace = await traceOf(dataDir, true);
  if (!newDatabase && trace !== null) {
    const what = names.length === 0 ? `There is no database in ${folder}` : `The database in ${folder} is incomplete`;
    throw refuseEmpty(what, dataDir, trace);
  }
  if (names.length === 0) return;
  if (cutShort && trace === null) return rm(folder, { recursive: true });
  if (newDatabase) return rename(folder, `${folder}.aside-${new Date().toISOString().replaceAll(":", "-")}`);
  throw new AppError("conflict", "db.incomplete", `The folder ${folder} holds files, but no whole database.`, {
    hint: "Restore the folder from its backup, or look whether its volume is mounted. To begin with an empty database, start with --new-database: the folder is put aside.",
  });
}

async function make(dataDir: string, folder: string): Promise<PGlite> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mark = join(dataDir, MAKING);
  await (await open(mark, "w", 0o600)).close();
  const pglite = await opened(folder);
  await rm(mark);
  return pglite;
}

/** What the engine says itself is the reason; its exception says nothing. */
class OpenFailure extends Error {
  readonly said: string;
  constructor(said: string, cause: unknown) {
    super(said === "" ? "the engine did not start" : said, { cause });
    this.said = said;
  }
}

async function opened(folder: string): Promise<PGlite> {
  const said: string[] = [];
  let listening = true;
  const pglite = new PGlite(folder, {
    onStderr: (text) => {
      if (listening && said.length < 20) said.push(text);
      return true;
    },
  });
  try {
    await pglite.waitReady;
    return pglite;
  } catch (cause) {
    throw new OpenFailure(reasonOf(said), cause);
  } finally {
    listening = false;
  }
}

/** "2026-01-01 10:00:00.000 UTC [42] FATAL:  why" → "why" */
function reasonOf(said: readonly string[]): string {
  return said
    .filter((line) => /(PANIC|FATAL|ERROR|DETAIL):/.test(line))
    .map((line) => line.replace(/^.*?(?:PANIC|FATAL|ERROR|DETAIL):\s*/, ""))
    .join(" ");
}

const SYSTEM_CODES: Readonly<Record<string, string>> = {
  ENOSPC: "no space left",
  EDQUOT: "no space left",
  EROFS: "read-only file system",
  EACCES: "permission denied",
  EPERM: "permission denied",
};

/** Only what none of the other reasons explains is called damage: whoever restores a backup loses what came after it. */
function inWords(folder: string, error: unknown, closed: NodeJS.ErrnoException | null): unknown {
  if (error instanceof AppError) return error;
  const failure = error instanceof OpenFailure ? error : null;
  const cause = failure === null ? error : failure.cause;
  const trouble = databaseProblem(cause)?.trouble;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  if (failure === null && trouble === undefined && SYSTEM_CODES[code] === undefined) return error;
  const why = [failure?.said, SYSTEM_CODES[code], SYSTEM_CODES[closed?.code ?? ""]].join(" ");
  const said = closed?.message ?? failure?.said ?? "";
  const because = said === "" ? "" : ` The reason given: ${said}`;
  const fail = (kind: string, message: string, hint: string): AppError =>
    new AppError("unavailable", `db.${kind}`, `${message}${because}`, { hint, cause: error });
  if (trouble === "full" || /no space left|quota exceeded/i.test(why)) {
    return fail(
      "full",
      `There is no space left for the embedded database in ${folder}.`,
      "Free space on its file system and start again. The data is whole: nothing has to be restored.",
    );
  }
  if (trouble === "read-only" || /read-only file system/i.test(why)) {
    return fail(
      "read-only",
      `The embedded database in ${folder} is on a read-only file system.`,
      "Mount it for writing and start again; look into the system's log when it became read-only by itself.",
    );
  }
  if (trouble === "no-rights" || /permission denied|not permitted|wrong ownership/i.test(why)) {
    return fail(
      "no-rights",
      `This account may not read or write the embedded database in ${folder}.`,
      `Run Supravisor as the owner of the files, or give them to its account (chown -R). This process runs as user ${process.getuid?.() ?? "?"}.`,
    );
  }
  if (/incompatible with server|not compatible with|different byte ordering|compiled with/i.test(why)) {
    return fail(
      "other-version",
      `The embedded database in ${folder} was made by another version of the engine, or for another architecture.`,
      "Start the release that made it. The data is whole: nothing has to be restored.",
    );
  }
  return fail(
    "damaged",
    `The embedded database in ${folder} cannot be opened.`,
    "Keep a copy of the whole data folder first. Then look into the reason above, and restore a backup only if the files are really damaged.",
  );
}
