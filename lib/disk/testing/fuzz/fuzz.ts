/**
 * Mutants of sound images: whatever is wrong with a file, opening and reading it ends in a typed error or in bytes,
 * within a bounded time and memory. A seed says which mutants; the same seed makes the same ones again.
 */
import { Worker } from "node:worker_threads";
import type { Specimen } from "./corpus.ts";
import type { MutantNews, MutantOrder } from "./mutant-worker.ts";

/** One mutant: far above what any needs, far below what a person would wait. */
const PATIENCE_MS = 20_000;
/** Of the thread's own heap; buffers are outside it and watched by the process's size. */
const HEAP_MB = 256;
const PROCESS_MB = 1500;

export interface Broken {
  readonly specimen: string;
  readonly seed: number;
  /** A crash with its stack, `hangs`, `takes N MB`. */
  readonly what: string;
  /** The file itself where it could be had. */
  readonly mutant: Uint8Array | null;
}

export interface FuzzReport {
  readonly mutants: number;
  /** How often each outcome was seen: `read`, or an error's code. */
  readonly outcomes: ReadonlyMap<string, number>;
  readonly broken: readonly Broken[];
}

/** `count` mutants of one specimen. */
export async function fuzzSpecimen(specimen: Specimen, seed: number, count: number): Promise<FuzzReport> {
  const { mend: _, ...sent } = specimen;
  const { name } = sent;
  const order: MutantOrder = { specimen: sent, seed, count };
  const outcomes = new Map<string, number>();
  const broken: Broken[] = [];
  let begun = 0;
  const worker = new Worker(new URL("./mutant-worker.ts", import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
    // Those of a test runner are not for this thread.
    execArgv: [],
  });
  await new Promise<void>((resolve) => {
    const fail = (what: string, mutant: Uint8Array | null = null) =>
      broken.push({ specimen: name, seed, what, mutant });
    const end = (): void => {
      clearInterval(watch);
      void worker.terminate().then(() => resolve());
    };
    let since = Date.now();
    const watch = setInterval(() => {
      const megabytes = Math.round(process.memoryUsage().rss / 1024 ** 2);
      if (megabytes > PROCESS_MB) fail(`mutant ${begun}: the process takes ${megabytes} MB`);
      else if (Date.now() - since > PATIENCE_MS) fail(`mutant ${begun}: hangs`);
      else return;
      end();
    }, 200);
    worker.on("message", (news: MutantNews) => {
      since = Date.now();
      if (news.kind === "begun") begun += 1;
      else if (news.kind === "outcome") outcomes.set(news.code, (outcomes.get(news.code) ?? 0) + 1);
      else if (news.kind === "broken") fail(news.what, news.mutant);
      else end();
    });
    worker.on("error", (error) => {
      fail(`mutant ${begun}: the thread ended: ${error instanceof Error ? error.message : String(error)}`);
      end();
    });
  });
  return { mutants: begun, outcomes, broken };
}
