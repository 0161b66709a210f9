/**
 * Starts a module as a thread that does not compile: a thread that loads TypeScript loads the compiler as well, 35 MB
 * and 50 ms of processor time each. The types are taken off here instead, once for the process.
 */
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { Worker, type WorkerOptions } from "node:worker_threads";

const stripped = new Map<string, URL>();

/** Imports of other modules of ours are resolved the same way; they are few and small. */
const OURS = /from "(\.{1,2}\/[^"]+\.ts)"/g;

function leanModule(file: URL): URL {
  let lean = stripped.get(file.href);
  if (lean === undefined) {
    const code = withoutTypes(readFileSync(file, "utf8"))
      .replace(OURS, (_, path: string) => `from ${JSON.stringify(leanModule(new URL(path, file)).href)}`)
      // Packages are found from where the module lies.
      .replaceAll("import.meta.url", JSON.stringify(file.href));
    lean = new URL(`data:text/javascript;base64,${Buffer.from(code).toString("base64")}`);
    stripped.set(file.href, lean);
  }
  return lean;
}

function withoutTypes(code: string): string {
  // Node warns that this call may change; Node is pinned, and what runs every module here is the same stripper.
  const { emitWarning } = process;
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(code);
  } finally {
    process.emitWarning = emitWarning;
  }
}

export function startLeanThread(file: URL, options: WorkerOptions): Worker {
  return new Worker(leanModule(file), options);
}
