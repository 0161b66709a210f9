/** A worker process that does the real work on the embedded database, and that a test may kill. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { WORKER_PROGRAM } from "./worker-process.ts";

const NODE = join(import.meta.dirname, "..", "..", "..", "node_modules", ".bin", "node");

export interface RealWorker {
  /** Resolves when the process is gone; gone already is fine. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** It has ended a job. */
  isDone(): boolean;
}

export function startRealWorker(dataDir: string): RealWorker {
  const child = spawn(NODE, [WORKER_PROGRAM, dataDir, "-", "worker", "0", "work"], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const gone = once(child, "exit");
  const said: string[] = [];
  child.stdout.on("data", (text: Buffer) => said.push(text.toString()));
  return {
    async end(signal) {
      child.kill(signal);
      await gone;
    },
    isDone: () => said.join("").includes('"done"'),
  };
}
