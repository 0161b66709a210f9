import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { mutants } from "../testing/hostile.ts";
import { Scratch } from "../testing/scratch.ts";
import { inflate64 } from "./deflate64.ts";
import { Meter } from "./packing.ts";
import { unpack } from "./unpack.ts";
import { unbzip2 } from "./bzip2.ts";
import { zipEntries } from "./zip.ts";
import { memoryBytes, memoryImage } from "../testing/memory.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const run = (program: string, ...args: string[]) => execFileSync(program, args, { cwd: scratch.folder, stdio: "pipe" });

/** Bytes of every kind that matters: none, runs, long matches far back, noise, text. */
const far = randomBytes(60_000);
const CONTENTS: Readonly<Record<string, Buffer>> = {
  nothing: Buffer.alloc(0),
  "one byte": Buffer.from("x"),
  zeros: Buffer.alloc(1_500_000),
  "a few zeros behind four": Buffer.concat([Buffer.alloc(260, 7), Buffer.alloc(4, 8), Buffer.alloc(5, 9)]),
  noise: Buffer.concat([randomBytes(300_000), Buffer.alloc(40_000)]),
  "matches far back": Buffer.concat([far, randomBytes(5000), far, far.subarray(0, 40_000), far]),
  text: Buffer.alloc(1_000_000, "some words of a disk, and more of them; "),
};

async function* pieces(bytes: Buffer, size: number): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of bytes) parts.push(Uint8Array.from(part));
  return Buffer.concat(parts);
}

const bzip2 = (content: Buffer, level = 9): Buffer =>
  execFileSync("bzip2", [`-${level}`, "-c"], { input: content, maxBuffer: 2 ** 26 });

/** The packed bytes of a zip's only entry, as 7-Zip makes them. */
async function deflate64(content: Buffer): Promise<Buffer> {
  writeFileSync(scratch.path("in.bin"), content);
  run("rm", "-f", "in.zip");
  run("7zz", "a", "-bd", "-mm=Deflate64", "in.zip", "in.bin");
  const zip = readFileSync(scratch.path("in.zip"));
  const [entry] = await zipEntries(memoryImage("in.zip", memoryBytes(zip)));
  if (entry === undefined) throw new Error("nothing is in it");
  if (content.length > 1000) expect(entry.method).toBe("deflate64");
  const at = entry.at + 30 + zip.readUInt16LE(entry.at + 26) + zip.readUInt16LE(entry.at + 28);
  return entry.method === "stored"
    ? Buffer.from([1, entry.packedBytes, 0, 255 - entry.packedBytes, 255, ...zip.subarray(at, at + entry.packedBytes)])
    : zip.subarray(at, at + entry.packedBytes);
}

describe.each([
  ["bzip2", async (content: Buffer) => bzip2(content), unbzip2],
  ["Deflate64", deflate64, inflate64],
] as const)("%s", (_, pack, unpacked) => {
  it.each(Object.entries(CONTENTS))("%s", async (_name, content) => {
    const packed = await pack(content);
    for (const size of [7, 4096, 2 ** 24]) {
      if (size === 7 && packed.length > 200_000) continue;
      expect((await all(unpacked(pieces(packed, size), new Meter("x")))).equals(content)).toBe(true);
    }
  });

  it("cut off: it says so", async () => {
    const packed = await pack(CONTENTS["text"] ?? Buffer.alloc(0));
    for (const length of [5, 40, packed.length - 1])
      await expect(all(unpacked(pieces(packed.subarray(0, length), 1000), new Meter("x")))).rejects.toMatchObject({
        code: "image.truncated",
      });
  });

  it("damaged: an error of the image, never another, and never more than the content", async () => {
    const content = Buffer.concat([far.subarray(0, 3000), Buffer.alloc(20_000, "abcdefgh"), far.subarray(0, 3000)]);
    const packed = await pack(content);
    for (const mutant of mutants(packed, [[0, packed.length]], 7, 300)) {
      const found = await all(
        unpack(_ === "bzip2" ? "bzip2" : "deflate64", pieces(mutant, 1000), new Meter("x")),
      ).catch((error: unknown) => error);
      if (found instanceof Buffer) continue;
      expect(found).toBeInstanceOf(AppError);
      expect((found as AppError).code).toMatch(/^image\./);
    }
  });
});

it("bzip2: several streams, levels and zeros behind them; a bit that is changed is found by its checksum", async () => {
  const text = CONTENTS["text"] ?? Buffer.alloc(0);
  const two = Buffer.concat([bzip2(text, 1), bzip2(far, 9), Buffer.alloc(10_240)]);
  expect((await all(unbzip2(pieces(two, 1000), new Meter("x")))).equals(Buffer.concat([text, far]))).toBe(true);
  await expect(
    all(unbzip2(pieces(Buffer.concat([two, Buffer.from("rest")]), 1000), new Meter("x"))),
  ).rejects.toMatchObject({
    code: "image.corrupt",
  });
  const noise = bzip2(far);
  const at = Math.floor(noise.length / 2);
  noise.writeUInt8(noise.readUInt8(at) ^ 4, at);
  await expect(all(unbzip2(pieces(noise, 1000), new Meter("x")))).rejects.toMatchObject({ code: "image.corrupt" });
});
