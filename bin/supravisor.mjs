#!/usr/bin/env node
// Entry of the command line for any Node ≥ 20: hands over to the Node that the product pins, which runs TypeScript as it is.
// Nothing outlives this process: signals are handed on, and the product ends when its channel to this process closes.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildEnvironment, ownEnvironment } from "../lib/process/child-environment.mjs";

const bin = dirname(fileURLToPath(import.meta.url));
const node = join(bin, "..", "node_modules", "node", "bin", "node");
const LOOK_MS = 500;

/** Signals what runs now. */
let handOn = () => {};
let stopped = null;
const stop = (signal) => {
  stopped ??= signal;
  handOn(signal);
};
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => stop(signal));

// npm dies of a signal without handing it on. A shell may go away: what it started in the background stays.
if (process.env.npm_command !== undefined) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop("SIGTERM");
  }, LOOK_MS);
  timer.unref();
}

/** 128 and the signal's number, as shells say it. */
const codeOf = (code, signal) => (signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1));

/** In a group of its own, so that a signal reaches npm and the build below it. */
async function prepare(step) {
  const child = spawn(process.execPath, [join(bin, "prepare.mjs"), step], {
    stdio: "inherit",
    detached: true,
    env: buildEnvironment(),
  });
  handOn = (signal) => {
    try {
      process.kill(-child.pid, signal);
    } catch {
      // It has just ended.
    }
  };
  const code = await new Promise((resolve) => child.on("exit", (code, signal) => resolve(codeOf(code, signal))));
  if (stopped !== null) process.exit(codeOf(null, stopped));
  if (code !== 0) process.exit(1);
}

if (!existsSync(node)) await prepare("install");
if (process.argv[2] === "start" && !process.argv.includes("--dev") && !process.argv.includes("--help"))
  await prepare("start");
const child = spawn(node, [join(bin, "supravisor.ts"), ...process.argv.slice(2)], {
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: ownEnvironment({
    // Packing runs on libuv's pool, which has four threads however many cores there are.
    UV_THREADPOOL_SIZE: String(Math.max(4, availableParallelism() + 2)),
    // glibc keeps freed memory by thread: with two heaps rather than eight a core, bulk work takes 10 % less of it.
    MALLOC_ARENA_MAX: "2",
  }),
});
handOn = (signal) => child.kill(signal);
if (stopped !== null) handOn(stopped);
child.on("exit", (code, signal) => process.exit(codeOf(code, signal)));
