/** Temporary folders and the foreign oracle, for tests. */
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class Scratch implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "supravisor-disk-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  /** A sparse file of `size` bytes with random data at each [offset, length]. */
  raw(name: string, size: number, data: readonly (readonly [number, number])[]): string {
    const path = this.path(name);
    const fd = openSync(path, "w");
    ftruncateSync(fd, size);
    for (const [offset, length] of data) writeSync(fd, randomFillSync(Buffer.alloc(length)), 0, length, offset);
    closeSync(fd);
    return path;
  }

  remove(name: string): void {
    rmSync(this.path(name), { recursive: true, force: true });
  }

  /** Runs qemu-img in the folder, so that names of siblings stay plain. Throws with its words when it fails. */
  qemuImg(...args: string[]): string {
    return execFileSync("qemu-img", args, { cwd: this.folder, encoding: "utf8", stdio: "pipe", timeout: 60_000 });
  }

  qemuIo(...args: string[]): string {
    return execFileSync("qemu-io", args, { cwd: this.folder, encoding: "utf8", stdio: "pipe", timeout: 60_000 });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
