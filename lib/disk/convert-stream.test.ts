import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readdir } from "node:fs/promises";
import { Writable } from "node:stream";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DiskFormatId } from "#lib/domain/disk-format.ts";
import { AnyOrderFingerprinter } from "./fingerprint-any-order.ts";
import { BlockArrivals } from "./block-arrivals.ts";
import { convertStream } from "./convert-stream.ts";
import { createFileSink } from "./files/file-sink.ts";
import { createStreamSink } from "./files/stream-sink.ts";
import { fingerprintDisk } from "./fingerprint.ts";
import { piecesOf } from "./testing/disk-pieces.ts";
import { memoryDisk, MemorySink } from "./testing/memory.ts";
import { Scratch } from "./testing/scratch.ts";

const MIB = 1024 ** 2;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const SIZE = 40 * MIB + 512 * 3;
let disk: Buffer;
let expected = "";

beforeAll(async () => {
  const raw = scratch.raw("disk.raw", SIZE, [
    [0, 700_000],
    [3 * MIB - 4096, 2 * MIB],
    [17 * MIB + 512, 130_000],
    [SIZE - 512, 512],
  ]);
  disk = readFileSync(raw);
  expected = await fingerprintDisk(memoryDisk(disk));
});

const DRIVER: Record<DiskFormatId, string> = {
  raw: "raw",
  qcow2: "qcow2",
  vmdk: "vmdk",
  vhd: "vpc",
  vhdx: "vhdx",
  vdi: "vdi",
};
type Target = readonly [DiskFormatId, Record<string, unknown>];
const TARGETS: readonly Target[] = [
  ["raw", {}],
  ["qcow2", {}],
  ["qcow2", { cluster_size: 512 }],
  ["vmdk", {}],
  ["vhd", {}],
  ["vhd", { subformat: "fixed" }],
  ["vhdx", {}],
  ["vhdx", { block_size: MIB }],
  ["vhdx", { subformat: "fixed" }],
  ["vdi", {}],
  ["vdi", { static: true }],
];
const FIXED = TARGETS.filter(
  ([to, { subformat, static: all }]) => to === "raw" || subformat === "fixed" || all === true,
);

function check(name: string, to: DiskFormatId): void {
  if (to !== "raw" && to !== "vhd") scratch.qemuImg("check", "-f", DRIVER[to], name);
  scratch.qemuImg("compare", "-f", "raw", "-F", DRIVER[to], "disk.raw", name);
}

let count = 0;
describe.each(["forward", "unordered"] as const)("a disk that comes %s, into a file", (order) => {
  it.each(TARGETS)("%s %j, in one pass", async (to, options) => {
    const name = `${++count}.${to}`;
    await using sink = await createFileSink(scratch.path(name));
    const outcome = await convertStream({ stream: piecesOf(disk, order, { seed: count }), to, options, sink });
    expect(outcome.fingerprint).toBe(expected);
    expect(outcome.spooled).toBeNull();
    check(name, to);
  });
});

describe("into a target that only goes forward", () => {
  it.each([...FIXED, ["vmdk", { subformat: "streamOptimized" }] as Target])(
    "%s %j from a forward stream, directly",
    async (to, options) => {
      const name = `${++count}.${to}`;
      const sink = new MemorySink(false);
      const outcome = await convertStream({ stream: piecesOf(disk, "forward"), to, options, sink });
      expect(outcome).toMatchObject({ fingerprint: expected, spooled: null });
      let end = 0;
      for (const write of sink.writes) {
        expect(write.offset).toBeGreaterThanOrEqual(end);
        end = write.offset + write.length;
      }
      writeFileSync(scratch.path(name), sink.bytes ?? "");
      check(name, to);
    },
  );

  it.each([
    ["qcow2", "forward"],
    ["vdi", "forward"],
    ["raw", "unordered"],
    ["vmdk", "unordered"],
  ] as const)("%s from a %s stream by a spool file, which is told and gone afterwards", async (to, order) => {
    const folder = await mkdtemp(scratch.path("spool-"));
    const name = `${++count}.${to}`;
    const sink = new MemorySink(false);
    const told: string[] = [];
    const outcome = await convertStream({
      stream: piecesOf(disk, order),
      to,
      ...(to === "vmdk" ? { options: { subformat: "streamOptimized" } } : {}),
      sink,
      spool: { folder, name: "job-1" },
      onSpool: (reason) => told.push(reason),
    });
    expect(outcome.fingerprint).toBe(expected);
    expect(told).toEqual([outcome.spooled]);
    expect(await readdir(folder)).toEqual([]);
    writeFileSync(scratch.path(name), sink.bytes ?? "");
    check(name, to);
    await expect(
      convertStream({ stream: piecesOf(disk, order), to: "qcow2", sink: new MemorySink(false) }),
    ).rejects.toMatchObject({ code: "stream.needs-spool" });
  });
});

it("a source that breaks its promise, breaks off, or is cancelled leaves nothing under the final name", async () => {
  const broken = [
    { code: "stream.past-end", pieces: [{ offset: SIZE - 10, bytes: Buffer.alloc(11, 1) }] },
    {
      code: "stream.went-back",
      pieces: [
        { offset: 4096, bytes: Buffer.alloc(4096, 1) },
        { offset: 4097, bytes: Buffer.alloc(10, 1) },
      ],
    },
  ];
  for (const { code, pieces } of broken) {
    const folder = await mkdtemp(scratch.path("broken-"));
    await using sink = await createFileSink(`${folder}/x.qcow2`);
    const stream = {
      ...piecesOf(disk, "forward"),
      async *pieces() {
        yield* pieces;
      },
    };
    await expect(convertStream({ stream, to: "qcow2", sink })).rejects.toMatchObject({ code });
    await sink[Symbol.asyncDispose]();
    expect(await readdir(folder)).toEqual([]);
  }
  const controller = new AbortController();
  const stream = {
    ...piecesOf(disk, "forward"),
    async *pieces() {
      yield { offset: 0, bytes: Buffer.alloc(512, 1) };
      controller.abort();
      yield { offset: 512, bytes: Buffer.alloc(512, 1) };
    },
  };
  const dead = new Writable({ write: (_chunk, _encoding, done) => done() });
  await using sink = createStreamSink(dead);
  await expect(convertStream({ stream, to: "raw", sink, signal: controller.signal })).rejects.toThrow(/abort/);
});

it("any pieces in any order: the same fingerprint, and the same disk", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 * 2048 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 1, max: 900_000 })), {
        maxLength: 6,
      }),
      fc.constantFrom(512, 4096, 65_536, 300_032, MIB, 2 * MIB),
      fc.integer(),
      fc.constantFrom(...TARGETS),
      async (sectors, data, piece, seed, [to, options]) => {
        const bytes = Buffer.alloc(sectors * 512);
        for (const [at, length] of data) {
          const from = Math.floor(at * bytes.length);
          bytes.fill(1 + (Math.abs(seed) % 255), from, Math.min(bytes.length, from + length));
        }
        writeFileSync(scratch.path("any.raw"), bytes);
        await using sink = await createFileSink(scratch.path("any.out"), { overwrite: true, durable: false });
        const stream = piecesOf(bytes, "unordered", { piece, seed });
        const outcome = await convertStream({
          stream,
          to,
          options,
          sink,
          spool: { folder: scratch.folder, name: "any" },
        });
        expect(outcome.fingerprint).toBe(await fingerprintDisk(memoryDisk(bytes)));
        scratch.qemuImg("compare", "-f", "raw", "-F", DRIVER[to], "any.raw", "any.out");
      },
    ),
    { numRuns: 25 },
  );
});

it("leaves in scattered parts are put aside, and the memory stays bounded", async () => {
  const bytes = Buffer.alloc(70 * MIB);
  for (let at = 0; at < bytes.length; at += 1000) bytes[at] = at % 251;
  const aside: number[] = [];
  const kept = Buffer.alloc(bytes.length);
  const fingerprinter = new AnyOrderFingerprinter(bytes.length, async () => ({
    async write(offset, part) {
      aside.push(offset);
      kept.set(part, offset);
    },
    async read(offset, into) {
      into.set(kept.subarray(offset, offset + into.length));
    },
  }));
  for (let from = 0; from < MIB; from += MIB / 4) {
    for (let leaf = 0; leaf < 70; leaf++) {
      await fingerprinter.data(leaf * MIB + from, bytes.subarray(leaf * MIB + from, leaf * MIB + from + MIB / 4));
    }
  }
  expect(aside.length).toBeGreaterThan(38);
  expect(await fingerprinter.finish()).toBe(await fingerprintDisk(memoryDisk(bytes)));
});

it("blocks that come scattered are taken in groups, each block once", () => {
  const arrivals = new BlockArrivals(1_000_000, 1000);
  const seen = new Map<number, number>();
  for (let i = 0; i < 20_000; i++) {
    const block = (i * 7919 * 13) % 1_000_000;
    const { rank } = arrivals.rankOf(block);
    expect(seen.get(block) ?? rank).toBe(rank);
    seen.set(block, rank);
  }
  const runs = arrivals.finish(4096);
  expect(runs.length).toBeLessThan(8000);
  expect(runs.data).toBe(arrivals.stored);
  const ranks = new Set<number>();
  let end = 0;
  for (let i = 0; i < runs.length; i++) {
    const { start, count, before } = runs.run(i);
    expect(start).toBeGreaterThanOrEqual(end);
    end = start + count;
    for (let k = 0; k < count; k++) {
      ranks.add(before + k);
      if (seen.has(start + k)) expect(seen.get(start + k)).toBe(before + k);
    }
  }
  expect(ranks.size).toBe(runs.data);
});
