/** The fingerprint against a second, naive working out of its definition. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { Fingerprinter, fingerprintDisk } from "./fingerprint.ts";
import { failReadsAt } from "./filters/fail-at.ts";
import { memoryDisk } from "./testing/memory.ts";
import { ZeroDisk } from "./zero-disk.ts";

const MIB = 1024 * 1024;
const sha256 = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** All leaves, all nodes, no shortcuts. */
function naive(disk: Buffer): string {
  let row: Buffer[] = [];
  for (let at = 0; at < disk.length || row.length === 0; at += MIB) {
    const leaf = Buffer.alloc(MIB);
    disk.copy(leaf, 0, at, at + MIB);
    row.push(sha256(leaf));
  }
  while (!Number.isInteger(Math.log2(row.length))) row.push(sha256(Buffer.alloc(MIB)));
  while (row.length > 1) {
    row = row.flatMap((left, i) => (i % 2 === 0 ? [sha256(left, row[i + 1] ?? Buffer.alloc(0))] : []));
  }
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(BigInt(disk.length));
  return `sv1:${sha256(Buffer.from("supravisor disk fingerprint 1\n"), size, row[0] ?? Buffer.alloc(0)).toString("hex")}`;
}

/** A disk of `pieces` × 128 KiB; letters: data, zeros told as data, zeros. */
function pattern(kinds: string, cut: number): { bytes: Buffer; kinds: string } {
  const bytes = Buffer.alloc(Math.max(0, kinds.length * 131_072 - cut));
  for (let i = 0; i < kinds.length; i++)
    if (kinds[i] === "d") bytes.fill(1 + (i % 255), i * 131_072, Math.min(bytes.length, (i + 1) * 131_072));
  return { bytes, kinds: kinds.replaceAll("z", "d") };
}

it("is what its definition says, whatever the extents", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: fc.constantFrom("d", "z", "-", "-"), maxLength: 70 }),
      fc.nat(131_000),
      async (kinds, cut) => {
        const { bytes, kinds: told } = pattern(kinds, cut);
        const expected = naive(bytes);
        expect(await fingerprintDisk(memoryDisk(bytes, told, 131_072))).toBe(expected);
        expect(await fingerprintDisk(memoryDisk(bytes))).toBe(expected);
      },
    ),
    { numRuns: 30 },
  );
});

it("takes data and zeros in pieces of any length, and leaves the buffers to the caller", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 1_500_000 })), { maxLength: 8 }),
      async (steps) => {
        const size = steps.reduce((sum, [, length]) => sum + length, 0) + 100;
        const whole = Buffer.alloc(size);
        const fingerprinter = new Fingerprinter(size);
        let at = 0;
        for (const [data, length] of steps) {
          if (data) {
            const piece = Buffer.alloc(length, 1 + (length % 250));
            piece.copy(whole, at);
            fingerprinter.data(piece);
            piece.fill(0);
          } else fingerprinter.zeros(length);
          at += length;
        }
        expect(fingerprinter.finish()).toBe(naive(whole));
      },
    ),
    { numRuns: 30 },
  );
});

it("tells sizes apart, and one changed bit", async () => {
  const one = await fingerprintDisk(new ZeroDisk(MIB));
  expect(await fingerprintDisk(new ZeroDisk(MIB - 512))).not.toBe(one);
  expect(await fingerprintDisk(new ZeroDisk(0))).toBe(naive(Buffer.alloc(0)));
  const bytes = Buffer.alloc(3 * MIB);
  const before = await fingerprintDisk(memoryDisk(bytes));
  bytes[2 * MIB + 77] = 1;
  expect(await fingerprintDisk(memoryDisk(bytes))).not.toBe(before);
});

it("is fixed: this disk has had this fingerprint from the first version on", async () => {
  expect(await fingerprintDisk(new ZeroDisk(62 * 2 ** 40))).toBe(
    "sv1:5887c58ddfa987055236cd6e99c36acbe326e7e4ae98b025bdce48d18d32dfd2",
  );
});

it("a medium that fails fails it; an abort stops it", async () => {
  const disk = memoryDisk(Buffer.alloc(8 * MIB, 1));
  await expect(fingerprintDisk(failReadsAt(disk, 5 * MIB, new Error("bad sector")))).rejects.toThrow("bad sector");
  const stop = new AbortController();
  const running = fingerprintDisk(disk, { signal: stop.signal, onProgress: () => stop.abort() });
  await expect(running).rejects.toThrow("aborted");
});
