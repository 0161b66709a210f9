/** One pass from disk to file: what arrives, what is told on the way, and how it ends when something breaks. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { convertDisk, planConversion } from "./convert.ts";
import { failReadsAt, failWritesAfter } from "./filters/fail-at.ts";
import { slowReads, slowWrites } from "./filters/rate-limit.ts";
import { shortReads } from "./filters/short-read.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import { openImage } from "./registry.ts";
import { memoryBytes, memoryDisk, memoryImage, MemorySink } from "./testing/memory.ts";

const MIB = 1024 * 1024;

function filled(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i += 64) bytes.writeUInt32LE(i + 1, i);
  return bytes;
}

const TARGETS = [
  ["raw", {}],
  ["qcow2", {}],
  ["qcow2", { compression: "zlib" }],
  ["qcow2", { compression: "zstd" }],
  ["vmdk", {}],
  ["vmdk", { subformat: "streamOptimized" }],
  ["vhd", {}],
  ["vhdx", {}],
  ["vdi", {}],
] as const;

it.each(TARGETS)("to %s %o: the disk that comes out is the one that went in", async (to, options) => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom("d", "d", "-", "z"), minLength: 1, maxLength: 40 }),
      fc.boolean(),
      async (kinds, either) => {
        // Its head is written last.
        const seekable = either || "compression" in options;
        const piece = 98_304;
        const bytes = filled(kinds.length * piece);
        for (let i = 0; i < kinds.length; i++) if (kinds[i] !== "d") bytes.fill(0, i * piece, (i + 1) * piece);
        const disk = memoryDisk(bytes, kinds.replaceAll("z", "d"), piece);
        const sink = new MemorySink(seekable);
        const told: number[] = [];
        const done = await convertDisk({
          disk,
          to,
          options,
          sink,
          onProgress: (progress) => {
            expect(progress.total).toBe(bytes.length);
            told.push(progress.done);
          },
        });
        expect(done.fingerprint).toBe(await fingerprintDisk(disk));
        expect(done.fileLength).toBe(sink.bytes?.length);
        expect(told).toEqual([...told].sort((a, b) => a - b));
        expect(told.at(-1)).toBe(bytes.length);
        if (!seekable)
          for (const [i, write] of sink.writes.entries())
            expect(write.offset).toBeGreaterThanOrEqual(endOf(sink, i - 1));
        const image = memoryImage("out", memoryBytes(sink.bytes ?? Buffer.alloc(0)));
        await using back = await openImage(image, to === "raw" ? { from: "raw" } : {});
        expect(await fingerprintDisk(back.disk)).toBe(done.fingerprint);
        const planned = await planConversion(disk, to, options);
        if (planned.fileLength !== null) expect(planned.fileLength).toBe(done.fileLength);
        expect(planned.bytesToMove).toBe([...kinds].filter((kind) => kind !== "-").length * piece);
      },
    ),
    { numRuns: 12 },
  );
});

function endOf(sink: MemorySink, i: number): number {
  const write = sink.writes[i];
  return write === undefined ? 0 : write.offset + write.length;
}

it("reads every byte of data once", async () => {
  const bytes = filled(9 * MIB);
  const disk = memoryDisk(bytes, "dd-dd-ddd", MIB);
  const seen = new Uint8Array(9 * 256);
  const counting = {
    ...disk,
    read: async (offset: number, into: Uint8Array) => {
      for (let at = offset; at < offset + into.length; at += 4096) seen[at / 4096] = (seen[at / 4096] ?? 0) + 1;
      await disk.read(offset, into);
    },
  };
  await convertDisk({ disk: counting, to: "qcow2", sink: new MemorySink() });
  expect(new Set(seen)).toEqual(new Set([0, 1]));
  expect(seen.filter((count) => count === 1).length).toBe(7 * 256);
});

it.each(TARGETS)(
  "to %s %o: a bad sector, a target that dies and a cancel end it, and nothing is committed",
  async (to, options) => {
    const bytes = filled(8 * MIB);
    const disk = memoryDisk(bytes);
    const dead = new AppError("unavailable", "host.unreachable", "The host went away.");
    const run = async (
      source: typeof disk,
      sink: MemorySink,
      wrap: (sink: MemorySink) => MemorySink,
      signal?: AbortSignal,
    ) => {
      await expect(
        convertDisk({ disk: source, to, options, sink: wrap(sink), ...(signal === undefined ? {} : { signal }) }),
      ).rejects.toThrow(/bad sector|went away|aborted/);
      expect(sink.bytes).toBeNull();
    };
    await run(failReadsAt(disk, 5 * MIB, new Error("bad sector")), new MemorySink(), (sink) => sink);
    await run(disk, new MemorySink(), (sink) => failWritesAfter(sink, 100_000, dead));
    await run(disk, new MemorySink(), (sink) => sink, AbortSignal.abort());
    const slowSource = AbortSignal.timeout(30);
    await run(slowReads(disk, 10 * MIB), new MemorySink(), (sink) => sink, slowSource);
    const slowTarget = AbortSignal.timeout(30);
    await run(disk, new MemorySink(), (sink) => slowWrites(sink, 100_000), slowTarget);
  },
);

it("a source file that is cut while it is read ends the conversion", async () => {
  const cut = shortReads(memoryBytes(filled(8 * MIB)), 3 * MIB);
  await using opened = await openImage(memoryImage("cut.raw", cut), { from: "raw" });
  const sink = new MemorySink();
  await expect(convertDisk({ disk: opened.disk, to: "qcow2", sink })).rejects.toMatchObject({ code: "io.short-read" });
  expect(sink.bytes).toBeNull();
});
