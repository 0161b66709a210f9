/** VMDKs and VHDs as other writers and stores leave them: padded, without an end mark, with a damaged first directory. */
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile, openInspection } from "../file-conversion.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import { openImage } from "../registry.ts";
import { memoryBytes, memoryImage } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
let stream: Buffer;
let sparse: Buffer;
let fingerprint: string;

beforeAll(async () => {
  const source = scratch.raw("disk.raw", 80 * MIB, [
    [0, 70_000],
    [40 * MIB, 70_000],
    [79 * MIB, 700],
  ]);
  const target = scratch.path("stream.vmdk");
  const done = await convertFile({ source, target, to: "vmdk", options: { subformat: "streamOptimized" } });
  fingerprint = done.fingerprint ?? "";
  stream = readFileSync(target);
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "disk.raw", "sparse.vmdk");
  sparse = readFileSync(scratch.path("sparse.vmdk"));
});

async function read(bytes: Buffer): Promise<{ fingerprint: string; notes: string }> {
  await using opened = await openImage(memoryImage("x.vmdk", memoryBytes(bytes)));
  return { fingerprint: await fingerprintDisk(opened.disk), notes: opened.facts.notes.join("\n") };
}

describe("a stream with something behind its end", () => {
  it.each([
    ["a sector of zeros", Buffer.alloc(512), ""],
    ["zeros to the next MiB and more", Buffer.alloc(3 * MIB + 100), ""],
    ["bytes of another program", Buffer.from("a signature of somebody".padEnd(1000)), "left out"],
  ])("%s", async (_name, more, words) => {
    const found = await read(Buffer.concat([stream, more]));
    expect(found.fingerprint).toBe(fingerprint);
    if (words === "") expect(found.notes).toBe("");
    else expect(found.notes).toContain(words);
  });

  it("or without its end mark, but with its footer", async () => {
    const found = await read(stream.subarray(0, -512));
    expect(found.fingerprint).toBe(fingerprint);
    expect(found.notes).toContain("mark of its end");
    await expect(read(stream.subarray(0, -1024))).rejects.toMatchObject({ code: "image.truncated" });
  });
});

describe("a redundant grain directory", () => {
  const directory = () => Number(sparse.readBigUInt64LE(56)) * 512;
  const damaged = (change: (image: Buffer) => void): Buffer => {
    const image = Buffer.from(sparse);
    change(image);
    return image;
  };

  it.each<readonly [string, (image: Buffer) => void]>([
    ["an entry behind the file", (image) => image.writeUInt32LE(0x7fff_ffff, directory())],
    ["the last entry behind the file", (image) => image.writeUInt32LE(0x7fff_ffff, directory() + 8)],
    ["an entry of zeros", (image) => image.writeUInt32LE(0, directory() + 4)],
    ["a directory behind the file", (image) => image.writeBigUInt64LE(2n ** 31n, 56)],
    ["a header that names the copy alone", (image) => image.writeBigUInt64LE(0n, 56)],
  ])("is used for %s, with a note", async (_name, change) => {
    const found = await read(damaged(change));
    expect(found.fingerprint).toBe(fingerprint);
    expect(found.notes).toContain("redundant copy was used");
  });

  it("that is damaged itself changes nothing", async () => {
    const copy = Number(sparse.readBigUInt64LE(48)) * 512;
    const found = await read(damaged((image) => image.writeUInt32LE(0x7fff_ffff, copy)));
    expect(found).toEqual({ fingerprint, notes: "" });
  });
});

it("a fixed VHD that was filled up to whole pages", async () => {
  scratch.qemuImg("convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on", "disk.raw", "fixed.vhd");
  const image = readFileSync(scratch.path("fixed.vhd"));
  writeFileSync(scratch.path("padded.vhd"), Buffer.concat([image, Buffer.alloc(4096 - 512)]));
  await using opened = await openInspection(scratch.path("padded.vhd"));
  expect(opened.facts).toMatchObject({ format: "vhd", variant: "fixed", virtualSize: 80 * MIB });
  expect(await fingerprintDisk(opened.disk)).toBe(fingerprint);
});
