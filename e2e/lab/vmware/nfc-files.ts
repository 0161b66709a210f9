/** Between the raw file of a disk in a datastore and the streamOptimized VMDK that goes over the wire: by qemu-img. */
import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { appendFile, mkdir, rm, stat, truncate } from "node:fs/promises";
import { dirname } from "node:path";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Writes `capacity` bytes of disk as a streamOptimized VMDK. A simulated disk without bytes reads as zeros. */
export async function packDisk(flat: string, capacity: number, target: string): Promise<void> {
  const size = (await stat(flat).catch(() => null))?.size ?? 0;
  if (size < capacity) {
    await mkdir(dirname(flat), { recursive: true });
    if (size === 0) await rm(flat, { force: true });
    await run("qemu-img", ["create", "-q", "-f", "raw", flat, String(capacity)]).catch(() => truncate(flat, capacity));
  }
  await run("qemu-img", ["convert", "-q", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized", flat, target]);
  // QEMU leaves out the marker that ends a stream and that every export of a host has: a sector of zeros.
  await appendFile(target, Buffer.alloc(512));
}

/** Answers the bytes that came. */
export async function receive(body: AsyncIterable<Buffer>, target: string, limit: number | null): Promise<number> {
  let length = 0;
  await pipeline(
    body,
    async function* (source: AsyncIterable<Buffer>) {
      for await (const chunk of source) {
        length += chunk.length;
        if (limit !== null && length > limit) throw new Error("ENOSPC");
        yield chunk;
      }
    },
    createWriteStream(target),
  );
  return length;
}

/** Throws when it is no whole VMDK, or one of another size. */
export async function unpackDisk(vmdk: string, capacity: number, flat: string): Promise<void> {
  const { stdout } = await run("qemu-img", ["info", "-f", "vmdk", "--output=json", vmdk]);
  const info = JSON.parse(stdout) as {
    "virtual-size": number;
    "format-specific"?: { data?: { "create-type"?: string } };
  };
  if (info["format-specific"]?.data?.["create-type"] !== "streamOptimized") throw new Error("not streamOptimized");
  if (info["virtual-size"] !== capacity)
    throw new Error(`the disk has ${info["virtual-size"]} bytes, its VM says ${capacity}`);
  await run("qemu-img", ["convert", "-q", "-f", "vmdk", "-O", "raw", vmdk, flat]);
}
