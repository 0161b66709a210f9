/** A real Postgres for tests: Debian's programs, a folder of its own, reached by a socket in it. */
import { execFile, type ExecFileOptions } from "node:child_process";
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { existsSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const HOME = "/usr/lib/postgresql";

/** Where initdb and pg_ctl lie; null where Postgres is not installed. */
export const postgresPrograms: string | null = (() => {
  if (!existsSync(HOME)) return null;
  const newest = readdirSync(HOME)
    .filter((version) => existsSync(join(HOME, version, "bin", "initdb")))
    .sort((a, b) => Number(b) - Number(a))[0];
  return newest === undefined ? null : join(HOME, newest, "bin");
})();

export interface TestPostgres {
  readonly url: string;
  /** Ends every connection, as a restart or a fail-over does, and comes back. */
  restart(): Promise<void>;
  /** Away until `start`; connections are cut, not closed. */
  stop(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startTestPostgres(): Promise<TestPostgres> {
  const programs = postgresPrograms;
  if (programs === null) throw new Error("Postgres is not installed here");
  const folder = await mkdtemp(join(tmpdir(), "supravisor-postgres-"));
  const data = join(folder, "data");
  // Postgres refuses to run as root.
  const account = process.getuid?.() === 0 ? await postgresAccount() : null;
  if (account !== null) await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o700);
  const options: ExecFileOptions = { cwd: folder, timeout: 60_000, ...(account ?? {}) };
  await run(
    join(programs, "initdb"),
    ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8"],
    options,
  );
  const control = (...args: string[]) =>
    run(join(programs, "pg_ctl"), ["-D", data, "-w", "-l", join(folder, "log"), ...args], options);
  const start = () =>
    control("-o", `-c listen_addresses='' -c unix_socket_directories='${folder}' -c fsync=off`, "start");
  await start();
  return {
    url: `postgresql://postgres@localhost/postgres?host=${encodeURIComponent(folder)}`,
    async restart() {
      await control("-m", "immediate", "stop");
      await start();
    },
    async stop() {
      await control("-m", "immediate", "stop");
    },
    async start() {
      await start();
    },
    async close() {
      // Stopped already is fine.
      await control("-m", "immediate", "stop").catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function postgresAccount(): Promise<{ uid: number; gid: number }> {
  const [{ stdout: uid }, { stdout: gid }] = await Promise.all([
    run("id", ["-u", "postgres"]),
    run("id", ["-g", "postgres"]),
  ]);
  return { uid: Number(uid), gid: Number(gid) };
}
