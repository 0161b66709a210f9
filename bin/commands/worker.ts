import { resolve } from "node:path";
import type { Command } from "commander";
import { databaseWaitMs } from "../terminal/database-wait.ts";
import { UsageError } from "../terminal/print-error.ts";
import { printLine } from "../terminal/output.ts";
import { runUntilStopped } from "../terminal/run-until-stopped.ts";

/** `worker`: the same jobs on another machine against the same Postgres. */
export function registerWorker(program: Command): void {
  program
    .command("worker")
    .description(
      "run jobs for a console elsewhere (DATABASE_URL, SUPRAVISOR_DATA_DIR on shared storage, the console's secret key)",
    )
    .option("--jobs <number>", "jobs of each kind at the same time (SUPRAVISOR_JOBS, 2)", wholeNumber)
    .action(async ({ jobs }: { jobs?: number }) => {
      const databaseUrl = process.env["DATABASE_URL"];
      if (databaseUrl === undefined || databaseUrl === "")
        throw new UsageError("A worker needs DATABASE_URL: the embedded database belongs to one process.");
      // Nobody else has a use for what is written: keys, images, the database.
      process.umask(0o077);
      const dataDir = resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
      process.env["SUPRAVISOR_DATA_DIR"] = dataDir;
      const { startWorker } = await import("#lib/worker/main.ts");
      await runUntilStopped(async (signal) => {
        const worker = await startWorker({
          databaseUrl,
          dataDir,
          waitMs: databaseWaitMs(),
          signal,
          ...(jobs === undefined ? {} : { jobs }),
        });
        printLine("Supravisor worker is running.");
        return worker;
      });
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 64)
    throw new UsageError(`--jobs takes a whole number from 1 to 64, not “${text}”.`);
  return value;
}
