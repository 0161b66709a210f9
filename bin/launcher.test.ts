/** Whatever starts the console, and however that ends: nothing of it is left behind. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it, vi } from "vitest";

const root = join(import.meta.dirname, "..");
const NODE = join(root, "node_modules", "node", "bin", "node");
const LAUNCHER = join(root, "bin", "supravisor.mjs");

interface Started {
  readonly child: ChildProcess;
  readonly dataDir: string;
  /** The process that holds the data folder. */
  readonly pid: number;
  readonly ended: Promise<number | string | null>;
}

const pids: number[] = [];
const folders: string[] = [];
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
afterEach(async () => {
  for (const pid of pids.splice(0)) if (alive(pid)) process.kill(pid, "SIGKILL");
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function run(command: string, args: string[], env: Record<string, string>) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "", ...env },
  });
  if (child.pid !== undefined) pids.push(child.pid);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text.toString()));
  const ended = new Promise<number | string | null>((resolve) =>
    child.once("exit", (code, signal) => resolve(signal ?? code)),
  );
  return { child, ended, said: () => said };
}

async function start(command: string, args: string[]): Promise<Started> {
  const dataDir = await mkdtemp(join(tmpdir(), "supravisor-launch-"));
  folders.push(dataDir);
  const { child, ended, said } = run(command, args, {
    SUPRAVISOR_DATA_DIR: dataDir,
    PORT: "0",
    HOSTNAME_BIND: "127.0.0.1",
  });
  await vi.waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${said()}`);
      expect(said()).toContain("Supravisor is at");
    },
    { timeout: 400_000, interval: 200 },
  );
  const { pid } = JSON.parse(await readFile(join(dataDir, "holder.json"), "utf8")) as { pid: number };
  pids.push(pid);
  return { child, dataDir, pid, ended };
}
const gone = (pid: number) => vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 40_000, interval: 100 });

describe.skipIf(!existsSync(join(root, ".next", "BUILD_ID")))("a console (needs the pages to be built)", () => {
  it.each([
    ["npm start", "SIGTERM", "npm", ["start"]],
    ["the launcher", "SIGHUP", process.execPath, [LAUNCHER, "start"]],
    ["the launcher", "SIGKILL", process.execPath, [LAUNCHER, "start"]],
    ["nothing between", "SIGTERM", NODE, ["bin/supravisor.ts", "start"]],
  ] as const)(
    "started by %s ends with it after %s",
    async (_by, signal, command, args) => {
      const { child, pid, ended } = await start(command, [...args]);
      expect(alive(pid)).toBe(true);
      child.kill(signal);
      const code = await ended;
      await gone(pid);
      // npm says it in its own way, and a process that was killed says nothing.
      if (command !== "npm" && signal !== "SIGKILL") expect(code).toBe(0);
    },
    600_000,
  );
});

describe("the launcher", () => {
  it.each(["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"] as const)(
    "takes a command that runs on with it when it ends by %s",
    async (signal) => {
      const folder = await mkdtemp(join(tmpdir(), "supravisor-launch-"));
      folders.push(folder);
      // A conversion that waits for its input for ever.
      const child = spawn(process.execPath, [LAUNCHER, "convert", "-", "out.qcow2", "--from", "raw", "--to", "qcow2"], {
        cwd: folder,
        stdio: ["pipe", "ignore", "pipe"],
      });
      pids.push(child.pid ?? 0);
      const ended = new Promise<number | string | null>((resolve) =>
        child.once("exit", (code, by) => resolve(by ?? code)),
      );
      child.stdin.on("error", () => undefined);
      child.stdin.write(Buffer.alloc(70_000, 7));
      await new Promise((resolve) => child.stderr.once("data", resolve));
      const product = Number(
        (await readFile(`/proc/${child.pid}/task/${child.pid}/children`, "utf8")).trim().split(" ")[0],
      );
      pids.push(product);
      child.kill(signal);
      expect(await ended).toBe(signal === "SIGKILL" ? "SIGKILL" : 1);
      await gone(product);
      expect(existsSync(join(folder, "out.qcow2"))).toBe(false);
    },
    60_000,
  );

  it("hands on the exit code, and how a signal ended the product", async () => {
    const code = async (...args: string[]) => run(process.execPath, [LAUNCHER, ...args], {}).ended;
    expect(await code("--version")).toBe(0);
    expect(await code("convert")).toBe(2);
    expect(await code("inspect", "/no/such/file")).toBe(1);
  });

  it("waits for a Postgres that is not there, ends at once when it is asked to, and gives up within the bound", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "supravisor-launch-"));
    folders.push(dataDir);
    // Nobody listens on port 1.
    const env = {
      SUPRAVISOR_DATA_DIR: dataDir,
      DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none",
      SUPRAVISOR_DB_WAIT: "3",
    };
    const short = run(NODE, ["bin/supravisor.ts", "worker"], env);
    expect(await short.ended).toBe(1);
    expect(short.said()).toContain("[db.unreachable]");
    const long = run(process.execPath, [LAUNCHER, "worker"], { ...env, SUPRAVISOR_DB_WAIT: "600" });
    await vi.waitFor(() => expect(long.said()).toContain("waiting up to"), { timeout: 40_000 });
    await delay(500);
    long.child.kill("SIGTERM");
    expect(await long.ended).toBe(0);
  }, 120_000);
});
