/** A log left by a crash: qemu applies it to a copy of the file, we apply it in memory, and both see the same disk. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile } from "../../file-conversion.ts";
import { outcome } from "../../testing/hostile.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import { crc32c } from "./crc32c.ts";

const KIB = 1024;
const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

const LOG_AT = MIB;
const BAT_AT = 3 * MIB;
const LOG_GUID = Buffer.from("00112233445566778899aabbccddeeff", "hex");

type Change = { readonly at: number; readonly page: Buffer } | { readonly at: number; readonly clear: number };

let clean: Buffer;
beforeAll(async () => {
  scratch.raw("disk.raw", 16 * MIB, [[0, 16 * MIB]]);
  await convertFile({ source: scratch.path("disk.raw"), target: scratch.path("clean.vhdx"), to: "vhdx", options: {} });
  clean = readFileSync(scratch.path("clean.vhdx"));
});

/** A log entry, written down from the specification a second time. */
function logEntry(sequence: bigint, tail: number, changes: readonly Change[], fileLength: number): Buffer {
  const pages = changes.filter((c) => "page" in c);
  const head = Buffer.alloc(4096);
  const length = 4096 * (1 + pages.length);
  head.write("loge", 0, "latin1");
  head.writeUInt32LE(length, 8);
  head.writeUInt32LE(tail, 12);
  head.writeBigUInt64LE(sequence, 16);
  head.writeUInt32LE(changes.length, 24);
  LOG_GUID.copy(head, 32);
  head.writeBigUInt64LE(BigInt(fileLength), 48);
  head.writeBigUInt64LE(BigInt(fileLength), 56);
  const sectors: Buffer[] = [];
  changes.forEach((change, i) => {
    const pos = 64 + i * 32;
    head.writeBigUInt64LE(BigInt(change.at), pos + 16);
    head.writeBigUInt64LE(sequence, pos + 24);
    if ("clear" in change) {
      head.write("zero", pos, "latin1");
      head.writeBigUInt64LE(BigInt(change.clear), pos + 8);
      return;
    }
    head.write("desc", pos, "latin1");
    change.page.copy(head, pos + 4, 4092, 4096);
    change.page.copy(head, pos + 8, 0, 8);
    const sector = Buffer.from(change.page);
    sector.write("data", 0, "latin1");
    sector.writeUInt32LE(Number(sequence / 2n ** 32n), 4);
    sector.writeUInt32LE(Number(sequence % 2n ** 32n), 4092);
    sectors.push(sector);
  });
  const entry = Buffer.concat([head, ...sectors]);
  entry.writeUInt32LE(crc32c(entry, 4), 4);
  return entry;
}

/** The clean image with these entries in its log, each at its offset in the log (which is a ring). */
function crashed(entries: readonly (readonly [number, Buffer])[]): Buffer {
  const image = Buffer.from(clean);
  for (const [at, entry] of entries) {
    for (let i = 0; i < entry.length; i += 4096) entry.copy(image, LOG_AT + ((at + i) % MIB), i, i + 4096);
  }
  for (const at of [64 * KIB, 128 * KIB]) {
    LOG_GUID.copy(image, at + 48);
    image.writeUInt32LE(crc32c(image.subarray(at, at + 4096), 4), at + 4);
  }
  return image;
}

/** The block table with two blocks exchanged. */
function swappedTable(a: number, b: number): Buffer {
  const page = Buffer.from(clean.subarray(BAT_AT, BAT_AT + 4096));
  const first = page.readBigUInt64LE(a * 8);
  page.writeBigUInt64LE(page.readBigUInt64LE(b * 8), a * 8);
  page.writeBigUInt64LE(first, b * 8);
  return page;
}

async function expectAsQemu(image: Buffer): Promise<void> {
  writeFileSync(scratch.path("dirty.vhdx"), image);
  copyFileSync(scratch.path("dirty.vhdx"), scratch.path("applied.vhdx"));
  scratch.qemuImg("check", "-r", "all", "-f", "vhdx", "applied.vhdx");
  scratch.qemuImg("convert", "-f", "vhdx", "-O", "raw", "applied.vhdx", "truth.raw");
  const facts = await expectSameDisk(scratch.path("dirty.vhdx"), scratch.path("truth.raw"));
  expect(facts.notes.join()).toContain("applied in memory");
  expect(readFileSync(scratch.path("dirty.vhdx")).equals(image)).toBe(true);
  expect(readFileSync(scratch.path("truth.raw")).equals(readFileSync(scratch.path("disk.raw")))).toBe(false);
}

describe("a log that was not applied", () => {
  it("one entry with a new block table", async () => {
    await expectAsQemu(crashed([[0, logEntry(1n, 0, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length)]]));
  });

  it("several entries, the later ones over the earlier ones", async () => {
    await expectAsQemu(
      crashed([
        [0, logEntry(7n, 0, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length)],
        [8192, logEntry(8n, 0, [{ at: BAT_AT, page: swappedTable(1, 2) }], clean.length)],
      ]),
    );
  });

  it("a stretch of zeros over the data, then a page over the zeros", async () => {
    const data = 4 * MIB;
    const page = Buffer.alloc(4096, 0x5c);
    await expectAsQemu(
      crashed([
        [
          0,
          logEntry(
            1n,
            0,
            [
              { at: data, clear: 65_536 },
              { at: data + 8192, page },
            ],
            clean.length,
          ),
        ],
      ]),
    );
  });

  it("an entry that goes over the end of the ring, and an old one that no longer counts", async () => {
    const over = MIB - 4096;
    await expectAsQemu(
      crashed([
        [65_536, logEntry(3n, 65_536, [{ at: BAT_AT, page: swappedTable(4, 5) }], clean.length)],
        [over, logEntry(9n, over, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length)],
      ]),
    );
  });
});

describe("a log that cannot be applied", () => {
  it("says that the file was cut since", async () => {
    const entry = logEntry(1n, 0, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length + MIB);
    expect(await outcome("cut.vhdx", crashed([[0, entry]]))).toBe("image.truncated");
  });

  it("an entry whose checksum is wrong does not count", async () => {
    const entry = logEntry(1n, 0, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length);
    entry.writeUInt8(1, 100);
    expect(await outcome("sum.vhdx", crashed([[0, entry]]))).toBe("image.corrupt");
  });

  it("entries that lie inside one another are not followed for ever", async () => {
    const image = crashed([]);
    for (let at = 0; at < MIB; at += 4096) {
      image.write("loge", LOG_AT + at, "latin1");
      image.writeUInt32LE(MIB, LOG_AT + at + 8);
      LOG_GUID.copy(image, LOG_AT + at + 32);
    }
    expect(await outcome("nested.vhdx", image)).toBe("image.vhdx-log-dirty");
  });

  it("a tail that points nowhere does not count", async () => {
    const entry = logEntry(1n, 65_536, [{ at: BAT_AT, page: swappedTable(0, 3) }], clean.length);
    expect(await outcome("tail.vhdx", crashed([[0, entry]]))).toBe("image.corrupt");
  });
});
