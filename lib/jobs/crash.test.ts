/** Workers that are killed: every job runs again or ends, and no other one runs twice. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { asc } from "drizzle-orm";
import { afterEach, describe, expect, it } from "vitest";
import { openDatabase } from "#lib/db/client.ts";
import { jobs } from "#lib/db/schema.ts";
import { postgresPrograms, startTestPostgres } from "#lib/db/testing-postgres.ts";
import { WORKER_PROGRAM, type Said } from "#lib/server/testing/worker-process.ts";

const NODE = join(import.meta.dirname, "..", "..", "node_modules", ".bin", "node");
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function tempDir(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "supravisor-crash-"));
  closers.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

interface WorkerProcess {
  readonly said: Said[];
  until(pleased: (said: readonly Said[]) => boolean): Promise<void>;
  end(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void>;
}

/** Every wait is bounded: a worker that never says it fails the test with what it did say. */
const PATIENCE_MS = 45_000;

function startWorkerProcess(...args: string[]): WorkerProcess {
  const child: ChildProcess = spawn(NODE, [WORKER_PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const said: Said[] = [];
  let wake: () => void = () => undefined;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  if (child.stdout) {
    createInterface(child.stdout).on("line", (line) => {
      said.push(JSON.parse(line) as Said);
      wake();
    });
  }
  const process_: WorkerProcess = {
    said,
    async until(pleased) {
      const late = AbortSignal.timeout(PATIENCE_MS);
      while (!pleased(said)) {
        if (late.aborted) throw new Error(`the worker said only ${JSON.stringify(said)}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
          late.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    },
    async end(signal) {
      child.kill(signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") await gone;
    },
  };
  closers.push(() => process_.end("SIGKILL"));
  return process_;
}

const begun = (said: readonly Said[]) =>
  said.flatMap((line) => (line.event === "begun" ? [{ id: line.id, attempt: line.attempt }] : []));
const enqueued = (said: readonly Said[]) => said.flatMap((line) => (line.event === "enqueued" ? [line.id] : []));

async function allJobs(options: { url?: string; dataDir: string | null }) {
  const database = await openDatabase(options);
  try {
    return await database.db.select().from(jobs).orderBy(asc(jobs.createdAt));
  } finally {
    await database.close();
  }
}

describe("a console that is killed, on the embedded database", () => {
  it("runs again what it was doing and what was waiting, each once, and nothing that had ended", async () => {
    const dataDir = await tempDir();
    const first = startWorkerProcess(dataDir, "-", "first", "1", "finish");
    await first.until((said) => begun(said).length === 1);
    const [done] = enqueued(first.said);
    await first.end("SIGTERM");

    // Two at a time: the third of them is still waiting when the process dies.
    const second = startWorkerProcess(dataDir, "-", "second", "3", "hang");
    await second.until((said) => begun(said).length === 2);
    await second.end("SIGKILL");
    const hung = enqueued(second.said);
    const inTheMiddle = begun(second.said).map((line) => line.id);

    const third = startWorkerProcess(dataDir, "-", "third", "0", "finish");
    await third.until((said) => begun(said).length === 3);
    await third.end("SIGTERM");

    expect(
      begun(third.said)
        .map((line) => line.id)
        .sort(),
    ).toEqual([...hung].sort());
    const rows = await allJobs({ dataDir });
    expect(rows.map((row) => row.state)).toEqual(["succeeded", "succeeded", "succeeded", "succeeded"]);
    for (const row of rows) {
      expect(row).toMatchObject({
        attempt: inTheMiddle.includes(row.id) ? 2 : 1,
        crashes: inTheMiddle.includes(row.id) ? 1 : 0,
        worker: row.id === done ? "first" : "third",
      });
    }
  });
});

describe.skipIf(postgresPrograms === null)("workers on one Postgres", () => {
  it("take up the job of one that was killed, and no job twice", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const dataDir = await tempDir();
    const first = startWorkerProcess(dataDir, postgres.url, "first", "2", "hang");
    await first.until((said) => begun(said).length === 2);
    const second = startWorkerProcess(dataDir, postgres.url, "second", "2", "finish");
    await second.until((said) => begun(said).length === 2);
    expect(
      begun(second.said)
        .map((line) => line.id)
        .sort(),
    ).toEqual(enqueued(second.said).sort());

    await first.end("SIGKILL");
    await second.until((said) => begun(said).length === 4);
    await second.end("SIGTERM");
    expect(begun(second.said).filter((line) => enqueued(first.said).includes(line.id))).toEqual(
      expect.arrayContaining(enqueued(first.said).map((id) => ({ id, attempt: 2 }))),
    );
    const rows = await allJobs({ url: postgres.url, dataDir: null });
    expect(rows.map((row) => [row.state, row.worker])).toEqual(
      Array.from({ length: 4 }, () => ["succeeded", "second"]),
    );
  });

  it("stop their own try when they were silent for so long that another one has the job", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const dataDir = await tempDir();
    const first = startWorkerProcess(dataDir, postgres.url, "first", "1", "hang");
    await first.until((said) => begun(said).length === 1);
    const second = startWorkerProcess(dataDir, postgres.url, "second", "0", "hang");
    await second.until((said) => said.some((line) => line.event === "ready"));
    await first.end("SIGSTOP");
    await second.until((said) => begun(said).length === 1);
    await first.end("SIGCONT");
    await first.until((said) => said.some((line) => line.event === "left"));

    const [row] = await allJobs({ url: postgres.url, dataDir: null });
    expect(row).toMatchObject({ state: "running", worker: "second", attempt: 2 });
    expect(begun(first.said)).toHaveLength(1);
  });

  it("go on after the database was restarted under them", async () => {
    const postgres = await startTestPostgres();
    closers.push(() => postgres.close());
    const dataDir = await tempDir();
    const first = startWorkerProcess(dataDir, postgres.url, "first", "0", "finish");
    await first.until((said) => said.some((line) => line.event === "ready"));
    await postgres.restart();
    const second = startWorkerProcess(dataDir, postgres.url, "second", "1", "hang");
    await second.until((said) => enqueued(said).length === 1);
    await second.end("SIGKILL");
    await first.until((said) => begun(said).length === 1);
  });
});
