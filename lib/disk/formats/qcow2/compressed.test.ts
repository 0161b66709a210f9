/** What we pack, qemu-img finds without fault, equal to the source and about as small as its own. */
import { randomFillSync } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { convertDisk } from "../../convert.ts";
import { convertStream } from "../../convert-stream.ts";
import { convertFile, fingerprintFile, openInspection } from "../../file-conversion.ts";
import { memoryDisk, MemorySink } from "../../testing/memory.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1024 * 1024;
const KINDS = ["zlib", "zstd"] as const;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** `t`: text, `n`: noise, anything else zeros; one letter a piece. */
function mixed(kinds: string, piece: number): Buffer {
  const bytes = Buffer.alloc(kinds.length * piece);
  for (const [i, kind] of [...kinds].entries()) {
    const part = bytes.subarray(i * piece, (i + 1) * piece);
    if (kind === "n") randomFillSync(part);
    else if (kind === "t") for (let at = 0; at < part.length; at += 8) part.write(String(at * 7919 + i), at, "latin1");
  }
  return bytes;
}

function source(name: string, bytes: Uint8Array): string {
  writeFileSync(scratch.path(name), bytes);
  return scratch.path(name);
}

interface Check {
  readonly "compressed-clusters"?: number;
  readonly "allocated-clusters"?: number;
}

async function expectWritten(raw: string, options: Record<string, unknown>): Promise<Check> {
  const target = scratch.path("out.qcow2");
  const done = await convertFile({ source: raw, from: "raw", target, to: "qcow2", options, overwrite: true });
  const check = JSON.parse(scratch.qemuImg("check", "-f", "qcow2", "--output=json", "out.qcow2")) as Check;
  scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", raw, "out.qcow2");
  expect(statSync(target).size).toBe(done.fileLength);
  expect(await fingerprintFile(target)).toBe(done.fingerprint);
  return check;
}

describe.each(KINDS)("a qcow2 packed by %s", (compression) => {
  it.each([512, 4096, 65_536, 2_097_152])("with clusters of %d bytes", async (cluster_size) => {
    // Noise and text in turns, a long run of each, text whose cluster is half a hole, an odd end.
    const turns = mixed("tn-tntnnt-ttnnntt--t", 100_000);
    const end = Buffer.concat([mixed("nnt", MIB), Buffer.alloc(3 * MIB), mixed("t", 700)]);
    const raw = source("in.raw", Buffer.concat([turns, Buffer.alloc(5 * MIB + 512 - (turns.length % 512)), end]));
    const found = await expectWritten(raw, { compression, cluster_size });
    expect(found["compressed-clusters"]).toBeGreaterThan(0);
    scratch.qemuImg(
      ...["convert", "-c", "-O", "qcow2", "-o", `compression_type=${compression},cluster_size=${cluster_size}`],
      ...["-f", "raw", "in.raw", "theirs.qcow2"],
    );
    const theirs = statSync(scratch.path("theirs.qcow2")).size;
    expect(statSync(scratch.path("out.qcow2")).size).toBeLessThan(theirs * 1.06 + 3 * cluster_size);
  });

  it("is written to in place by QEMU, and stays sound", async () => {
    const raw = source("live.raw", mixed("ttntt--t", 300_000));
    const target = scratch.path("live.qcow2");
    await convertFile({ source: raw, from: "raw", target, to: "qcow2", options: { compression }, overwrite: true });
    for (const [format, name] of [
      ["qcow2", "live.qcow2"],
      ["raw", "live.raw"],
    ] as const) {
      scratch.qemuIo("-f", format, "-c", "write -P 7 65000 200k", "-c", "write -P 9 1400000 64k", name);
    }
    scratch.qemuImg("check", "-f", "qcow2", "live.qcow2");
    scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", "live.raw", "live.qcow2");
  });

  it.each([0, 512, 65_536, 65_536 * 8192, 65_536 * 8192 + 512])("of %d bytes, empty but for its end", async (size) => {
    const raw = scratch.raw("size.raw", size, size === 0 ? [] : [[size - 512, 512]]);
    await expectWritten(raw, { compression });
  });

  it("of 15 TB with data at both ends", async () => {
    const size = 15 * 2 ** 40;
    const raw = scratch.raw("big.raw", size, [
      [0, MIB],
      [size - MIB, MIB],
    ]);
    const target = scratch.path("big.qcow2");
    await convertFile({ source: raw, from: "raw", target, to: "qcow2", options: { compression }, overwrite: true });
    scratch.qemuImg("check", "-f", "qcow2", "big.qcow2");
    expect(await fingerprintFile(scratch.path("big.qcow2"))).toBe(await fingerprintFile(raw, { from: "raw" }));
    expect(statSync(scratch.path("big.qcow2")).blocks * 512).toBeLessThan(4 * MIB);
  });

  it("any pattern, at every boundary of tables and counts", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: fc.constantFrom("t", "t", "n", "-"), minLength: 1, maxLength: 900 }),
        fc.constantFrom(512, 1024, 4096),
        fc.integer({ min: 0, max: 511 }),
        async (kinds, cluster_size, cut) => {
          const bytes = mixed(kinds, 512);
          await expectWritten(source("any.raw", bytes.subarray(0, bytes.length - cut)), { compression, cluster_size });
        },
      ),
      { numRuns: 8 },
    );
  });

  it.each([65_536, 2_097_152])("from a disk that passes by once, clusters of %d bytes", async (cluster_size) => {
    const bytes = mixed("tn--t---n", 777_728);
    const sink = new MemorySink();
    const done = await convertStream({
      stream: {
        size: bytes.length,
        order: "forward",
        async *pieces() {
          for (let offset = 0; offset < bytes.length; offset += 100_000) {
            if (Math.floor(offset / 777_728) !== 5) yield { offset, bytes: bytes.subarray(offset, offset + 100_000) };
          }
        },
        [Symbol.asyncDispose]: async () => undefined,
      },
      to: "qcow2",
      options: { compression, cluster_size },
      sink,
    });
    expect(done.spooled).toBeNull();
    source("stream.raw", bytes);
    source("stream.qcow2", sink.bytes ?? Buffer.alloc(0));
    scratch.qemuImg("check", "-f", "qcow2", "stream.qcow2");
    scratch.qemuImg("compare", "-f", "raw", "-F", "qcow2", "stream.raw", "stream.qcow2");
  });
});

it("the highest levels too, in clusters of 2 MiB", async () => {
  const raw = source("high.raw", mixed("tnt", 2 * MIB));
  await expectWritten(raw, { compression: "zlib", compression_level: 9, cluster_size: 2 * MIB });
  await expectWritten(raw, { compression_type: "zstd", compression_level: 19, cluster_size: 2 * MIB });
});

it("a target that cannot go back is refused before anything is read", async () => {
  const disk = { ...memoryDisk(mixed("t", 4096)), read: () => Promise.reject(new Error("was read")) };
  for (const compression of KINDS) {
    await expect(
      convertDisk({ disk, to: "qcow2", options: { compression }, sink: new MemorySink(false) }),
    ).rejects.toMatchObject({ code: "sink.forward-only", kind: "unprocessable" });
  }
});

describe("metadata preallocated", () => {
  it.each([512, 4096, 65_536, 2_097_152])("with clusters of %d bytes", async (cluster_size) => {
    const raw = scratch.raw("pre.raw", 40 * MIB + 1536, [
      [0, 100],
      [5 * MIB - 3, 3 * MIB],
      [40 * MIB + 1500, 36],
    ]);
    const found = await expectWritten(raw, { cluster_size, preallocation: "metadata", lazy_refcounts: false });
    expect(found["allocated-clusters"]).toBe(Math.ceil((40 * MIB + 1536) / cluster_size));
    expect(statSync(scratch.path("out.qcow2")).blocks * 512).toBeLessThan(6 * MIB);
  });
});

it.each([
  { compression: "lzo" },
  { compression: "zlib", compression_type: "zstd" },
  { compression: "none", compression_level: 3 },
  { compression: "zlib", compression_level: 10 },
  { compression: "zstd", compression_level: 0 },
  { compression: "zstd", preallocation: "metadata" },
  { preallocation: "full" },
  { lazy_refcounts: true },
])("refuses %o", async (options) => {
  const raw = scratch.raw("opt.raw", 512, []);
  await expect(
    convertFile({ source: raw, from: "raw", target: scratch.path("opt.qcow2"), to: "qcow2", options }),
  ).rejects.toMatchObject({ code: "options.invalid", kind: "invalid" });
});

it("what is read back is told as packed", async () => {
  const raw = source("told.raw", mixed("t", MIB));
  await convertFile({
    source: raw,
    from: "raw",
    target: scratch.path("told.qcow2"),
    to: "qcow2",
    options: { compression: "zstd" },
  });
  await using opened = await openInspection(scratch.path("told.qcow2"));
  expect(opened.facts.details["compression"]).toBe("zstd");
  expect(readFileSync(scratch.path("told.qcow2")).length).toBeLessThan(MIB);
});
