/** A log left by a crash: qemu applies it to a copy of the file, we apply it in memory, and both see the same disk. */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { convertFile } from "../../file-conversion.ts";
import { outcome } from "../../testing/hostile.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import {
  crashedVhdx,
  VHDX_LOG_AT as LOG_AT,
  VHDX_LOG_GUID as LOG_GUID,
  VHDX_TABLE_AT as BAT_AT,
  vhdxLogEntry as logEntry,
} from "../../testing/vhdx-log.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let clean: Buffer;
beforeAll(async () => {
  scratch.raw("disk.raw", 16 * MIB, [[0, 16 * MIB]]);
  await convertFile({ source: scratch.path("disk.raw"), target: scratch.path("clean.vhdx"), to: "vhdx", options: {} });
  clean = readFileSync(scratch.path("clean.vhdx"));
});

const crashed = (entries: readonly (readonly [number, Buffer])[]) => crashedVhdx(clean, entries);

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
