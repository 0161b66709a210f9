/** Flat VMDKs of two files, and what every descriptor of ours says. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { convertDisk } from "../../convert.ts";
import { convertFile, openInspection } from "../../file-conversion.ts";
import { createFilePair } from "../../files/file-pair.ts";
import { MemorySink, memoryDisk } from "../../testing/memory.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
const SIZE = 9 * MIB + 512;
let source: string;
beforeEach(() => {
  for (const name of readdirSync(scratch.folder)) scratch.remove(name);
  source = scratch.raw("in.raw", SIZE, [
    [3 * MIB, MIB],
    [SIZE - 512, 512],
  ]);
});
const convert = (name: string, options: Record<string, unknown>, overwrite = false) =>
  convertFile({ source, from: "raw", target: scratch.path(name), to: "vmdk", options, overwrite });
const text = (name: string) => /# Disk Desc[^\0]*/.exec(readFileSync(scratch.path(name), "latin1"))?.[0] ?? "";

describe("a flat VMDK", () => {
  it.each([
    ["monolithicFlat", 'RW 18433 FLAT "web 01-flat.vmdk" 0'],
    ["vmfs", 'RW 18433 VMFS "web 01-flat.vmdk"'],
  ])("%s is a descriptor and the disk beside it", async (subformat, extent) => {
    const done = await convert("web 01.vmdk", { subformat });
    expect(text("web 01.vmdk")).toContain(`createType="${subformat}"`);
    expect(text("web 01.vmdk").split("\n")).toContain(extent);
    expect(readFileSync(scratch.path("web 01-flat.vmdk")).equals(readFileSync(source))).toBe(true);
    // Zeros take no room.
    expect(statSync(scratch.path("web 01-flat.vmdk")).blocks * 512).toBeLessThan(2 * MIB);
    expect(done.fileLength).toBe(SIZE + statSync(scratch.path("web 01.vmdk")).size);
    scratch.qemuImg("compare", "-f", "raw", "-F", "vmdk", source, "web 01.vmdk");
    const facts = await expectSameDisk(scratch.path("web 01.vmdk"), source);
    expect(facts).toMatchObject({ variant: subformat, files: ["web 01.vmdk", "web 01-flat.vmdk"], notes: [] });
    const back = await convertFile({ source, target: scratch.path("b.raw"), to: "raw", options: {} });
    expect(done.fingerprint).toBe(back.fingerprint);
  });

  it("an empty disk and one of 62 TiB", async () => {
    scratch.raw("in.raw", 0, []);
    await convert("empty.vmdk", { subformat: "monolithicFlat" });
    expect(statSync(scratch.path("empty-flat.vmdk")).size).toBe(0);
    const wide = memoryDisk(Buffer.alloc(0));
    const disk = { ...wide, size: 62 * 2 ** 40 + 512 };
    const pair = { fileName: "x.vmdk", beside: async () => new MemorySink() };
    const options = { subformat: "vmfs" };
    await expect(convertDisk({ disk, to: "vmdk", options, sink: new MemorySink(), pair })).rejects.toMatchObject({
      code: "image.too-large-for-format",
    });
  });

  it("is refused where one file can be made", async () => {
    const disk = memoryDisk(Buffer.alloc(MIB));
    const request = { disk, to: "vmdk", options: { subformat: "monolithicFlat" }, sink: new MemorySink() } as const;
    await expect(convertDisk(request)).rejects.toMatchObject({ code: "options.two-files", kind: "invalid" });
  });

  it("is refused under a name that a descriptor cannot write", async () => {
    await expect(convert('a"b.vmdk', { subformat: "vmfs" })).rejects.toMatchObject({ code: "io.bad-name" });
    expect(readdirSync(scratch.folder)).toEqual(["in.raw"]);
  });

  it("replaces neither file that is there, and both when told to", async () => {
    await convert("x.vmdk", { subformat: "monolithicFlat", cid: "00000001" });
    await expect(convert("x.vmdk", { subformat: "monolithicFlat" })).rejects.toMatchObject({ code: "io.exists" });
    writeFileSync(scratch.path("y-flat.vmdk"), "mine");
    await expect(convert("y.vmdk", { subformat: "monolithicFlat" })).rejects.toMatchObject({ code: "io.exists" });
    expect(readFileSync(scratch.path("y-flat.vmdk"), "utf8")).toBe("mine");
    expect(readdirSync(scratch.folder).sort()).toEqual(["in.raw", "x-flat.vmdk", "x.vmdk", "y-flat.vmdk"]);
    await convert("x.vmdk", { subformat: "monolithicFlat", cid: "00000002" }, true);
    expect(text("x.vmdk")).toContain("CID=00000002");
    expect(readdirSync(scratch.folder).sort()).toEqual(["in.raw", "x-flat.vmdk", "x.vmdk", "y-flat.vmdk"]);
  });

  it.each(["data", "descriptor"])("leaves nothing behind when writing the %s fails", async (which) => {
    await using opened = await openInspection(source);
    await using files = await createFilePair(scratch.path("broken.vmdk"));
    const broken = new Error("no space");
    const disk =
      which === "data"
        ? {
            ...opened.disk,
            size: SIZE,
            extents: opened.disk.extents.bind(opened.disk),
            read: () => Promise.reject(broken),
          }
        : opened.disk;
    const sink =
      which === "data"
        ? files.main
        : {
            ...files.main,
            seekable: false,
            write: () => Promise.reject(broken),
            commit: files.main.commit.bind(files.main),
            [Symbol.asyncDispose]: async () => undefined,
          };
    const request = { disk, to: "vmdk", options: { subformat: "vmfs" }, sink, pair: files } as const;
    await expect(convertDisk(request)).rejects.toThrow("no space");
    await files[Symbol.asyncDispose]();
    expect(readdirSync(scratch.folder)).toEqual(["in.raw"]);
  });

  it("neither has its name when the last step fails", async () => {
    const files = await createFilePair(scratch.path("late.vmdk"));
    const data = await files.beside("late-flat.vmdk");
    await data.write(0, Buffer.alloc(512, 1));
    await data.commit(512);
    expect(readdirSync(scratch.folder).filter((name) => !name.startsWith("."))).toEqual(["in.raw"]);
    // Somebody takes the name in between.
    writeFileSync(scratch.path("late.vmdk"), "theirs");
    await expect(files.main.commit(0)).rejects.toMatchObject({ code: "io.exists" });
    await files[Symbol.asyncDispose]();
    expect(readdirSync(scratch.folder).sort()).toEqual(["in.raw", "late.vmdk"]);
    expect(readFileSync(scratch.path("late.vmdk"), "utf8")).toBe("theirs");
  });
});

describe("a descriptor", () => {
  it.each(["monolithicSparse", "monolithicFlat", "vmfs", "streamOptimized"])(
    "of %s has what ESXi asks for",
    async (subformat) => {
      const options = {
        subformat,
        adapter_type: "ide",
        hwversion: 13,
        cid: "00C0FFEE",
        uuid: "6000C29a-1122-3344-5566-778899aabbcc",
        thin: "on",
      };
      await convert("d.vmdk", options);
      const lines = text("d.vmdk").split("\n");
      expect(lines).toEqual(
        expect.arrayContaining([
          "CID=00c0ffee",
          "parentCID=ffffffff",
          'encoding="UTF-8"',
          'ddb.virtualHWVersion = "13"',
          'ddb.uuid = "60 00 c2 9a 11 22 33 44-55 66 77 88 99 aa bb cc"',
          'ddb.thinProvisioned = "1"',
          'ddb.adapterType = "ide"',
          'ddb.geometry.heads = "16"',
        ]),
      );
      expect(lines.find((line) => line.includes("longContentID"))).toMatch(/"[0-9a-f]{24}00c0ffee"$/);
      const header = readFileSync(scratch.path("d.vmdk")).subarray(0, 8);
      if (subformat === "monolithicSparse") expect(header.readUInt32LE(4)).toBe(1);
      if (subformat === "streamOptimized") expect(header.readUInt32LE(4)).toBe(3);
      scratch.qemuImg("compare", "-f", "raw", "-F", "vmdk", source, "d.vmdk");
    },
  );

  it("gives each disk a content id and a serial number of its own", async () => {
    await convert("a.vmdk", {});
    await convert("b.vmdk", {});
    const idsOf = (name: string): string[] => [...(text(name).match(/(?:^CID=|ddb\.uuid = ).*$/gm) ?? [])];
    expect(idsOf("a.vmdk")).toHaveLength(2);
    expect(idsOf("a.vmdk").some((id) => idsOf("b.vmdk").includes(id))).toBe(false);
    expect(idsOf("a.vmdk")[1]).toMatch(/"60 00 c2 9[0-9a-f]( [0-9a-f]{2}){4}-[0-9a-f]{2}( [0-9a-f]{2}){7}"/);
  });
});
