import { tmpdir } from "node:os";
import { describe, expect, it } from "vitest";
import type { DiskStream } from "./disk-stream.ts";
import { Fingerprinter } from "./fingerprint.ts";
import { fingerprintStream } from "./fingerprint-stream.ts";

const MIB = 1_048_576;
const size = 5 * MIB + 512;
const pieces = [
  { offset: 0, bytes: Buffer.alloc(700_000, 1) },
  { offset: 2 * MIB - 5, bytes: Buffer.alloc(MIB, 2) },
  { offset: size - 512, bytes: Buffer.alloc(512, 3) },
];
const spool = { folder: tmpdir(), name: "fingerprint-stream-test" };

function stream(order: DiskStream["order"], parts: typeof pieces): DiskStream {
  return {
    size,
    order,
    async *pieces() {
      yield* parts;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const expected = (() => {
  const fingerprinter = new Fingerprinter(size);
  for (const { offset, bytes } of pieces) {
    fingerprinter.zeros(offset - fingerprinter.position);
    fingerprinter.data(bytes);
  }
  return fingerprinter.finish();
})();

describe("a disk that passes by", () => {
  it("has the fingerprint of the disk, forward and in any order", async () => {
    expect(await fingerprintStream(stream("forward", pieces), { spool })).toBe(expected);
    expect(await fingerprintStream(stream("unordered", [...pieces].reverse()), { spool })).toBe(expected);
  });

  it("is refused when it says forward and goes back", async () => {
    await expect(fingerprintStream(stream("forward", [...pieces].reverse()), { spool })).rejects.toThrow();
  });
});
