#!/usr/bin/env node
// Entry of the command line for any Node ≥ 20: hands over to the Node that the product pins, which runs TypeScript as it is.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildEnvironment, ownEnvironment } from "../lib/process/child-environment.mjs";

const bin = dirname(fileURLToPath(import.meta.url));
const node = join(bin, "..", "node_modules", "node", "bin", "node");

if (!existsSync(node)) {
  const prepared = spawnSync(process.execPath, [join(bin, "prepare.mjs"), "install"], {
    stdio: "inherit",
    env: buildEnvironment(),
  });
  if (prepared.status !== 0) process.exit(1);
}
if (process.argv[2] === "start" && !process.argv.includes("--dev")) {
  const prepared = spawnSync(process.execPath, [join(bin, "prepare.mjs"), "start"], {
    stdio: "inherit",
    env: buildEnvironment(),
  });
  if (prepared.status !== 0) process.exit(1);
}
const child = spawn(node, [join(bin, "supravisor.ts"), ...process.argv.slice(2)], {
  stdio: "inherit",
  env: ownEnvironment({
    // Packing runs on libuv's pool, which has four threads however many cores there are.
    UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism() + 2)),
    // glibc keeps freed memory by thread: with two heaps rather than eight a core, bulk work takes 10 % less of it.
    MALLOC_ARENA_MAX: "2",
  }),
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
