/** VMDKs that were cut, damaged or made to harm: each ends in an error that says what is wrong, or in honest bytes. */
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { convertFile, openInspection } from "../../file-conversion.ts";
import { mutants, outcome } from "../../testing/hostile.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";
import { MAGIC_SESPARSE } from "./layout.ts";

const MIB = 1_048_576;
const SECTOR = 512;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

let sparse: Buffer;
let stream: Buffer;
beforeAll(async () => {
  scratch.raw("disk.raw", 40 * MIB, [
    [MIB, 300_000],
    [33 * MIB, 200_000],
  ]);
  scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "disk.raw", "sparse.vmdk");
  sparse = readFileSync(scratch.path("sparse.vmdk"));
  // Our own: qemu-img puts the directory in front and writes no footer.
  const target = scratch.path("stream.vmdk");
  const options = { subformat: "streamOptimized" };
  await convertFile({ source: scratch.path("disk.raw"), target, to: "vmdk", options });
  stream = readFileSync(target);
});

const gdAt = (image: Buffer) => Number(image.readBigUInt64LE(56)) * SECTOR;
const gtAt = (image: Buffer, table = 0) => image.readUInt32LE(gdAt(image) + table * 4) * SECTOR;
/** First grain of the disk that has data. */
const DATA_GRAIN = 16;

type Patch = (image: Buffer) => Buffer | undefined;
const put32 = (at: number | ((image: Buffer) => number), value: number) => (image: Buffer) => {
  image.writeUInt32LE(value, typeof at === "number" ? at : at(image));
  return undefined;
};
const put64 = (at: number, value: bigint) => (image: Buffer) => {
  image.writeBigUInt64LE(value, at);
  return undefined;
};
const describeAs = (text: string) => (image: Buffer) => {
  image.fill(0, SECTOR, 21 * SECTOR);
  image.write(text, SECTOR, "latin1");
  return undefined;
};
const HEAD = '# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType="monolithicSparse"\n';

describe("a sparse file that cannot be", () => {
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["version 4", "image.header-insane", put32(4, 4)],
    ["a capacity of 2^60 sectors", "image.header-insane", put64(12, 2n ** 60n)],
    ["a capacity of 2^63 sectors", "image.header-insane", put64(12, 2n ** 63n)],
    ["tables for 16 TiB in a small file", "image.truncated", put64(12, 2n ** 35n)],
    ["grains of 3 sectors", "image.header-insane", put64(20, 3n)],
    ["grains of no sectors", "image.header-insane", put64(20, 0n)],
    ["grains of 1 TiB", "image.header-insane", put64(20, 2n ** 31n)],
    ["tables of 2^31 entries", "image.header-insane", put32(44, 2 ** 31)],
    ["tables of no entries", "image.header-insane", put32(44, 0)],
    ["a descriptor of 1 TiB", "image.header-insane", put64(36, 2n ** 31n)],
    ["a descriptor beyond the file", "image.truncated", put64(28, 2n ** 31n)],
    ["a directory in the header and no copy", "image.overlap", (i) => (put32(8, 1)(i), put64(56, 0n)(i))],
    ["a directory in the descriptor, and a copy", "read", put64(56, 2n)],
    ["a directory in the descriptor and no copy", "image.overlap", (i) => (put32(8, 1)(i), put64(56, 2n)(i))],
    ["line ends of another system", "image.header-insane", put32(73, 0x0a0d_0d0a)],
    ["a table in the directory", "image.overlap", (i) => put32(gdAt(i), gdAt(i) / SECTOR)(i)],
    ["a table beyond the file, and a copy", "read", (i) => put32(gdAt(i), 0xffff_0000)(i)],
    ["a table beyond the file", "image.truncated", (i) => (put32(8, 1)(i), put32(gdAt(i), 0xffff_0000)(i))],
    ["a grain in the header's sector", "image.overlap", put32((i) => gtAt(i) + DATA_GRAIN * 4, 1)],
    ["a grain in its own table", "image.overlap", (i) => put32(gtAt(i) + DATA_GRAIN * 4, gtAt(i) / SECTOR + 1)(i)],
    ["a grain beyond the file", "image.truncated", put32((i) => gtAt(i) + DATA_GRAIN * 4, 0xffff_ffff)],
    ["a grain cut by the file's end", "image.truncated", (i) => i.subarray(0, i.length - 4096)],
    ["100 bytes in all", "image.truncated", (i) => i.subarray(0, 100)],
    ["its header alone", "image.truncated", (i) => i.subarray(0, 512)],
    ["half of it", "image.truncated", (i) => i.subarray(0, Math.floor(i.length / 2))],
    ["a parent without a name", "image.parent-missing", describeAs(HEAD.replace("ffffffff", "abcdabcd"))],
    ["encryption", "image.encrypted", describeAs(`${HEAD}encryption.keySafe="vmware:key/list/"\n`)],
    ["an ESX delta", "image.vmdk-delta", (i) => void i.write("COWD") as undefined],
    ["an seSparse delta", "image.vmdk-delta", (i) => void MAGIC_SESPARSE.copy(i) as undefined],
    [
      "a descriptor with extents elsewhere",
      "image.header-insane",
      describeAs(`${HEAD}RW 100 SPARSE "/etc/passwd"\nRW 100 SPARSE "b"\n`),
    ],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(sparse);
    expect(await outcome("patched.vmdk", patch(image) ?? image)).toBe(code);
  });

  it("a file that goes on after its end reads as before", async () => {
    writeFileSync(scratch.path("long.vmdk"), Buffer.concat([sparse, Buffer.alloc(100_000, 0xee)]));
    await expectSameDisk(scratch.path("long.vmdk"), scratch.path("disk.raw"));
  });

  it("a damaged directory is replaced by its copy, and that is told", async () => {
    const image = Buffer.from(sparse);
    image.writeBigUInt64LE(2n ** 40n, 56);
    writeFileSync(scratch.path("copy.vmdk"), image);
    const facts = await expectSameDisk(scratch.path("copy.vmdk"), scratch.path("disk.raw"));
    expect(facts.notes.join()).toContain("redundant copy");
  });

  it("a descriptor of CRLF, comments, capitals and trailing blanks is understood", async () => {
    const image = Buffer.from(sparse);
    describeAs(
      `# disk descriptorfile\r\n\r\n  Version = 1 \r\nCID=12345678\r\nparentCID=FFFFFFFF\r\n# RW 1 SPARSE "no"\r\ncreateType="monolithicSparse" \r\nrw 81920 sparse "x y.vmdk"\r\nddb.adapterType = "lsilogic"\r\n`,
    )(image);
    writeFileSync(scratch.path("crlf.vmdk"), image);
    const facts = await expectSameDisk(scratch.path("crlf.vmdk"), scratch.path("disk.raw"));
    expect(facts.details).toMatchObject({ cid: "12345678", adapterType: "lsilogic" });
  });
});

describe("a stream that cannot be", () => {
  /** Sector of the first grain, from the file itself: its marker follows the overhead. */
  const firstGrain = (image: Buffer) => {
    for (let at = 0; at < image.length; at += SECTOR) {
      if (image.readBigUInt64LE(at) === 2048n && image.readUInt32LE(at + 8) > 1000 && at > 21 * SECTOR) return at;
    }
    throw new Error("no grain");
  };
  const cases: readonly (readonly [string, string, Patch])[] = [
    ["no footer", "image.truncated", (i) => i.subarray(0, i.length - 1024)],
    ["no end mark, but all of the disk", "read", (i) => i.subarray(0, i.length - 512)],
    ["half of it", "image.truncated", (i) => i.subarray(0, Math.floor(i.length / 2))],
    ["a footer without a directory", "image.header-insane", (i) => put64(i.length - 1024 + 56, 2n ** 64n - 1n)(i)],
    ["an unknown compression", "image.header-insane", (i) => void i.writeUInt16LE(7, 77) as undefined],
    ["a grain of 4 GiB", "image.corrupt", (i) => put32(firstGrain(i) + 8, 0xffff_ffff)(i)],
    ["a grain of another place", "image.corrupt", (i) => put64(firstGrain(i), 4096n)(i)],
    [
      "a grain of garbage",
      "image.corrupt",
      (i) => void i.fill(0x5a, firstGrain(i) + 12, firstGrain(i) + 500) as undefined,
    ],
  ];
  it.each(cases)("%s: %s", async (_name, code, patch) => {
    const image = Buffer.from(stream);
    expect(await outcome("patched.vmdk", patch(image) ?? image)).toBe(code);
  });
});

describe("files that a descriptor names", () => {
  const open = async (extents: string, more = "") => {
    writeFileSync(scratch.path("d.vmdk"), HEAD.replace("monolithicSparse", "custom") + more + extents);
    return openInspection(scratch.path("d.vmdk")).then(
      async (opened) => {
        await opened[Symbol.asyncDispose]();
        return "opened";
      },
      (error: unknown) => (error instanceof AppError ? error.code : String(error)),
    );
  };
  beforeAll(() => {
    symlinkSync("/etc/passwd", scratch.path("link.vmdk"));
    writeFileSync(scratch.path("flat"), Buffer.alloc(4096, 7));
  });

  it.each([
    ["a flat file", 'RW 8 FLAT "flat" 0\n', "opened"],
    [
      "the parts of a flat file around 50 TB of zeros",
      'RW 4 VMFS "flat"\nRW 100000000000 ZERO\nRW 4 FLAT "flat" 4\n',
      "opened",
    ],
    ["a name that climbs out", 'RW 8 FLAT "../../x" 0\n', "image.sibling-missing"],
    ["an absolute name", 'RW 2 FLAT "/etc/passwd" 0\n', "image.sibling-missing"],
    ["an absolute name of a file beside it", 'RW 8 FLAT "/vmfs/volumes/1/flat" 0\n', "opened"],
    ["an absolute name of a link that leads out", 'RW 2 SPARSE "/vmfs/link.vmdk"\n', "image.path-escapes"],
    ["a folder alone", 'RW 2 FLAT "/vmfs/" 0\n', "image.path-escapes"],
    ["a link that leads out", 'RW 2 SPARSE "link.vmdk"\n', "image.path-escapes"],
    ["a folder below", 'RW 2 FLAT "sub/x" 0\n', "image.sibling-missing"],
    ["a climb with backslashes", 'RW 2 FLAT "..\\\\..\\\\x" 0\n', "image.sibling-missing"],
    ["an empty name", 'RW 2 FLAT "" 0\n', "image.path-escapes"],
    ["two paths that end alike", 'RW 2 FLAT "/a/x" 0\nRW 2 FLAT "/b/x" 0\n', "image.sibling-missing"],
    ["an absent file", 'RW 8 FLAT "absent" 0\n', "image.sibling-missing"],
    ["a flat file that is too short", 'RW 9 FLAT "flat" 0\n', "image.truncated"],
    ["an offset that is too large", 'RW 8 FLAT "flat" 1\n', "image.truncated"],
    ["a sum beyond 2^53", "RW 9000000000000000 ZERO\nRW 9000000000000000 ZERO\n", "image.header-insane"],
    ["a number of 20 digits", "RW 99999999999999999999 ZERO\n", "image.header-insane"],
    ["a sparse extent that is none", 'RW 8 SPARSE "flat"\n', "image.header-insane"],
    ["itself", 'RW 8 SPARSE "d.vmdk"\n', "image.truncated"],
    ["an ESX delta that is none", 'RW 8 VMFSSPARSE "flat"\n', "image.header-insane"],
    ["an seSparse delta that is none", 'RW 8 SESPARSE "flat"\n', "image.header-insane"],
    ["a raw device", 'RW 8 VMFSRDM "flat"\n', "image.vmdk-device"],
    ["no access", 'NOACCESS 8 FLAT "flat" 0\n', "image.vmdk-device"],
    ["an unknown kind", 'RW 8 WHATEVER "flat"\n', "image.header-insane"],
    ["no name", "RW 8 FLAT\n", "image.header-insane"],
    ["no extents", "", "image.header-insane"],
    ["3,000 extents", "RW 1 ZERO\n".repeat(3000), "image.header-insane"],
    ["a descriptor above 1 MiB", `#${"x".repeat(1_100_000)}\n`, "image.header-insane"],
  ] as const)("%s", async (_name, extents, code) => {
    expect(await open(extents)).toBe(code);
  });

  it("reads flat, zero and sparse extents one after another", async () => {
    writeFileSync(scratch.path("part.vmdk"), sparse);
    writeFileSync(scratch.path("d.vmdk"), `${HEAD}RW 8 FLAT "flat" 0\nRW 16 ZERO\nRW 81920 SPARSE "part.vmdk"\n`);
    const disk = readFileSync(scratch.path("disk.raw"));
    writeFileSync(scratch.path("joined.raw"), Buffer.concat([Buffer.alloc(4096, 7), Buffer.alloc(8192), disk]));
    const facts = await expectSameDisk(scratch.path("d.vmdk"), scratch.path("joined.raw"));
    expect(facts.files).toEqual(["d.vmdk", "flat", "part.vmdk"]);
  });
});

describe("damage at random", () => {
  it.each([
    ["monolithicSparse", () => sparse, 11],
    ["streamOptimized", () => stream, 12],
  ] as const)("%s never ends in a crash", async (name, sound, seed) => {
    const image = sound();
    const seen = new Set<string>();
    const ranges = [
      [0, 80],
      [SECTOR, 600],
      [21 * SECTOR, 20 * SECTOR],
      [Math.max(0, image.length - 1536), 1536],
      [0, image.length],
    ] as const;
    for (const mutant of mutants(image, ranges, seed, 200)) seen.add(await outcome(`${name}.vmdk`, mutant));
    expect(seen.size).toBeGreaterThan(3);
  });
});
