/** Chains of any shape against the plain rule: a byte is that of the topmost layer that has it. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Extent } from "./block-source.ts";
import type { Layer } from "./layer.ts";
import { LayeredDisk } from "./layered-disk.ts";
import { memoryDisk } from "./testing/memory.ts";

const PIECE = 16;

/** One letter a piece: data, zero, parent. Bytes of data tell their layer and place. */
function layerOf(kinds: string, number: number): Layer & { readonly bytes: Buffer } {
  const bytes = Buffer.alloc(kinds.length * PIECE);
  for (let at = 0; at < bytes.length; at++)
    if (kinds[Math.floor(at / PIECE)] === "d") bytes[at] = 1 + ((number * 50 + at) % 200);
  const kindOf = { d: "data", z: "zero", p: "parent" } as const;
  const kindAt = (at: number) => kindOf[(kinds[Math.floor(at / PIECE)] ?? "p") as "d" | "z" | "p"];
  return {
    ...memoryDisk(bytes, kinds, PIECE),
    bytes,
    held(offset, limit) {
      expect(limit).toBeGreaterThan(0);
      expect(offset + limit).toBeLessThanOrEqual(bytes.length);
      const kind = kindAt(offset);
      let length = PIECE - (offset % PIECE);
      while (length < limit && kindAt(offset + length) === kind) length += PIECE;
      const held = { length: Math.min(length, limit), kind };
      // Both ways of answering are allowed.
      return number % 2 === 0 ? held : Promise.resolve(held);
    },
  };
}

const kinds = fc.string({ unit: fc.constantFrom("d", "z", "p", "p"), minLength: 1, maxLength: 24 });

describe("a chain", () => {
  it("reads, lists and locates as the rule says", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(kinds, { minLength: 2, maxLength: 6 }), fc.nat(), fc.nat(), async (chain, from, to) => {
        const layers = chain.map(layerOf);
        const [top, ...below] = layers.slice(0, -1);
        const base = layers.at(-1);
        if (top === undefined || base === undefined) throw new RangeError("two layers at least");
        const truth = Buffer.alloc(top.size);
        for (let at = 0; at < truth.length; at++) {
          // A layer that is too short ends the search: it reads as zeros there.
          for (const [i, layer] of layers.entries()) {
            if (at >= layer.size) break;
            const kind = chain[i]?.[Math.floor(at / PIECE)];
            if (kind === "p" && layer !== base) continue;
            truth[at] = layer.bytes[at] ?? 0;
            break;
          }
        }
        await using disk = new LayeredDisk([top, ...below], base);
        const [start, end] = [from % (truth.length + 1), to % (truth.length + 1)].sort((a, b) => a - b) as [
          number,
          number,
        ];
        const into = Buffer.alloc(end - start, 0xaa);
        await disk.read(start, into);
        expect(into.equals(truth.subarray(start, end))).toBe(true);

        let at = 0;
        let last: Extent | null = null;
        for await (const extent of disk.extents()) {
          expect(extent.offset).toBe(at);
          expect(extent.kind).not.toBe(last?.kind);
          if (extent.kind === "zero")
            expect(truth.subarray(at, at + extent.length).every((byte) => byte === 0)).toBe(true);
          at += extent.length;
          last = extent;
        }
        expect(at).toBe(truth.length);

        for (let offset = start; offset < end; ) {
          const found = await disk.locate(offset, end - offset);
          expect(found.length).toBeGreaterThan(0);
          if (found.kind === "zero")
            expect(truth.subarray(offset, offset + found.length).every((byte) => byte === 0)).toBe(true);
          offset += found.length;
        }
      }),
      { numRuns: 300 },
    );
  });

  it("fails whole when a layer fails, and only after all reads have ended", async () => {
    const broken = layerOf("dpdp", 0);
    const base = layerOf("dddd", 1);
    let reading = 0;
    const slow = {
      ...base,
      async read(offset: number, into: Uint8Array) {
        reading++;
        await new Promise((resolve) => setTimeout(resolve, 5));
        await base.read(offset, into);
        reading--;
      },
    };
    const disk = new LayeredDisk([{ ...broken, read: () => Promise.reject(new Error("no medium")) }], slow);
    await expect(disk.read(0, Buffer.alloc(4 * PIECE))).rejects.toThrow("no medium");
    expect(reading).toBe(0);
  });

  it("stops when it is told to", async () => {
    const disk = new LayeredDisk([layerOf("dp".repeat(12), 0)], layerOf("d".repeat(24), 1));
    const walk = async () => {
      for await (const _ of disk.extents(AbortSignal.abort(new Error("enough")))) continue;
    };
    await expect(walk()).rejects.toThrow("enough");
  });
});
