/** Files that people bring instead of a disk image: each is named, and what to do is said; none is taken for raw. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { AppError } from "#lib/errors.ts";
import { convertFile, openInspection } from "../file-conversion.ts";
import { openImage } from "../registry.ts";
import { memoryBytes, memoryImage } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";

const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const KIB = 1024;

/** `size` zeros with text or bytes at each place; negative: from the end. */
function made(marks: readonly (readonly [at: number, bytes: string])[], size = 128 * KIB): Buffer {
  const file = Buffer.alloc(size);
  for (const [at, bytes] of marks) file.write(bytes, at < 0 ? size + at : at, "latin1");
  return file;
}

async function refusal(name: string, bytes: Buffer): Promise<AppError> {
  writeFileSync(scratch.path(name), bytes);
  try {
    await using opened = await openInspection(scratch.path(name));
    throw new Error(`${name} opened as ${opened.facts.format}`);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

const lfs = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 123456\n`;
const OTHERS: readonly (readonly [what: string, bytes: Buffer, code: string, words: string])[] = [
  ["7-Zip", made([[0, "7z\xbc\xaf\x27\x1c"]]), "image.archive", "7-Zip"],
  ["RAR", made([[0, "Rar!\x1a\x07\x01\0"]]), "image.archive", "RAR"],
  ["bzip2", made([[0, "BZh9"]]), "image.archive", "bzip2"],
  ["LZ4", made([[0, "\x04\x22\x4d\x18"]]), "image.archive", "LZ4"],
  ["DMG", made([[-512, "koly"]]), "image.unsupported-format", "DMG"],
  ["WIM", made([[0, "MSWIM\0\0\0"]]), "image.unsupported-format", "WIM"],
  ["qcow 1", made([[0, "QFI\xfb\0\0\0\x01"]]), "image.unsupported-version", "version 1"],
  ["EWF", made([[0, "EVF\x09\x0d\x0a\xff\0"]]), "image.unsupported-format", "EnCase"],
  ["ISO 9660", made([[32_768, "\x01CD001\x01"]]), "image.not-a-disk", "CD or DVD"],
  [
    "ISO of a stick",
    made([
      [32_768, "\x01CD001\x01"],
      [32_848, "\x40"],
      [510, "\x55\xaa"],
      [446, "\x80"],
      [450, "\x17"],
      [458, "\x40"],
    ]),
    "image.not-a-disk",
    "CD or DVD",
  ],
  [
    "UDF",
    made([
      [32_768, "\0BEA01"],
      [34_816, "\0NSR03"],
    ]),
    "image.not-a-disk",
    "CD or DVD",
  ],
  ["LUKS 1", made([[0, "LUKS\xba\xbe\0\x01"]]), "image.encrypted", "LUKS 1"],
  ["LUKS 2", made([[0, "LUKS\xba\xbe\0\x02"]]), "image.encrypted", "LUKS 2"],
  [
    "BitLocker",
    made([
      [3, "-FVE-FS-"],
      [510, "\x55\xaa"],
    ]),
    "image.encrypted",
    "BitLocker",
  ],
  ["SquashFS", made([[0, "hsqs"]]), "image.not-a-disk", "SquashFS"],
  ["VMware's state", made([[0, "\xd2\xbe\xd2\xbe"]]), "image.not-a-disk", "saved state"],
  ["VMware's firmware", made([[0, "MRVN"]]), "image.not-a-disk", ".nvram"],
  [
    "web page",
    Buffer.from("<!DOCTYPE html><html><head><title>403 Forbidden</title>"),
    "image.not-a-disk",
    "403 Forbidden",
  ],
  [
    "answer in XML",
    Buffer.from('<?xml version="1.0"?>\n<Error><Code>NoSuchKey</Code><Message>Gone</Message></Error>'),
    "image.not-a-disk",
    "NoSuchKey: Gone",
  ],
  [
    "answer in JSON",
    Buffer.from('{"error": {"code": 404, "message": "No such object"}}'),
    "image.not-a-disk",
    "No such object",
  ],
  ["Git LFS", Buffer.from(lfs), "image.not-a-disk", "Git LFS to a file of 123456 bytes"],
  [
    "git-annex",
    Buffer.from(`../../.git/annex/objects/aa/bb/SHA256E-s1--${"a".repeat(64)}.img`),
    "image.not-a-disk",
    "git-annex",
  ],
  ["vmx", Buffer.from('.encoding = "UTF-8"\nconfig.version = "8"\n'), "image.not-a-disk", ".vmx"],
  ["domain XML", Buffer.from("<domain type='kvm'>\n"), "image.not-a-disk", "libvirt"],
  ["checksums", Buffer.from(`${"a".repeat(64)}  disk.img\n`), "image.not-a-disk", "checksums"],
  ["empty", Buffer.alloc(0), "image.not-a-disk", "empty"],
];

describe.each(["file.bin", "file.img", "file.vmdk"])("as %s", (name) => {
  it.each(OTHERS)("%s", async (_what, bytes, code, words) => {
    const error = await refusal(name, bytes);
    expect(error).toMatchObject({ code, kind: "unprocessable" });
    expect(error.message).toContain(words);
    expect(error.hint ?? "").not.toBe("");
    await using raw = await openInspection(scratch.path(name), { from: "raw" });
    expect(raw.facts.format).toBe("raw");
  });
});

it.each(["1f8b0800", "fd377a585a00", "28b52ffd", "504b0304"])(
  "what is packed (%s) is not raw by its name",
  async (start) => {
    const bytes = Buffer.concat([Buffer.from(start, "hex"), Buffer.alloc(4096)]);
    expect(await refusal("packed.img", bytes)).toMatchObject({
      code: "image.archive",
      hint: expect.stringContaining("name"),
    });
  },
);

it("words of a server are shown without control characters", async () => {
  const error = await refusal("page.bin", Buffer.from("<html><title>a\u202e\u0085b</title>"));
  expect(error.message).toContain("“a b”");
});

describe("what may be a disk, byte for byte", () => {
  const mbr = made(
    [
      [450, "\x83"],
      [454, "\0\x08"],
      [458, "\x40"],
      [510, "\x55\xaa"],
    ],
    2 * KIB * KIB,
  );
  it.each([
    ["ext4", made([[1080, "\x53\xef"]]), "ext4"],
    ["XFS", made([[0, "XFSB"]]), "XFS"],
    ["Btrfs", made([[65_600, "_BHRfS_M"]]), "Btrfs"],
    [
      "NTFS",
      made([
        [3, "NTFS    "],
        [510, "\x55\xaa"],
      ]),
      "NTFS",
    ],
    ["LVM", made([[512, "LABELONE"]]), "LVM"],
    ["MBR", mbr, "MBR partition table"],
  ])("%s is told, and asked about", async (_name, bytes, words) => {
    const error = await refusal("what.bin", bytes);
    expect(error).toMatchObject({ code: "image.unknown-format", hint: expect.stringContaining("raw") });
    expect(error.message).toContain(words);
    writeFileSync(scratch.path("named.img"), bytes);
    await using opened = await openInspection(scratch.path("named.img"));
    expect(opened.facts.format).toBe("raw");
    expect(opened.facts.notes.join()).toContain(words === "MBR partition table" ? "" : words);
  });

  it("zeros are no image; under a raw name they are read, and it is said", async () => {
    const error = await refusal("zeros.qcow2", Buffer.alloc(300 * KIB));
    expect(error).toMatchObject({ code: "image.unknown-format", message: expect.stringContaining("zeros") });
    scratch.raw("zeros.img", 300 * KIB, []);
    await using opened = await openInspection(scratch.path("zeros.img"));
    expect(opened.facts.notes.join()).toContain("zeros");
  });

  it("a disk that is shorter than its partition table says is read with a note", async () => {
    writeFileSync(scratch.path("cut.img"), mbr.subarray(0, KIB * KIB));
    await using opened = await openInspection(scratch.path("cut.img"));
    expect(opened.facts.notes.join()).toContain("cut off");
    scratch.raw("gpt.img", 64 * KIB, []);
    const gpt = made([[512, "EFI PART"]], 64 * KIB);
    gpt.writeBigUInt64LE(2n ** 62n, 544);
    writeFileSync(scratch.path("gpt.img"), gpt);
    await using huge = await openInspection(scratch.path("gpt.img"));
    expect(huge.facts).toMatchObject({ virtualSize: 64 * KIB, details: {} });
  });

  it("a disk of sectors of 4096 bytes is told, and what they become", async () => {
    writeFileSync(scratch.path("4k.img"), made([[4096, "EFI PART"]], 64 * KIB));
    const notes: string[] = [];
    const to = { source: scratch.path("4k.img"), to: "vhdx", overwrite: true } as const;
    const onOpened = async ({ facts }: { facts: { notes: readonly string[] } }) => void notes.push(...facts.notes);
    await convertFile({ ...to, target: scratch.path("512.vhdx"), options: {}, onOpened });
    expect(notes.join()).toContain("sectors of 4096 bytes");
    notes.length = 0;
    await convertFile({ ...to, target: scratch.path("4k.vhdx"), options: { logical_sector_size: 4096 }, onOpened });
    expect(notes).toEqual([]);
  });
});

describe("parts", () => {
  it.each([
    ["web-flat.vmdk", "web.vmdk"],
    ["web-f001.vmdk", "web.vmdk"],
    ["web-ctk.vmdk", "change tracking"],
    ["harddisk.hds", "DiskDescriptor.xml"],
    ["machine.vmem", "memory"],
    ["disk.img.002", "disk.img.003"],
    ["disk.vmdk.ab", "disk.vmdk.ac"],
    ["disk.z01", "disk.z02"],
    ["disk.part02", "disk.part03"],
  ])("%s", async (name, words) => {
    const error = await refusal(name, made([[100, "anything at all"]]));
    expect(error.code).toMatch(/^image\.(part|not-a-disk)$/);
    expect(`${error.message} ${error.hint ?? ""}`).toContain(words);
    expect(error.hint).not.toContain("raw");
  });

  it("the first part of an image, with the next one beside it", async () => {
    scratch.raw("disk.raw", 200 * KIB, [[0, 100_000]]);
    scratch.qemuImg("convert", "-f", "raw", "-O", "qcow2", "disk.raw", "disk.qcow2");
    execFileSync("split", ["-b", "300k", "-d", "-a", "3", "disk.qcow2", "disk.qcow2."], { cwd: scratch.folder });
    execFileSync("split", ["-b", "300k", "disk.qcow2", "disk.qcow2."], { cwd: scratch.folder });
    for (const name of ["disk.qcow2.000", "disk.qcow2.aa"])
      await expect(openInspection(scratch.path(name))).rejects.toMatchObject({ code: "image.part" });
    const first = readFileSync(scratch.path("disk.qcow2.000")).subarray(0, 100_000);
    const alone = memoryImage("disk.qcow2.000", memoryBytes(first));
    await expect(openImage(alone)).rejects.toMatchObject({ code: "image.part" });
  });

  it("one extent of a split VMDK, which would look like a whole disk", async () => {
    scratch.raw("five.raw", 5 * KIB ** 3, [[0, 4096]]);
    scratch.qemuImg(
      "convert",
      "-f",
      "raw",
      "-O",
      "vmdk",
      "-o",
      "subformat=twoGbMaxExtentSparse",
      "five.raw",
      "five.vmdk",
    );
    await expect(openInspection(scratch.path("five-s001.vmdk"))).rejects.toMatchObject({
      code: "image.part",
      hint: expect.stringContaining("five.vmdk"),
    });
    scratch.remove("five-s002.vmdk");
    await expect(openInspection(scratch.path("five.vmdk"))).rejects.toMatchObject({
      code: "image.sibling-missing",
      message: expect.stringContaining("five-s002.vmdk"),
    });
  });
});
