/** Any disk through any two formats is the same disk: laid out but never stored, so that sizes go up to the limits. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AppError } from "#lib/errors.ts";
import type { BlockSource, Extent } from "./block-source.ts";
import { compareDisks } from "./compare.ts";
import type { ByteSource } from "./io.ts";
import { readPlan } from "./plan-reader.ts";
import { formatOf, openImage } from "./registry.ts";
import { memoryImage } from "./testing/memory.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
const TiB = 1024 * GiB;
const SECTOR = 512;

/** Data in the given runs, each byte a function of its offset; holes between. */
function sparseDisk(size: number, runs: readonly (readonly [number, number])[]): BlockSource {
  const sorted: [number, number][] = [];
  for (const [from, to] of [...runs].sort((a, b) => a[0] - b[0])) {
    const last = sorted.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = Math.max(last[1], to);
    else if (to > from) sorted.push([from, to]);
  }
  return {
    size,
    async *extents(): AsyncIterable<Extent> {
      let at = 0;
      for (const [from, to] of sorted) {
        if (from > at) yield { offset: at, length: from - at, kind: "zero" };
        yield { offset: from, length: to - from, kind: "data" };
        at = to;
      }
      if (size > at) yield { offset: at, length: size - at, kind: "zero" };
    },
    async read(offset, into) {
      if (offset + into.length > size) throw new RangeError("read past the end");
      into.fill(0);
      for (const [from, to] of sorted) {
        const start = Math.max(from, offset);
        const end = Math.min(to, offset + into.length);
        for (let at = start; at < end; at += 1) into[at - offset] = (at % 251) + 1;
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Target {
  readonly format: DiskFormatId;
  readonly options: Record<string, unknown>;
  /** Bytes. */
  readonly largest: number;
}
const TARGETS: readonly Target[] = [
  { format: "raw", options: {}, largest: 62 * TiB },
  { format: "qcow2", options: {}, largest: 62 * TiB },
  { format: "qcow2", options: { cluster_size: 512 }, largest: 1 * GiB },
  { format: "qcow2", options: { cluster_size: 2 * MiB }, largest: 62 * TiB },
  { format: "vmdk", options: {}, largest: 2 * TiB - 64 * KiB },
  { format: "vhd", options: {}, largest: 2040 * GiB },
  { format: "vhdx", options: {}, largest: 62 * TiB },
  { format: "vdi", options: {}, largest: 62 * TiB },
];

/** The file that a conversion would write, read where it is asked for. */
async function virtualFile(disk: BlockSource, { format, options }: Target): Promise<ByteSource> {
  const kind = formatOf(format);
  const plan = await kind.plan?.(disk, kind.options.parse(options));
  if (plan === undefined) throw new Error(`${format} has no plan`);
  return {
    size: plan.length,
    // As a file system tells it: without, a raw disk of 62 TiB would be read whole.
    async *allocated() {
      for (const { at, length, kind } of plan.segments()) if (kind !== "zero") yield { offset: at, length };
    },
    read: (offset, into, signal) => readPlan(plan, disk, offset, into, signal),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function through(disk: BlockSource, target: Target, work: (next: BlockSource) => Promise<void>): Promise<void> {
  const bytes = await virtualFile(disk, target);
  const image = memoryImage(`disk.${target.format}`, bytes);
  await using opened = await openImage(image, target.format === "raw" ? { from: "raw" } : {});
  await work(opened.disk);
}

/** Sizes at which some table or block of some format is just not, just or just more than full. */
const EDGES = [
  SECTOR,
  4 * KiB,
  32 * KiB,
  64 * KiB,
  MiB,
  2 * MiB,
  32 * MiB,
  512 * MiB,
  GiB,
  4 * GiB,
  128 * GiB,
  2 * TiB,
];
const size = fc.oneof(
  fc.constantFrom(0, SECTOR, 62 * TiB, 2040 * GiB),
  fc
    .tuple(fc.constantFrom(...EDGES), fc.integer({ min: 1, max: 3 }), fc.constantFrom(-SECTOR, 0, SECTOR))
    .map(([edge, times, more]) => Math.max(0, edge * times + more)),
  fc.integer({ min: 0, max: 200_000 }).map((sectors) => sectors * SECTOR),
);

/** Up to eight short runs: at the ends, about the edges of blocks and tables, anywhere. */
const disk = size.chain((bytes) =>
  fc
    .array(
      fc.tuple(
        fc.oneof(
          fc.constantFrom(0, bytes),
          fc.tuple(fc.constantFrom(...EDGES), fc.nat(4)).map(([edge, times]) => edge * times),
          fc.double({ min: 0, max: 1, noNaN: true }).map((share) => Math.floor((share * bytes) / SECTOR) * SECTOR),
        ),
        fc.integer({ min: -20, max: 20 }),
        fc.integer({ min: 1, max: 300 }),
      ),
      { maxLength: 8 },
    )
    .map((runs) => ({
      bytes,
      runs: runs.map(([at, sectors, length]): [number, number] => {
        const from = Math.min(Math.max(0, at + sectors * SECTOR), bytes);
        return [from, Math.min(bytes, from + length * SECTOR)];
      }),
    })),
);

describe("a disk through two formats", () => {
  it.each(TARGETS)("first $format $options, then any", async (first) => {
    await fc.assert(
      fc.asyncProperty(disk, fc.constantFrom(...TARGETS), async ({ bytes, runs }, second) => {
        fc.pre(bytes <= first.largest && bytes <= second.largest);
        const original = sparseDisk(bytes, runs);
        await through(original, first, async (once) => {
          expect(await compareDisks(original, once)).toEqual({
            equal: true,
            sizes: [bytes, bytes],
            firstDifference: null,
          });
          await through(once, second, async (twice) => {
            expect((await compareDisks(original, twice)).equal).toBe(true);
          });
        });
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });

  it.each(TARGETS.filter(({ largest }) => largest < 62 * TiB && largest > TiB))(
    "$format says what is too large for it",
    async (target) => {
      const error: unknown = await virtualFile(sparseDisk(63 * TiB, []), target).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(AppError);
      expect(error).toMatchObject({ code: "image.too-large-for-format", kind: "unprocessable" });
    },
  );
});
