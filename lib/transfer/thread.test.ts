import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { AppError } from "#lib/errors.ts";
import { runInThread } from "./thread.ts";

let folder: string;
const taskFile = new URL("./task.ts", import.meta.url).href;
const errorsFile = new URL("../errors.ts", import.meta.url).href;

async function task(name: string, body: string): Promise<URL> {
  const file = join(folder, `${name}.task.ts`);
  await writeFile(
    file,
    `import { serveTask } from ${JSON.stringify(taskFile)};\nimport { AppError } from ${JSON.stringify(errorsFile)};\n${body}\nvoid AppError;\n`,
  );
  return pathToFileURL(file);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "thread-test-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const never = () => new AbortController().signal;

describe("runInThread", () => {
  it("gives the input, passes progress on (the last value always) and answers the result", async () => {
    const module = await task(
      "sum",
      `serveTask(async (input: { numbers: number[] }, io) => {
         let sum = 0;
         for (const n of input.numbers) { sum += n; io.progress({ sum }); }
         return { sum };
       });`,
    );
    const seen: number[] = [];
    const numbers = Array.from({ length: 1000 }, (_, i) => i);
    const out = await runInThread<{ numbers: number[] }, { sum: number }, { sum: number }>(
      module,
      { numbers },
      { signal: never(), onProgress: (p) => seen.push(p.sum) },
    );
    expect(out.sum).toBe(499_500);
    expect(seen.at(-1)).toBe(499_500);
    expect(seen.length).toBeLessThan(20);
  });

  it("gives the thread none of the process's secrets", async () => {
    const module = await task("look", "serveTask(async () => ({ ...process.env }));");
    const secrets = ["SUPRAVISOR_ADMIN_PASSWORD", "SUPRAVISOR_SECRET_KEY", "NEXTAUTH_SECRET", "DATABASE_URL"];
    for (const name of secrets) vi.stubEnv(name, "s3cr3t");
    vi.stubEnv("SUPRAVISOR_TRANSFER_PORTS", "20000-20049");
    try {
      const seen = await runInThread<null, Record<string, string>>(module, null, { signal: never() });
      expect(Object.values(seen)).not.toContain("s3cr3t");
      expect(seen).toMatchObject({ PATH: process.env["PATH"], SUPRAVISOR_TRANSFER_PORTS: "20000-20049" });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it("throws the task's own error with code, hint and details", async () => {
    const module = await task(
      "refuse",
      `serveTask(async () => { throw new AppError("unprocessable", "pool.full", "Pool default is full.", { hint: "Make room.", details: { free: 7 } }); });`,
    );
    await expect(runInThread(module, null, { signal: never() })).rejects.toMatchObject({
      kind: "unprocessable",
      code: "pool.full",
      message: "Pool default is full.",
      hint: "Make room.",
      details: { free: 7 },
    });
  });

  it("keeps an unknown error's text for the log and out of the message", async () => {
    const module = await task("bug", `serveTask(async () => { throw new TypeError("secret detail"); });`);
    const error = await runInThread(module, null, { signal: never() }).catch((e: unknown) => e as AppError);
    expect(error).toBeInstanceOf(AppError);
    const app = error as AppError;
    expect(app.code).toBe("internal");
    expect(app.message).not.toContain("secret detail");
    expect(String((app.cause as Error).message)).toContain("secret detail");
  });

  it("tells the task to stop and throws the reason of the abort", async () => {
    const module = await task(
      "listens",
      `serveTask(async (_: null, io) => {
         io.progress("up");
         await new Promise((_r, reject) => { const hold = setTimeout(() => {}, 1e6); io.signal.addEventListener("abort", () => { clearTimeout(hold); reject(io.signal.reason); }); });
       });`,
    );
    const stop = new AbortController();
    const reason = new AppError("cancelled", "job.cancelled", "Ada cancelled it.");
    const run = runInThread(module, null, { signal: stop.signal, onProgress: () => stop.abort(reason) });
    await expect(run).rejects.toBe(reason);
  });

  it("ends a thread that does not listen", async () => {
    const module = await task(
      "deaf",
      `serveTask(async (_: null, io) => { io.progress("up"); for (;;) await new Promise((r) => setTimeout(r, 50)); });`,
    );
    const stop = new AbortController();
    const reason = new AppError("cancelled", "job.cancelled", "Ada cancelled it.");
    await expect(runInThread(module, null, { signal: stop.signal, onProgress: () => stop.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  it("says when nothing moves", async () => {
    const module = await task(
      "stalls",
      `serveTask(async (_: null, io) => new Promise((_r, reject) => { const hold = setTimeout(() => {}, 1e6); io.signal.addEventListener("abort", () => { clearTimeout(hold); reject(io.signal.reason); }); }));`,
    );
    await expect(runInThread(module, null, { signal: never(), stallAfter: 400 })).rejects.toMatchObject({
      code: "thread.stalled",
    });
  });

  it("says when the thread died without an answer", async () => {
    const module = await task(
      "dies",
      `setTimeout(() => process.exit(3), 20); serveTask(async () => new Promise(() => {}));`,
    );
    await expect(runInThread(module, null, { signal: never() })).rejects.toMatchObject({ code: "thread.died" });
  });

  it("does not start when already cancelled", async () => {
    const reason = new AppError("cancelled", "job.cancelled", "Ada cancelled it.");
    await expect(runInThread(new URL("file:///nowhere.ts"), null, { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });
});
