/** A small disk that boots (GPT, BIOS and UEFI, Debian's kernel, busybox) and says so on its serial console. Built once and kept. */
import { execFileSync } from "node:child_process";
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { labCache } from "../cache.ts";

/** Path of the raw disk, 96 MiB. */
export function tinyImage(): string {
  const cache = labCache("tiny-image");
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
