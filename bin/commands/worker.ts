import { resolve } from "node:path";
import type { Command } from "commander";
import { databaseWaitMs } from "../terminal/database-wait.ts";
import { UsageError } from "../terminal/print-error.ts";
import { runUntilStopped } from "../terminal/run-until-stopped.ts";

/** `worker`: the same jobs on another machine against the same Postgres. */
export function registerWorker(program: Command): void {
  program
    .command("worker")
    .description(
      "run jobs for a console elsewhere (DATABASE_URL, SUPRAVISOR_DATA_DIR on shared storage, the console's secret key)",
    )
    .action(async () => {
      const databaseUrl = process.env["DATABASE_URL"];
      if (databaseUrl === undefined || databaseUrl === "")
        throw new UsageError("A worker needs DATABASE_URL: the embedded database belongs to one process.");
      const dataDir = resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
      process.env["SUPRAVISOR_DATA_DIR"] = dataDir;
      const { startWorker } = await import("#lib/worker/main.ts");
      await runUntilStopped(async (signal) => {
        const worker = await startWorker({ databaseUrl, dataDir, waitMs: databaseWaitMs(), signal });
        process.stdout.write("Supravisor worker is running.\n");
        return worker;
      });
    });
}
