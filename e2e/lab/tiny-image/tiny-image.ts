/** A small disk that boots (GPT, BIOS and UEFI, Debian's kernel, busybox) and says so on its serial console. Built once and kept. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

const cache = join(import.meta.dirname, "..", "..", ".cache");

/** Path of the raw disk, 96 MiB. */
export function tinyImage(): string {
  mkdirSync(cache, { recursive: true });
  const path = join(cache, "tiny.raw");
  if (existsSync(path)) return path;
  const fresh = join(cache, `tiny.${process.pid}.raw`);
  execFileSync(join(import.meta.dirname, "build.sh"), [fresh], {
    stdio: ["ignore", "inherit", "inherit"],
    timeout: 300_000,
    env: { ...process.env, TINY_CACHE: join(cache, "kernel") },
  });
  renameSync(fresh, path);
  return path;
}
