import { access } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { LibraryCheck, type LibraryFinding } from "#lib/domain/library-check.ts";
import { AppError } from "#lib/errors.ts";
import { remoteApi } from "../remote/api.ts";
import { printJson, printLines } from "../terminal/output.ts";
import { table } from "../terminal/table.ts";

interface CheckOptions {
  readonly data?: string;
  readonly last?: boolean;
  readonly json?: boolean;
}

/** `library check`: 0 when files and database agree, 1 when they do not. */
export function registerLibrary(program: Command): void {
  program
    .command("library")
    .description("the image library as a whole")
    .command("check")
    .description("compare the library's files with the database; nothing is removed or mended")
    .option("--last", "what the console found when it last compared them, instead of comparing now")
    .option("--data <folder>", "compare in this data folder, without a console (with DATABASE_URL: against Postgres)")
    .option("--json", "machine-readable output")
    .action(async (options: CheckOptions) => {
      const check =
        options.data === undefined ? await askConsole(options.last ?? false) : await compareIn(options.data);
      if (options.json) printJson(check, process.stdout, 2);
      else printLines(inWords(check));
      if (check.findings.length > 0) process.exitCode = 1;
    });
}

async function askConsole(last: boolean): Promise<LibraryCheck> {
  const api = await remoteApi();
  return last ? api.get("/library/check", LibraryCheck) : api.post("/library/check", LibraryCheck, {});
}

async function compareIn(folder: string): Promise<LibraryCheck> {
  const dataDir = resolve(folder);
  const url = process.env["DATABASE_URL"];
  const embedded = url === undefined || url === "";
  // What is not there would be made.
  if (embedded) await requireDatabase(dataDir);
  const { lockDataDir } = await import("#lib/db/lock.ts");
  const { openDatabase } = await import("#lib/db/client.ts");
  const { inspectLibrary } = await import("#lib/library/check/findings.ts");
  // The embedded database belongs to one process; Postgres minds nobody who reads beside the console.
  const lock = embedded ? await lockDataDir(dataDir) : null;
  try {
    const database = await openDatabase({ dataDir, ...(embedded ? {} : { url, joins: true }) });
    try {
      return await inspectLibrary({ db: database.db, dataDir });
    } finally {
      await database.close();
    }
  } finally {
    await lock?.release();
  }
}

async function requireDatabase(dataDir: string): Promise<void> {
  await access(join(dataDir, "db", "PG_VERSION")).catch((cause: unknown) => {
    throw new AppError("not-found", "db.not-found", `There is no embedded database in ${dataDir}.`, {
      hint: "Name the console's data folder. With Postgres, set DATABASE_URL as for the console.",
      cause,
    });
  });
}

function inWords({ checkedAt, findings, versions, files }: LibraryCheck): string[] {
  if (checkedAt === null) return ["The library has not been compared with the database yet."];
  if (findings.length === 0) return [`${files} files of ${versions} versions are as the database knows them.`];
  return table(["finding", "image", "where"], findings.map(rowOf), "");
}

function rowOf({ message, version, place }: LibraryFinding): string[] {
  return [message, version === null ? "-" : `${version.imageName} v${version.number}`, place];
}
