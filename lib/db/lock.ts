/**
 * One process a data folder. Two locks, which the kernel lets go of however the process ends: flock on a file in the
 * folder, and on Linux an abstract socket, for file systems that know no locks.
 */
import { createHash } from "node:crypto";
import { mkdir, open, readFile, realpath, writeFile, type FileHandle } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { AppError } from "#lib/errors.ts";
import { folderProblem } from "./data-folder.ts";
import { tryLockFile } from "./flock.ts";

export interface DataLock {
  /** Written beside the data so that a second start can say who holds it. */
  announce(address: string): Promise<void>;
  release(): Promise<void>;
}

const Holder = z.object({ pid: z.number(), host: z.string(), address: z.string().nullable(), since: z.string() });

/** Throws `data.in-use`, naming the process that holds the folder, and `data.unusable`. */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  try {
    return await lock(dataDir);
  } catch (error) {
    throw folderProblem(dataDir, error);
  }
}

async function lock(dataDir: string): Promise<DataLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const real = await realpath(dataDir);
  const holder = join(real, "holder.json");
  const file = await open(join(real, "lock"), "a", 0o600);
  if (tryLockFile(file.fd) === "taken") {
    await file.close();
    throw await inUse(real, holder);
  }
  let server: Server | null;
  try {
    server = await lockByName(real);
  } catch (cause) {
    await file.close();
    throw await inUse(real, holder, cause);
  }
  const since = new Date().toISOString();
  // Only news for a second start: a full disk must not keep a console from opening a database that is whole.
  const write = (address: string | null) =>
    writeFile(
      holder,
      `${JSON.stringify({ pid: process.pid, host: hostname(), address, since } satisfies z.infer<typeof Holder>)}\n`,
      { mode: 0o600 },
    ).catch(() => undefined);
  await write(null);
  return { announce: write, release: () => release(file, server) };
}

async function inUse(folder: string, holder: string, cause?: unknown): Promise<AppError> {
  const who = await readFile(holder, "utf8").then(
    (text) => Holder.parse(JSON.parse(text)),
    () => null,
  );
  const by =
    who === null
      ? "another process"
      : `process ${who.pid} on ${who.host}${who.address === null ? "" : `, at ${who.address}`}, since ${who.since}`;
  return new AppError("conflict", "data.in-use", `The data folder ${folder} is in use by ${by}.`, {
    hint: "Stop that one first, or give this one another SUPRAVISOR_DATA_DIR.",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Rejects when another process of this machine has the name. */
async function lockByName(folder: string): Promise<Server | null> {
  if (process.platform !== "linux") return null;
  const name = createHash("sha256").update(folder).digest("hex").slice(0, 40);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: `\0supravisor-${name}` }, resolve);
  });
  server.unref();
  return server;
}

async function release(file: FileHandle, server: Server | null): Promise<void> {
  await new Promise<void>((resolve) => {
    if (server === null) resolve();
    else server.close(() => resolve());
  });
  await file.close();
}
