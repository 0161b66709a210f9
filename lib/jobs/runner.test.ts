import { randomUUID } from "node:crypto";
import { eq } from "drizzle-orm";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { jobLog, jobs } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { JobKind } from "#lib/domain/job.ts";
import { AppError } from "#lib/errors.ts";
import type { NewJob, OpenJobQueue } from "./queue.ts";
import { startRunner, type JobHandler, type Runner, type RunnerOptions } from "./runner.ts";

let services: TestServices;
let runner: Runner | null;

beforeEach(async () => {
  services = await testServices();
  runner = null;
});
afterEach(async () => {
  await runner?.close();
  await services.close();
});

async function start(
  run: JobHandler["run"],
  more: Omit<JobHandler, "run"> = {},
  options: RunnerOptions = { concurrency: 2 },
): Promise<void> {
  const handler = { ...more, run };
  const handlers = Object.fromEntries(
    ["deploy", "image.analyse", "image.import", "image.capture"].map((kind) => [kind, handler]),
  ) as Record<JobKind, JobHandler>;
  runner = await startRunner(services, services.jobs as OpenJobQueue, handlers, options);
}

const actor = { id: null, name: "test" };
const NEW: NewJob = {
  kind: "deploy",
  title: "Deploy",
  subject: { kind: "request", id: "r" },
  input: { a: 1 },
  actor,
};

const enqueue = () => services.db.transaction((tx) => services.jobs.enqueue(tx, NEW));

const connectionLost = () =>
  Object.assign(new Error("terminating connection due to administrator command"), { code: "57P01" });

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
    let error: Error = new AppError("unprocessable", "pool.full", "No room.");
    await start(async () => {
      throw error;
    });
    expect((await ended(await enqueue())).error).toMatchObject({ code: "pool.full", message: "No room." });
    error = new Error("the password is swordfish");
    const row = await ended(await enqueue());
    expect(row.error).toMatchObject({ kind: "internal", code: "internal" });
    expect(JSON.stringify(row)).not.toContain("swordfish");
  });

  it("cancels a running job through its signal", async () => {
    const reasons: unknown[] = [];
    let wentOn = false;
    await start(async (io) => {
      await new Promise<void>((resolve) => io.signal.addEventListener("abort", () => resolve(), { once: true }));
      reasons.push(io.signal.reason);
      io.signal.throwIfAborted();
      wentOn = true;
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
    expect(reasons).toMatchObject([{ code: "job.cancelled" }]);
    expect(wentOn).toBe(false);
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

  it("ends the job and what belongs to it in one transaction, or neither", async () => {
    const seen: (string | undefined)[] = [];
    let fails = 3;
    await start(async () => "result", {
      async ended(tx, job, end) {
        const [row] = await tx.select({ state: jobs.state }).from(jobs).where(eq(jobs.id, job.id));
        seen.push(row?.state);
        await tx.insert(jobLog).values({ jobId: job.id, level: "info", text: `ended ${JSON.stringify(end)}` });
        if ((fails -= 1) >= 0) throw connectionLost();
        return [];
      },
    });
    const row = await ended(await enqueue());
    expect(row).toMatchObject({ state: "succeeded", attempt: 1 });
    expect(seen).toEqual(["succeeded", "succeeded", "succeeded", "succeeded"]);
    // What was written in the transactions that failed is not there.
    expect((await services.db.select().from(jobLog)).map(({ text }) => text)).toEqual([
      'ended {"state":"succeeded","result":"result"}',
    ]);
  });

  it("fails a job whose success cannot be written, and says so where it can", async () => {
    const ends: string[] = [];
    await start(async () => "result", {
      async ended(_tx, _job, end) {
        ends.push(end.state);
        if (end.state === "succeeded") throw new Error("no");
        return [];
      },
    });
    expect((await ended(await enqueue())).state).toBe("failed");
    expect(ends).toEqual(["succeeded", "failed"]);
  });

  it("runs a job again when the database failed under it, as often as it takes, and nobody died of it", async () => {
    const attempts: number[] = [];
    await start(async (io) => {
      attempts.push(io.attempt);
      await io.stage("one", "running");
      if (attempts.length < 7) throw connectionLost();
    });
    const row = await ended(await enqueue());
    expect(row).toMatchObject({ state: "succeeded", error: null, attempt: 7, crashes: 0 });
    expect(attempts).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  describe("when workers die", () => {
    /** As it lies there after its worker has died in a stage. */
    async function left(stage: string, died: { crashes: number; crashStage: string }) {
      const id = await enqueue();
      const stages = [{ id: stage, label: stage, state: "running" as const, startedAt: null, finishedAt: null }];
      await services.db
        .update(jobs)
        .set({ ...died, state: "running", attempt: died.crashes, worker: "dead", stages })
        .where(eq(jobs.id, id));
      return id;
    }

    it("gives a job up in whose one stage they die again and again: it has failed, nobody cancelled it", async () => {
      const id = await left("transfer", { crashes: 3, crashStage: "transfer" });
      const ends: unknown[] = [];
      await start(
        async (io) => {
          io.signal.throwIfAborted();
        },
        { ended: async (_tx, _job, end) => (ends.push(end), []) },
      );
      const row = await ended(id);
      expect(row).toMatchObject({ state: "failed", crashes: 4, error: { code: "job.gave-up" } });
      expect(ends).toMatchObject([{ state: "failed", error: { code: "job.gave-up" } }]);
      expect(row.stages.filter(({ state }) => state === "running")).toEqual([]);
    });

    it("does not add up deaths in different stages, and forgets them once the stage has ended well", async () => {
      const elsewhere = await left("verify", { crashes: 3, crashStage: "transfer" });
      const counts: number[] = [];
      await start(async (io) => {
        const [row] = await services.db.select().from(jobs).where(eq(jobs.id, io.jobId));
        counts.push(row?.crashes ?? -1);
        await io.stage("verify", "running");
        await io.stage("verify", "done");
      });
      expect(await ended(elsewhere)).toMatchObject({ state: "succeeded", crashes: 0, crashStage: null });
      expect(counts).toEqual([1]);
    });
  });

  it("runs so many jobs of one host at a time, and others beside them", async () => {
    const [one, other] = [randomUUID(), randomUUID()];
    const now = new Map<string, number>();
    const most = new Map<string, number>();
    const hostOf = new Map<string, string>();
    // While a job of the one host runs, one of the other has to begin: else this never ends.
    const otherBegan = Promise.withResolvers<void>();
    await start(
      async (io) => {
        const host = hostOf.get(io.jobId) ?? "";
        now.set(host, (now.get(host) ?? 0) + 1);
        most.set(host, Math.max(most.get(host) ?? 0, now.get(host) ?? 0));
        if (host === other) otherBegan.resolve();
        await otherBegan.promise;
        await new Promise((resolve) => setTimeout(resolve, 700));
        now.set(host, (now.get(host) ?? 0) - 1);
      },
      {},
      { concurrency: 4, perHost: 1 },
    );
    const ids = await services.db.transaction(async (tx) => {
      const made: string[] = [];
      for (const hostId of [one, one, one, other]) {
        const id = await services.jobs.enqueue(tx, { ...NEW, hostId });
        hostOf.set(id, hostId);
        made.push(id);
      }
      return made;
    });
    for (const id of ids) expect((await ended(id)).state).toBe("succeeded");
    expect([most.get(one), most.get(other)]).toEqual([1, 1]);
  });
});
