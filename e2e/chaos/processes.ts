/** Consoles and workers as processes that may be killed. */
import { spawn, type ChildProcess } from "node:child_process";
import { openSync, readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const NODE = join(root, "node_modules", "node", "bin", "node");

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface Program {
  readonly pid: number;
  /** Everything that it wrote so far. */
  output(): string;
  readonly gone: Promise<Ended>;
  isGone(): boolean;
  /** Sends the signal and waits for the end; SIGTERM becomes SIGKILL after 30 s. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<Ended>;
  /** Open files, resident MiB. */
  weight(): { files: number; mib: number };
}

export interface ProgramOptions {
  readonly command: "start" | "worker";
  readonly dataDir: string;
  readonly log: string;
  readonly env: Readonly<Record<string, string>>;
}

export function startProgram({ command, dataDir, log, env }: ProgramOptions): Program {
  const file = openSync(log, "a");
  const child: ChildProcess = spawn(NODE, ["bin/supravisor.ts", command], {
    cwd: root,
    stdio: ["ignore", file, file],
    env: { ...process.env, NODE_ENV: "production", SUPRAVISOR_DATA_DIR: dataDir, MALLOC_ARENA_MAX: "2", ...env },
  });
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${NODE} could not be started`);
  let ended = false;
  const gone = new Promise<Ended>((resolve) => {
    child.once("exit", (code, signal) => {
      ended = true;
      resolve({ code, signal });
    });
  });
  return {
    pid,
    gone,
    output: () => readFileSync(log, "utf8"),
    isGone: () => ended,
    async end(signal) {
      if (ended) return gone;
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), 30_000);
      const how = await gone;
      clearTimeout(timer);
      return how;
    },
    weight() {
      const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
      return { files: readdirSync(`/proc/${pid}/fd`).length, mib: Math.round(Number(rss) / 1024) };
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
