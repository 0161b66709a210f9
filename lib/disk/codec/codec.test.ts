/** Both ways of packing: by libdeflate and libzstd, and by Node alone. What one writes, the other reads. */
import { randomFillSync } from "node:crypto";
import { inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadDeflate, loadZstd } from "./native.ts";

async function fresh(native: boolean) {
  vi.resetModules();
  vi.stubEnv("SUPRAVISOR_NATIVE_CODECS", native ? "on" : "off");
  const codec = await import("./codec.ts");
  const { looksIncompressible } = await import("./incompressible.ts");
  return { ...codec, looksIncompressible };
}
afterEach(() => vi.unstubAllEnvs());

/** Half text, half noise, with matches farther apart than 4 KiB. */
function sample(length: number): Buffer {
  const bytes = randomFillSync(Buffer.alloc(length));
  for (let at = 0; at < length; at += 32) bytes.fill("supravisor disks ", at, Math.min(at + 17, length));
  if (length > 20_000) bytes.copy(bytes, length - 5000, 0, 5000);
  return bytes;
}

async function into(room: number, pack: (out: Buffer) => Promise<number>): Promise<Buffer> {
  const out = Buffer.alloc(room);
  return out.subarray(0, await pack(out));
}

/** Debian's libdeflate0 and libzstd1. */
const installed = loadDeflate() !== null && loadZstd() !== null;

it.skipIf(!installed)("the libraries are used unless they are switched off", async () => {
  expect((await fresh(true)).hasLibdeflate()).toBe(true);
  expect((await fresh(false)).hasLibdeflate()).toBe(false);
});

describe.each([
  ["libraries", true],
  ["Node alone", false],
])("by %s", { skip: !installed }, (_name, native) => {
  it.each([1, 512, 4096, 8193, 65_536, 2_097_152])("%d bytes come back, by the other way too", async (length) => {
    const here = await fresh(native);
    const there = await fresh(!native);
    const input = sample(length);
    const room = length + 1000;
    for (const windowBits of [12, 15]) {
      for (const level of [0, 1, 6]) {
        const raw = await into(room, (out) => here.deflate(input, out, { wrapper: "raw", level, windowBits }));
        const zlib = await into(room, (out) => here.deflate(input, out, { wrapper: "zlib", level, windowBits }));
        expect(inflateRawSync(raw).equals(input)).toBe(true);
        expect(inflateSync(zlib).equals(input)).toBe(true);
        for (const codec of [here, there]) {
          const back = Buffer.alloc(length);
          // Clusters are followed by whatever lies behind them.
          expect(await codec.inflate(Buffer.concat([raw, Buffer.alloc(99, 7)]), back, "raw")).toBe(length);
          expect(back.equals(input)).toBe(true);
          back.fill(0);
          expect(await codec.inflate(zlib, back, "zlib")).toBe(length);
          expect(back.equals(input)).toBe(true);
        }
      }
    }
    const frame = await into(room, (out) => here.zstd(input, out, 3));
    expect(zstdDecompressSync(frame).equals(input)).toBe(true);
    const back = Buffer.alloc(length);
    expect(await there.unzstd(frame, back)).toBe(length);
    expect(back.equals(input)).toBe(true);
  });

  it("what does not fit is not answered", async () => {
    const { deflate, zstd } = await fresh(native);
    for (const length of [512, 65_536]) {
      const noise = randomFillSync(Buffer.alloc(length));
      const out = Buffer.alloc(length - 1);
      expect(await deflate(noise, out, { wrapper: "raw", level: 6, windowBits: 12 })).toBe(0);
      expect(await deflate(noise, out, { wrapper: "zlib", level: 6, windowBits: 15 })).toBe(0);
      expect(await zstd(noise, out, 3)).toBe(0);
    }
  });

  it("more than fits, less than a stream and noise are refused; a short stream tells its length", async () => {
    const { deflate, inflate, zstd, unzstd } = await fresh(native);
    for (const length of [4096, 65_536]) {
      const input = sample(length);
      const raw = await into(length, (out) => deflate(input, out, { wrapper: "raw", level: 6, windowBits: 15 }));
      const frame = await into(length, (out) => zstd(input, out, 3));
      await expect(inflate(raw, Buffer.alloc(length - 1), "raw")).rejects.toThrow();
      await expect(unzstd(frame, Buffer.alloc(length - 1))).rejects.toThrow();
      await expect(unzstd(frame.subarray(0, frame.length / 2), Buffer.alloc(length))).rejects.toThrow();
      await expect(inflate(Buffer.alloc(100, 0xff), Buffer.alloc(length), "raw")).rejects.toThrow();
      await expect(inflate(raw, Buffer.alloc(length), "zlib")).rejects.toThrow();
      expect(await inflate(raw, Buffer.alloc(length + 10), "raw")).toBe(length);
      expect(await unzstd(frame, Buffer.alloc(length + 10))).toBe(length);
    }
  });

  it("many at once: each gets its own", async () => {
    const { deflate, inflate } = await fresh(native);
    const work = Array.from({ length: 64 }, async (_, i) => {
      const input = Buffer.alloc(65_536, `disk ${i} `);
      const options = { wrapper: "zlib", level: 1 + (i % 9), windowBits: 15 } as const;
      const packed = await into(65_536, (out) => deflate(input, out, options));
      const back = Buffer.alloc(65_536);
      await inflate(packed, back, "zlib");
      return back.equals(input);
    });
    expect(new Set(await Promise.all(work))).toEqual(new Set([true]));
  });

  it("noise is told from text, and from bytes that are equally frequent but in order", async () => {
    const { looksIncompressible } = await fresh(native);
    expect(await looksIncompressible(randomFillSync(Buffer.alloc(65_536)))).toBe(true);
    expect(await looksIncompressible(sample(65_536))).toBe(false);
    expect(await looksIncompressible(Buffer.from(Uint8Array.from({ length: 65_536 }, (_, i) => i % 256)))).toBe(false);
    expect(await looksIncompressible(randomFillSync(Buffer.alloc(512)))).toBe(false);
  });
});
