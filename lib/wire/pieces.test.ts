/** What peers cut as they like, and send as slowly as they like. */
import { describe, expect, it } from "vitest";
import { growsLinearly } from "#lib/testing/growth.ts";
import { BytePieces } from "./byte-pieces.ts";
import { paced } from "./paced.ts";

const counted = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));

function put(length: (index: number) => number): Buffer {
  const pieces = new BytePieces();
  for (let at = 0, i = 0; at < counted.length; i += 1) {
    const end = at + length(i);
    pieces.add(counted.subarray(at, end));
    at = end;
  }
  expect(pieces.length).toBe(counted.length);
  return pieces.bytes();
}

describe("bytes in pieces", () => {
  it.each<[string, (index: number) => number]>([
    ["single bytes", () => 1],
    ["some hundred", () => 777],
    ["long ones", () => 5000],
    ["long and short ones in turn", (i) => (i % 2 === 0 ? 3 : 2048)],
    ["one", () => counted.length],
  ])("are the same when they were cut into %s", (_what, length) => {
    expect(put(length).equals(counted)).toBe(true);
  });

  it("are none when none came", () => {
    expect(new BytePieces().bytes()).toHaveLength(0);
  });

  // Each piece in an object of its own would take a hundred bytes for one.
  it("take no more memory in single bytes", () => {
    const one = Buffer.alloc(1);
    const before = process.memoryUsage();
    const pieces = new BytePieces();
    for (let i = 0; i < 4 * 1024 ** 2; i += 1) pieces.add(one);
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    expect(grown).toBeLessThan(16 * 1024 ** 2);
    expect(pieces.bytes()).toHaveLength(4 * 1024 ** 2);
  });

  growsLinearly({
    parse: (length: number) => {
      const pieces = new BytePieces();
      for (let i = 0; i < length; i += 1) pieces.add(counted.subarray(0, 1));
      return pieces.bytes();
    },
    worst: { "single bytes": (length) => length },
  });
});

describe("an answer that has to come on", () => {
  /** `ms` 0: all are there already. */
  async function* every(ms: number, piece: Uint8Array, times: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < times; i += 1) {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      yield piece;
    }
  }
  const lengthOf = async (body: AsyncIterable<Uint8Array>, work = 0): Promise<number> => {
    let length = 0;
    for await (const piece of body) {
      length += piece.length;
      if (work > 0) await new Promise((resolve) => setTimeout(resolve, work));
    }
    return length;
  };
  const name = "the host";

  it("is given up when it comes byte by byte", async () => {
    await expect(lengthOf(paced(every(5, Buffer.alloc(1), 100_000), { name, ms: 50 }))).rejects.toMatchObject({
      code: "host.timeout",
    });
  });

  it("may take its time for many bytes, and without end where no time is set", async () => {
    expect(await lengthOf(paced(every(5, Buffer.alloc(64 * 1024), 20), { name, ms: 1 }))).toBe(20 * 64 * 1024);
    expect(await lengthOf(paced(every(5, Buffer.alloc(1), 20), { name, ms: 0 }))).toBe(20);
  });

  it("is not to blame for what its reader does", async () => {
    expect(await lengthOf(paced(every(0, Buffer.alloc(1), 10), { name, ms: 200 }), 30)).toBe(10);
  });
});
