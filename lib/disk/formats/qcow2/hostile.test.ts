/** Images that were cut, damaged or made to harm: each ends in an error that says what is wrong, or in honest bytes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it, describe } from "vitest";
import { AppError } from "#lib/errors.ts";
import { fingerprintFile, openInspection } from "../../file-conversion.ts";
import { fingerprintDisk } from "../../fingerprint.ts";
import { openImage } from "../../registry.ts";
import { memoryBytes, memoryImage } from "../../testing/memory.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1024 * 1024;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let sound: Buffer;
beforeAll(() => {
  scratch.raw("disk.raw", 8 * MIB, [[MIB, 300_000]]);
  scratch.qemuImg("convert", "-O", "qcow2", "disk.raw", "sound.qcow2");
  sound = readFileSync(scratch.path("sound.qcow2"));
});

/** The sound image with some bytes replaced, read to its end from memory. */
async function readPatched(patch: (image: Buffer) => Buffer | undefined): Promise<string> {
  const copy = Buffer.from(sound);
  const image = patch(copy) ?? copy;
  await using opened = await openImage(memoryImage("patched.qcow2", memoryBytes(image)));
  return await fingerprintDisk(opened.disk);
}

const put32 = (at: number, value: number) => (image: Buffer) => void image.writeUInt32BE(value, at);
const put64 = (at: number, value: bigint) => (image: Buffer) => void image.writeBigUInt64BE(value, at);
const l1At = () => Number(sound.readBigUInt64BE(40));
const l2At = () => Number(sound.readBigUInt64BE(l1At()) % 2n ** 56n);

describe("a header or table that cannot be", () => {
  const cases: readonly (readonly [string, string, () => (image: Buffer) => Buffer | undefined | void])[] = [
    ["version 4", "image.unsupported-version", () => put32(4, 4)],
    ["clusters of 2^31 bytes", "image.header-insane", () => put32(20, 31)],
    ["clusters of 1 byte", "image.header-insane", () => put32(20, 0)],
    ["a disk of 2^63 bytes", "image.header-insane", () => put64(24, 2n ** 63n)],
    [
      "an L1 table of 1 TiB",
      "image.header-insane",
      () => (image) => {
        image.writeBigUInt64BE(2n ** 52n, 24);
        image.writeUInt32BE(0xffffffff, 36);
      },
    ],
    ["a disk too large for its L1 table", "image.header-insane", () => put64(24, 2n ** 45n)],
    ["an L1 table inside a cluster", "image.header-insane", () => put64(40, 12_345n)],
    ["an L1 table beyond the file", "image.truncated", () => put64(40, 2n ** 40n)],
    ["an L1 table at 2^63", "image.header-insane", () => put64(40, 2n ** 63n)],
    ["a header of 4 GiB", "image.header-insane", () => put32(100, 0xfffffff8)],
    ["reference counts of 2^40 bits", "image.header-insane", () => put32(96, 40)],
    [
      "a backing name of 4 GiB",
      "image.header-insane",
      () => (image) => {
        image.writeBigUInt64BE(600n, 8);
        image.writeUInt32BE(0xffffffff, 16);
      },
    ],
    [
      "a header extension of 4 GiB",
      "image.header-insane",
      () => (image) => {
        const at = image.readUInt32BE(100);
        image.writeUInt32BE(0xe2792aca, at);
        image.writeUInt32BE(0xffffffff, at + 4);
      },
    ],
    ["encryption", "image.encrypted", () => put32(32, 1)],
    ["an unknown incompatible feature", "image.unsupported-feature", () => put64(72, 2n ** 40n)],
    [
      "an unknown compression",
      "image.unsupported-feature",
      () => (image) => {
        image.writeBigUInt64BE(8n, 72);
        image[104] = 7;
      },
    ],
    ["the corrupt bit", "image.marked-corrupt", () => put64(72, 2n)],
    ["a data file without a name", "image.header-insane", () => put64(72, 4n)],
    ["an L1 table that points to itself", "image.corrupt", () => put64(l1At(), 2n ** 63n + BigInt(l1At()))],
    ["an L2 table inside a cluster", "image.corrupt", () => put64(l1At(), 2n ** 63n + 512n)],
    ["an L2 table beyond the file", "image.truncated", () => put64(l1At(), 2n ** 45n)],
    ["a cluster beyond the file", "image.truncated", () => put64(l2At() + 16 * 8, 2n ** 50n)],
    ["a cluster inside a cluster", "image.corrupt", () => put64(l2At() + 16 * 8, 0x50200n)],
    ["a compressed cluster of garbage", "image.corrupt", () => put64(l2At() + 16 * 8, 2n ** 62n + 0x50000n)],
    ["a compressed cluster beyond the file", "image.truncated", () => put64(l2At() + 16 * 8, 2n ** 62n + 2n ** 40n)],
    [
      "the same clusters for all of the disk",
      "image.corrupt",
      () => (image) => {
        for (let i = 0; i < 128; i++) image.writeBigUInt64BE(2n ** 63n + 0x50000n, l2At() + i * 8);
      },
    ],
    ["16 bytes in all", "image.truncated", () => (image) => image.subarray(0, 16)],
    ["80 bytes in all", "image.truncated", () => (image) => image.subarray(0, 80)],
    ["half the file", "image.truncated", () => (image) => image.subarray(0, Math.floor(image.length / 2))],
    ["all but its last cluster", "image.truncated", () => (image) => image.subarray(0, image.length - 65_536)],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const before = process.memoryUsage().rss;
    const failed = await readPatched((image) => patch()(image) ?? undefined).then(
      () => null,
      (error: unknown) => error,
    );
    expect(failed).toBeInstanceOf(AppError);
    expect(failed).toMatchObject({ code, kind: "unprocessable" });
    expect((failed as AppError).details?.offset).toBeTypeOf("number");
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
  });

  it("a dirty image is refused with an offer; who takes it reads it, and is told so", async () => {
    const copy = Buffer.from(sound);
    copy.writeBigUInt64BE(1n, 72);
    const image = memoryImage("dirty.qcow2", memoryBytes(copy));
    const error: unknown = await openImage(image).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "image.dirty", kind: "unprocessable", details: { offset: 72 } });
    expect(error).toHaveProperty("hint", expect.stringMatching(/check -r all.*--accept-dirty/));
    await using opened = await openImage({ ...image, acceptDirty: true });
    expect(opened.facts.notes.join()).toContain("not closed cleanly");
    expect(await fingerprintDisk(opened.disk)).toBe(await fingerprintFile(scratch.path("disk.raw")));
  });
});

describe("files that an image names", () => {
  const code = async (name: string) =>
    openInspection(scratch.path(name)).then(
      async (opened) => {
        await opened[Symbol.asyncDispose]();
        return "opened";
      },
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );
  const over = (backing: string) =>
    scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", backing, "-F", "raw", "over.qcow2", "1M");

  it.each([
    ["/etc/passwd", "image.parent-missing"],
    ["../etc/passwd", "image.parent-missing"],
    ["sub/disk.raw", "opened"],
    ["/var/lib/images/out-link", "image.path-escapes"],
    ["/var/lib/images/..", "image.path-escapes"],
    ["..", "image.path-escapes"],
    ["nbd://127.0.0.1/x", "image.path-escapes"],
    ['json:{"driver":"file"}', "image.path-escapes"],
    ["out-link", "image.path-escapes"],
    ["loop-link", "image.path-escapes"],
    ["sub", "image.path-escapes"],
    ["fifo", "image.path-escapes"],
    ["not-there.raw", "image.sibling-missing"],
    ["in-link", "opened"],
    ["disk.raw", "opened"],
  ])("backing file %s: %s", async (name, expected) => {
    mkdirSync(scratch.path("sub"), { recursive: true });
    for (const [target, link] of [
      ["/etc/passwd", "out-link"],
      ["loop-link", "loop-link"],
      ["disk.raw", "in-link"],
    ] as const) {
      try {
        symlinkSync(target, scratch.path(link));
      } catch {
        // There already from the case before.
      }
    }
    if (name === "fifo") execFileSync("mkfifo", [scratch.path("fifo")]);
    over(name);
    expect(await code("over.qcow2")).toBe(expected);
  });

  it("two images that stand on one another", async () => {
    scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", "b.qcow2", "-F", "qcow2", "a.qcow2", "1M");
    scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", "a.qcow2", "-F", "qcow2", "b.qcow2", "1M");
    expect(await code("a.qcow2")).toBe("image.chain-loop");
  });

  it("a chain without a sensible end", async () => {
    for (let i = 0; i < 70; i++) {
      scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", `c${i + 1}.qcow2`, "-F", "qcow2", `c${i}.qcow2`, "1M");
    }
    expect(await code("c0.qcow2")).toBe("image.chain-too-deep");
  });

  it("a backing file of a format that is not followed", async () => {
    scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", "disk.raw", "-F", "vmdk", "other.qcow2", "1M");
    expect(await code("other.qcow2")).toBe("image.format-mismatch");
    scratch.qemuImg("create", "-f", "qcow2", "-u", "-b", "disk.raw", "-F", "qcow", "other.qcow2", "1M");
    expect(await code("other.qcow2")).toBe("image.unsupported-backing");
  });

  it.each([
    ["/etc/passwd", "image.sibling-missing"],
    ["../disk.data", "image.sibling-missing"],
    ["/other/good.data", "opened"],
    ["gone.data", "image.sibling-missing"],
  ])("data file %s: %s", async (name, expected) => {
    scratch.qemuImg("create", "-f", "qcow2", "-o", "data_file=good.data", "data.qcow2", "1M");
    const image = readFileSync(scratch.path("data.qcow2"));
    const at = image.indexOf("good.data");
    const extension = Buffer.alloc(Math.ceil(name.length / 8) * 8);
    extension.write(name);
    // The name lies in the first cluster, with nothing but further extensions behind it.
    writeFileSync(
      scratch.path("data.qcow2"),
      Buffer.concat([
        image.subarray(0, at - 4),
        lengthOf(name),
        extension,
        Buffer.alloc(8),
        image.subarray(at + 8 + extension.length),
      ]),
    );
    expect(await code("data.qcow2")).toBe(expected);
  });

  it("a data file that was cut", async () => {
    scratch.qemuImg("convert", "-O", "qcow2", "-o", "data_file=cut.data", "disk.raw", "cut.qcow2");
    truncateSync(scratch.path("cut.data"), MIB);
    await expect(fingerprintFile(scratch.path("cut.qcow2"))).rejects.toMatchObject({ code: "image.truncated" });
  });
});

function lengthOf(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return length;
}

describe("random damage", () => {
  it.each(["zlib", "zstd"])("of header and tables, %s: a typed error or a disk, never anything else", async (type) => {
    scratch.qemuImg(
      "convert",
      "-O",
      "qcow2",
      "-c",
      "-o",
      `compression_type=${type},cluster_size=4k,extended_l2=off`,
      "disk.raw",
      "fuzz.qcow2",
    );
    const compressed = readFileSync(scratch.path("fuzz.qcow2"));
    const outcomes = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(
          fc.record({
            area: fc.constantFrom("header", "l1", "l2", "any"),
            at: fc.nat(4095),
            value: fc.constantFrom(0, 1, 0x40, 0x7f, 0x80, 0xc0, 0xff, 0x33),
          }),
          { minLength: 1, maxLength: 4 },
        ),
        async (plain, hits) => {
          const image = Buffer.from(plain ? sound : compressed);
          const l1 = Number(image.readBigUInt64BE(40));
          const l2 = Number(image.readBigUInt64BE(l1) % 2n ** 56n);
          for (const { area, at, value } of hits) {
            const base = {
              header: at % 112,
              l1: l1 + (at % 64),
              l2: l2 + at,
              any: Math.floor((at / 4096) * image.length),
            }[area];
            if (base < image.length) image[base] = value;
          }
          try {
            await using opened = await openImage(memoryImage("fuzz.qcow2", memoryBytes(image)));
            // A header may ask for petabytes of zeros; only as much as a real disk is walked.
            if (opened.disk.size > 2 ** 44) return;
            await fingerprintDisk(opened.disk);
            outcomes.set("read", (outcomes.get("read") ?? 0) + 1);
          } catch (error) {
            if (!(error instanceof AppError)) throw error;
            if (error.code === "image.unknown-format") return;
            expect(error.code).toMatch(/^image\./);
            outcomes.set(error.code, (outcomes.get(error.code) ?? 0) + 1);
          }
        },
      ),
      { numRuns: 300, seed: 20_231, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: true },
    );
    expect(outcomes.get("read") ?? 0).toBeGreaterThan(20);
    expect(outcomes.size).toBeGreaterThan(3);
  });
});
