/** Two images for every scenario: one that takes a while to send, and one that is gone in a moment. */
import { execFileSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, openSync, truncateSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const MiB = 1024 * 1024;

export interface Images {
  readonly folder: string;
  readonly big: string;
  readonly small: string;
}

/** Noise packs badly, so the bytes that are moved are the bytes that are counted. */
export function makeImages(folder: string, bigMiB: number): Images {
  const make = (name: string, mib: number): string => {
    const raw = join(folder, `${name}.raw`);
    writeFileSync(raw, "");
    truncateSync(raw, mib * 2 * MiB);
    const file = openSync(raw, "r+");
    const block = Buffer.alloc(MiB);
    for (let at = 0; at < mib; at += 1) writeSync(file, randomFillSync(block), 0, MiB, at * 2 * MiB);
    closeSync(file);
    const path = join(folder, `${name}.qcow2`);
    execFileSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", raw, path], { stdio: "pipe" });
    return path;
  };
  return { folder, big: make("big", bigMiB), small: make("small", 8) };
}
