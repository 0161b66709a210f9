import { resolve } from "node:path";
import type { Command } from "commander";
import { onInterrupt } from "../terminal/interrupt.ts";
import { UsageError } from "../terminal/print-error.ts";

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
      const dataDir = resolve(process.env["SUPRAVISOR_DATA_DIR"] ?? "data");
      process.env["SUPRAVISOR_DATA_DIR"] = dataDir;
      const { startWorker } = await import("#lib/worker/main.ts");
      const worker = await startWorker({ databaseUrl, dataDir, ...(jobs === undefined ? {} : { jobs }) });
      process.stdout.write("Supravisor worker is running.\n");
      onInterrupt(() => {
        worker.close().then(
          () => process.exit(0),
          () => process.exit(1),
        );
      });
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 64)
    throw new UsageError(`--jobs takes a whole number from 1 to 64, not “${text}”.`);
  return value;
}
