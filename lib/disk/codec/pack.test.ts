/** Both ways of packing: by libdeflate and libzstd, and by Node alone. What one writes, the other reads. */
import { randomFillSync } from "node:crypto";
import { inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadDeflate, loadZstd } from "./native.ts";

async function fresh(native: boolean) {
  vi.resetModules();
  vi.stubEnv("SUPRAVISOR_NATIVE_CODECS", native ? "on" : "off");
  const modules = await Promise.all([
    import("./pack.ts"),
    import("./unpack.ts"),
    import("./contexts.ts"),
    import("./incompressible.ts"),
    import("./pack-granule.ts"),
  ]);
  const [pack, unpack, { hasLibdeflate }, { looksIncompressible }, granules] = modules;
  return { ...pack, ...unpack, ...granules, hasLibdeflate, looksIncompressible };
}
afterEach(() => vi.unstubAllEnvs());

/** Half text, half noise, with matches farther apart than 4 KiB. */
function sample(length: number): Buffer {
  const bytes = randomFillSync(Buffer.alloc(length));
  for (let at = 0; at < length; at += 32) bytes.fill("supravisor disks ", at, Math.min(at + 17, length));
  if (length > 20_000) bytes.copy(bytes, length - 5000, 0, 5000);
  return bytes;
}

function into(room: number, pack: (out: Buffer) => number): Buffer {
  const out = Buffer.alloc(room);
  return out.subarray(0, pack(out));
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
    const back = Buffer.alloc(length);
    for (const level of [0, 1, 6]) {
      const raw = into(room, (out) => here.deflate(input, out, "raw", level));
      const zlib = into(room, (out) => here.deflate(input, out, "zlib", level));
      expect(inflateRawSync(raw).equals(input)).toBe(true);
      expect(inflateSync(zlib).equals(input)).toBe(true);
      // Clusters are followed by whatever lies behind them.
      const followed = Buffer.concat([raw, Buffer.alloc(99, 7)]);
      for (const codec of [here, there]) {
        for (const [packed, wrapper] of [[followed, "raw"] as const, [zlib, "zlib"] as const]) {
          expect(await codec.inflate(packed, back.fill(0), wrapper)).toBe(length);
          expect(back.equals(input)).toBe(true);
          expect(codec.inflateNow(packed, back.fill(0), wrapper)).toBe(length);
          expect(back.equals(input)).toBe(true);
        }
      }
    }
    const frame = into(room, (out) => here.zstd(input, out, 3));
    expect(zstdDecompressSync(frame).equals(input)).toBe(true);
    expect(await there.unzstd(frame, back.fill(0))).toBe(length);
    expect(back.equals(input)).toBe(true);
    expect(there.unzstdNow(frame, back.fill(0))).toBe(length);
    expect(back.equals(input)).toBe(true);
  });

  it("a window of 4 KiB is enough for who unpacks at once into room for all, as QEMU does", async () => {
    const { deflate } = await fresh(native);
    const input = sample(65_536);
    const raw = into(input.length, (out) => deflate(input, out, "raw", 6));
    expect(inflateRawSync(raw, { windowBits: 12, chunkSize: 65_600 }).equals(input)).toBe(true);
    // What it would need to unpack by parts.
    expect(() => inflateRawSync(raw, { windowBits: 12, chunkSize: 4096 })).toThrow(/too far back/);
  });

  it("what does not fit is not answered", async () => {
    const { deflate, zstd } = await fresh(native);
    for (const length of [512, 65_536]) {
      const noise = randomFillSync(Buffer.alloc(length));
      const out = Buffer.alloc(length - 1);
      expect(deflate(noise, out, "raw", 6)).toBe(0);
      expect(deflate(noise, out, "zlib", 6)).toBe(0);
      expect(zstd(noise, out, 3)).toBe(0);
    }
  });

  it("more than fits, less than a stream and noise are refused; a short stream tells its length", async () => {
    const { deflate, inflate, inflateNow, zstd, unzstd, unzstdNow } = await fresh(native);
    for (const length of [4096, 65_536]) {
      const input = sample(length);
      const raw = into(length, (out) => deflate(input, out, "raw", 6));
      const frame = into(length, (out) => zstd(input, out, 3));
      const less = () => Buffer.alloc(length - 1);
      const more = () => Buffer.alloc(length + 10);
      const ones = Buffer.alloc(100, 0xff);
      await expect(inflate(raw, less(), "raw")).rejects.toThrow();
      await expect(unzstd(frame, less())).rejects.toThrow();
      await expect(unzstd(frame.subarray(0, frame.length / 2), more())).rejects.toThrow();
      await expect(inflate(ones, more(), "raw")).rejects.toThrow();
      await expect(inflate(raw, more(), "zlib")).rejects.toThrow();
      expect(() => inflateNow(raw, less(), "raw")).toThrow();
      expect(() => unzstdNow(frame, less())).toThrow();
      expect(() => unzstdNow(frame.subarray(0, frame.length / 2), more())).toThrow();
      expect(() => inflateNow(ones, more(), "raw")).toThrow();
      expect(() => inflateNow(raw, more(), "zlib")).toThrow();
      expect(await inflate(raw, more(), "raw")).toBe(length);
      expect(await unzstd(frame, more())).toBe(length);
      expect(inflateNow(raw, more(), "raw")).toBe(length);
      expect(unzstdNow(frame, more())).toBe(length);
    }
  });

  it("many at once: each gets its own", async () => {
    const { deflate, inflate } = await fresh(native);
    const work = Array.from({ length: 64 }, async (_, i) => {
      const input = Buffer.alloc(65_536, `disk ${i} `);
      const packed = into(65_536, (out) => deflate(input, out, "zlib", 1 + (i % 9)));
      const back = Buffer.alloc(65_536);
      await inflate(packed, back, "zlib");
      return back.equals(input);
    });
    expect(new Set(await Promise.all(work))).toEqual(new Set([true]));
  });

  it("noise is told from text, and from bytes that are equally frequent but in order", async () => {
    const { looksIncompressible } = await fresh(native);
    expect(looksIncompressible(randomFillSync(Buffer.alloc(65_536)))).toBe(true);
    expect(looksIncompressible(sample(65_536))).toBe(false);
    expect(looksIncompressible(Buffer.from(Uint8Array.from({ length: 65_536 }, (_, i) => i % 256)))).toBe(false);
    expect(looksIncompressible(randomFillSync(Buffer.alloc(512)))).toBe(false);
  });

  it("a granule is packed, kept or stored, and zeros are nothing", async () => {
    const { packGranule, roomForGranules, inflateNow } = await fresh(native);
    const noise = randomFillSync(Buffer.alloc(65_536));
    for (const codec of ["deflate", "zlib", "zstd"] as const) {
      const packing = { granule: 65_536, codec, level: 3, hopeless: codec === "zlib" ? "store" : "keep" } as const;
      const room = Buffer.alloc(roomForGranules(packing, 1));
      expect(packGranule(packing, Buffer.alloc(65_536), room)).toBe(0);
      const shorter = packGranule(packing, sample(65_536), room);
      expect(shorter).toBeGreaterThan(0);
      expect(shorter).toBeLessThan(65_536);
      const length = packGranule(packing, noise, room);
      if (codec !== "zlib") expect(room.subarray(0, length).equals(noise)).toBe(true);
      else {
        const back = Buffer.alloc(65_536);
        expect(inflateNow(room.subarray(0, length), back, "zlib")).toBe(65_536);
        expect(back.equals(noise)).toBe(true);
      }
    }
  });
});
