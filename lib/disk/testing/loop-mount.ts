/** A file system of its own in a file, and a block device over a file: what tests need root for. */
import { execFileSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, openSync } from "node:fs";
import type { Scratch } from "./scratch.ts";

const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: "utf8", stdio: "pipe", timeout: 60_000 });

/** XFS with room for about 300 MB. Throws where this account may not mount. */
export class XfsMount implements Disposable {
  readonly folder: string;

  constructor(scratch: Scratch) {
    const image = scratch.path("xfs.img");
    const fd = openSync(image, "w");
    ftruncateSync(fd, 512 * 1_048_576);
    closeSync(fd);
    this.folder = scratch.path("xfs");
    mkdirSync(this.folder);
    run("mkfs.xfs", "-q", image);
    run("mount", "-o", "loop", image, this.folder);
  }

  [Symbol.dispose](): void {
    run("umount", this.folder);
  }
}

/** A read-only block device over a file. Throws where this account may not make one. */
export class LoopDevice implements Disposable {
  readonly path: string;

  constructor(file: string) {
    this.path = run("losetup", "--find", "--show", "--read-only", file).trim();
  }

  [Symbol.dispose](): void {
    run("losetup", "--detach", this.path);
  }
}

/** Why neither can be had; null when both can. */
export function loopsMissing(): string | null {
  if (process.getuid?.() !== 0) return "only root may mount";
  try {
    run("losetup", "--find");
    run("mkfs.xfs", "-V");
    return null;
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n")[0] ?? "no loop device") : "no loop device";
  }
}
