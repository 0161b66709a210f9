/** One process a data folder. The lock is an abstract socket: the kernel lets go of it however the process ends. */
import { createHash } from "node:crypto";
import { mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { AppError } from "#lib/errors.ts";

export interface DataLock {
  /** Written beside the data so that a second start can say who holds it. */
  announce(address: string): Promise<void>;
  release(): Promise<void>;
}

/** Throws `data.in-use`, naming the process that holds the folder. */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const real = await realpath(dataDir);
  const name = `\0supravisor-${createHash("sha256").update(real).digest("hex").slice(0, 40)}`;
  const holder = join(real, "holder.json");
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: name }, resolve);
  }).catch(async (cause: unknown) => {
    const who = await readFile(holder, "utf8").then((text) => JSON.parse(text) as { pid: number; host: string; address: string | null; since: string }, () => null);
    throw new AppError(
      "conflict",
      "data.in-use",
      who === null
        ? `The data folder ${real} is in use by another process.`
        : `The data folder ${real} is in use by process ${who.pid} on ${who.host}${who.address === null ? "" : `, at ${who.address}`}, since ${who.since}.`,
      { hint: "Stop that one first, or give this one another SUPRAVISOR_DATA_DIR.", cause },
    );
  });
  server.unref();
  const write = (address: string | null) =>
    writeFile(holder, `${JSON.stringify({ pid: process.pid, host: hostname(), address, since: new Date().toISOString() })}\n`, { mode: 0o600 });
  await write(null);
  return { announce: write, release: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
