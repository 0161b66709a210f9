import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jobLog, jobs } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { JobKind } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import type { OpenJobQueue } from "./queue.ts";
import { startRunner, type JobHandler, type Runner } from "./runner.ts";

let services: TestServices;
let runner: Runner | null;
const actor = { id: null, name: "test" };

beforeEach(async () => {
  services = await testServices();
  runner = null;
});
afterEach(async () => {
  await runner?.close();
  await services.close();
});

async function start(run: JobHandler["run"], more: Omit<JobHandler, "run"> = {}): Promise<void> {
  const handler = { ...more, run };
  const handlers = Object.fromEntries(
    ["deploy", "image.analyse", "image.import", "image.capture"].map((kind) => [kind, handler]),
  ) as Record<JobKind, JobHandler>;
  runner = await startRunner(services, services.jobs as OpenJobQueue, handlers, { concurrency: 2 });
}

const enqueue = () =>
  services.db.transaction((tx) =>
    services.jobs.enqueue(tx, {
      kind: "deploy",
      title: "Deploy",
      subject: { kind: "request", id: "r" },
      input: { a: 1 },
      actor,
    }),
  );

async function ended(id: string) {
  for (let i = 0; i < 200; i += 1) {
    const [row] = await services.db.select().from(jobs).where(eq(jobs.id, id));
    if (row && ["succeeded", "failed", "cancelled"].includes(row.state)) return row;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("job did not end");
}

describe("the runner", () => {
  it("runs a job with its input and keeps stages, progress and log", async () => {
    await start(async (io) => {
      expect(io.input).toEqual({ a: 1 });
      await io.stage("one", "running", "Doing one");
      io.progress({ done: 5, total: 10, moved: 3 });
      await io.log("info", "half way");
      await io.stage("one", "done");
    });
    const row = await ended(await enqueue());
    expect(row.state).toBe("succeeded");
    expect(row.attempt).toBe(1);
    expect(row.stages).toMatchObject([{ id: "one", label: "Doing one", state: "done" }]);
    expect(row.progress).toMatchObject({ done: 5, total: 10, moved: 3 });
    expect(await services.db.select().from(jobLog)).toMatchObject([{ text: "half way" }]);
  });

  it("keeps the error of a failed job and hides what was not meant for people", async () => {
    await start(async () => {
      throw new AppError("unprocessable", "pool.full", "No room.");
    });
    expect((await ended(await enqueue())).error).toMatchObject({ code: "pool.full", message: "No room." });
  });

  it("cancels a running job through its signal", async () => {
    let seen: unknown = null;
    await start(async (io) => {
      await new Promise((_, reject) => io.signal.addEventListener("abort", () => reject(io.signal.reason)));
      seen = io;
    });
    const id = await enqueue();
    for (let i = 0; i < 100; i += 1) {
      const [row] = await services.db.select().from(jobs).where(eq(jobs.id, id));
      if (row?.state === "running") break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await services.db.transaction((tx) => services.jobs.requestCancel(tx, id, { name: "Olga" }))).toBe(true);
    const row = await ended(id);
    expect(row.state).toBe("cancelled");
    expect(row.error).toMatchObject({ code: "job.cancelled", message: "The job was cancelled by Olga." });
    expect(seen).toBeNull();
    expect(await services.db.transaction((tx) => services.jobs.requestCancel(tx, id, { name: "Olga" }))).toBe(false);
  });

  it("never runs a job that was cancelled before it began", async () => {
    const id = await enqueue();
    await services.db.transaction((tx) => services.jobs.requestCancel(tx, id, { name: "Olga" }));
    let ran = false;
    await start(async () => {
      ran = true;
    });
    const second = await enqueue();
    await ended(second);
    expect((await ended(id)).state).toBe("cancelled");
    expect(ran).toBe(true);
    const [row] = await services.db.select().from(jobs).where(eq(jobs.id, id));
    expect(row?.attempt).toBe(0);
  });

  it("does not run what was enqueued in a transaction that failed", async () => {
    await expect(
      services.db.transaction(async (tx) => {
        await services.jobs.enqueue(tx, {
          kind: "deploy",
          title: "Never",
          subject: { kind: "request", id: "r" },
          input: {},
          actor,
        });
        throw new Error("no");
      }),
    ).rejects.toThrow("no");
    const titles: number[] = [];
    await start(async (io) => {
      titles.push(io.attempt);
    });
    await ended(await enqueue());
    expect(titles).toEqual([1]);
    expect(await services.db.select().from(jobs)).toHaveLength(1);
  });

  it("leaves a job to the next worker when this one stops, which sees a second attempt", async () => {
    let begun = 0;
    await start(async (io) => {
      begun += 1;
      await new Promise((_, reject) => io.signal.addEventListener("abort", () => reject(io.signal.reason)));
    });
    const id = await enqueue();
    for (let i = 0; i < 100 && begun === 0; i += 1) await new Promise((resolve) => setTimeout(resolve, 50));
    await runner?.close();
    let attempt = 0;
    await start(async (io) => {
      attempt = io.attempt;
    });
    expect((await ended(id)).state).toBe("succeeded");
    expect(attempt).toBe(2);
  });
});
