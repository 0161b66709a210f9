/**
 * A worker as a process of its own, for tests that kill it. Says one line of JSON on stdout for everything it does.
 * Arguments: data folder, "-" or a Postgres address, name of the worker, how many jobs to enqueue first, what its
 * handler does: "hang" for ever, "finish" at once, or "work" as the real ones do.
 */
import { join } from "node:path";
import { pino } from "pino";
import type { JobKind } from "#lib/domain/job.ts";
import { startRunner, type JobHandler, type JobIO } from "#lib/jobs/runner.ts";
import { HANDLERS } from "#lib/server/handlers.ts";
import { openServices } from "#lib/server/services.ts";

export const WORKER_PROGRAM = join(import.meta.dirname, "worker-process.ts");

/** What the process says. */
export type Said =
  | { readonly event: "ready" }
  | { readonly event: "enqueued"; readonly id: string }
  | { readonly event: "begun" | "left" | "done"; readonly id: string; readonly attempt: number };

const say = (line: Said): void => {
  process.stdout.write(`${JSON.stringify(line)}\n`);
};

async function main([
  dataDir = "",
  url = "-",
  name = "worker",
  count = "0",
  behaviour = "finish",
]: string[]): Promise<void> {
  const base = await openServices({
    dataDir,
    log: pino({ level: "silent" }),
    ...(url === "-" ? {} : { databaseUrl: url }),
  });
  for (let i = 0; i < Number(count); i += 1) {
    const id = await base.services.db.transaction((tx) =>
      base.services.jobs.enqueue(tx, {
        kind: "deploy",
        title: `Job ${i}`,
        subject: { kind: "request", id: String(i) },
        input: {},
        actor: { id: null, name: "test" },
      }),
    );
    say({ event: "enqueued", id });
  }
  const begins = (io: JobIO) => say({ event: "begun", id: io.jobId, attempt: io.attempt });
  const run = async (io: JobIO): Promise<void> => {
    begins(io);
    if (behaviour === "finish") return;
    await new Promise((_, reject) => {
      io.signal.addEventListener("abort", () => {
        say({ event: "left", id: io.jobId, attempt: io.attempt });
        reject(io.signal.reason as Error);
      });
    });
  };
  const act = (real: JobHandler): JobHandler =>
    behaviour === "work"
      ? {
          ...real,
          async run(io) {
            begins(io);
            const result = await real.run(io);
            say({ event: "done", id: io.jobId, attempt: io.attempt });
            return result;
          },
        }
      : { run };
  const handlers: Record<JobKind, JobHandler> = {
    deploy: act(HANDLERS.deploy),
    "image.analyse": act(HANDLERS["image.analyse"]),
    "image.import": act(HANDLERS["image.import"]),
    "image.capture": act(HANDLERS["image.capture"]),
  };
  const runner = await startRunner(base.services, base.queue, handlers, { concurrency: 2, name });
  say({ event: "ready" });
  process.on("SIGTERM", () => {
    void runner
      .close()
      .then(() => base.close())
      .then(() => process.exit(0));
  });
}

if (import.meta.main) await main(process.argv.slice(2));
