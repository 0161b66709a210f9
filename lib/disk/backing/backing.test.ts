/** What images of QEMU's stand on: found by content where its format is not told, and by its name where a path is. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openInspection } from "../file-conversion.ts";
import { fingerprintDisk } from "../fingerprint.ts";
import { openImage } from "../registry.ts";
import { memoryBytes, memoryImage } from "../testing/memory.ts";
import { Scratch } from "../testing/scratch.ts";
import { namedPath } from "./named-path.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());
let expected: string;

/** A disk with an MBR, so that its raw form can be told. */
beforeAll(async () => {
  const path = scratch.raw("disk.raw", 4 * MIB, [[MIB, 70_000]]);
  const disk = readFileSync(path);
  disk.writeUInt8(0x83, 450);
  disk.writeUInt32LE(2048, 454);
  disk.writeUInt32LE(4096, 458);
  disk.writeUInt16LE(0xaa55, 510);
  writeFileSync(path, disk);
  await using opened = await openInspection(path);
  expected = await fingerprintDisk(opened.disk);
});

async function open(name: string) {
  await using opened = await openInspection(scratch.path(name));
  return { facts: opened.facts, fingerprint: await fingerprintDisk(opened.disk) };
}

/** The format of the backing file is not told. */
function untold(backing: string, driver: string): void {
  scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", backing, "-F", driver, "top.qcow2", "4M");
  const image = readFileSync(scratch.path("top.qcow2"));
  image.writeUInt32BE(0x1122_3344, image.indexOf(Buffer.from("e2792aca", "hex")));
  writeFileSync(scratch.path("top.qcow2"), image);
}

describe("a backing file of a format that is not told", () => {
  it.each(["vmdk", "vdi", "vhdx", "vpc", "qed", "parallels", "qcow2"])(
    "%s by its content, with a note",
    async (driver) => {
      const size = driver === "vpc" ? ["-o", "force_size=on"] : [];
      scratch.qemuImg("convert", "-f", "raw", "-O", driver, ...size, "disk.raw", "base.img");
      untold("base.img", driver);
      const { facts, fingerprint } = await open("top.qcow2");
      expect(fingerprint).toBe(expected);
      expect(facts.files).toEqual(["top.qcow2", "base.img"]);
      expect(facts.notes.join()).toContain("does not tell the format of base.img");
    },
  );

  it("raw by its partition table; refused when nothing tells", async () => {
    untold("disk.raw", "raw");
    const { facts, fingerprint } = await open("top.qcow2");
    expect(fingerprint).toBe(expected);
    expect(facts.notes.join()).toContain("MBR partition table");
    scratch.raw("noise.raw", 4 * MIB, [[0, 4096]]);
    scratch.raw("zeros.raw", 4 * MIB, []);
    for (const name of ["noise.raw", "zeros.raw"]) {
      untold(name, "raw");
      await expect(open("top.qcow2")).rejects.toMatchObject({
        code: "image.backing-format-unknown",
        hint: expect.stringContaining(`qemu-img rebase -u -F raw -b ${name} top.qcow2`),
      });
    }
    writeFileSync(scratch.path("page.html"), "<html><title>Sign in</title>".padEnd(600));
    untold("page.html", "raw");
    await expect(open("top.qcow2")).rejects.toMatchObject({ code: "image.backing-format-unknown" });
  });

  it("a told format must be what the content says, and is not called damage when it is not", async () => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "disk.raw", "base.vmdk");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", "base.vmdk", "-F", "qcow2", "wrong.qcow2", "4M");
    await expect(open("wrong.qcow2")).rejects.toMatchObject({
      code: "image.format-mismatch",
      hint: expect.stringContaining("-F vmdk -b base.vmdk"),
    });
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", "base.vmdk", "-F", "vmdk", "right.qcow2", "4M");
    expect((await open("right.qcow2")).fingerprint).toBe(expected);
  });
});

describe("a backing file that is named by a path", () => {
  const over = (backing: string) =>
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", backing, "-F", "raw", "path.qcow2", "4M");

  it.each([
    "/var/lib/libvirt/images/disk.raw",
    "../base/disk.raw",
    "file:/images/disk.raw",
    'json:{"driver":"raw","file":{"driver":"file","filename":"/images/disk.raw"}}',
    'json:{"file.filename":"/images/disk.raw","driver":"raw"}',
    "C:\\images\\disk.raw",
  ])("%s: the one beside it, with a note", async (path) => {
    over(path);
    const { facts, fingerprint } = await open("path.qcow2");
    expect(fingerprint).toBe(expected);
    expect(facts.notes.join()).toContain("disk.raw beside it was used");
  });

  it("is missing, not an attack, and the message tells what to do", async () => {
    over("/var/lib/libvirt/images/gone.raw");
    await expect(open("path.qcow2")).rejects.toMatchObject({
      code: "image.parent-missing",
      message: expect.stringContaining("/var/lib/libvirt/images/gone.raw"),
      hint: expect.stringContaining("Copy"),
    });
  });

  it("on a host is the one that the path means, and no other of the same name", async () => {
    for (const [path, code] of [
      ["/pool/disk.raw", null],
      ["/elsewhere/disk.raw", "image.path-escapes"],
      ["../disk.raw", "image.path-escapes"],
    ] as const) {
      over(path);
      const there = memoryImage(
        "path.qcow2",
        memoryBytes(readFileSync(scratch.path("path.qcow2"))),
        new Map([["disk.raw", readFileSync(scratch.path("disk.raw"))]]),
      );
      const opening = openImage({ ...there, home: "/pool" });
      if (code === null) expect((await opening).facts.notes).toEqual([]);
      else await expect(opening).rejects.toMatchObject({ code });
    }
  });

  it("has the image's own name, in another folder", async () => {
    over("/images/path.qcow2");
    await expect(open("path.qcow2")).rejects.toMatchObject({ code: "image.parent-missing" });
  });

  it.each(["nbd://host/x", "https://example.org/x.raw", 'json:{"driver":"nbd","host":"x"}', "json:{", "/images/.."])(
    "%s is no file",
    (text) => expect(namedPath(text)).toBeNull(),
  );
});

describe("QED", () => {
  it.each([
    ["clusters of 4 KiB", ["-o", "cluster_size=4k,table_size=2"]],
    ["as it is made", []],
    ["large tables", ["-o", "cluster_size=1M,table_size=16"]],
  ])("as qemu-img makes it: %s", async (_name, options) => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "qed", ...options, "disk.raw", "image.qed");
    const { facts, fingerprint } = await open("image.qed");
    expect(facts).toMatchObject({ format: "qed", variant: "plain" });
    expect(fingerprint).toBe(expected);
  });

  it("over a backing file, with clusters of zeros, and against qemu-img", async () => {
    scratch.qemuImg("create", "-q", "-f", "qed", "-b", "disk.raw", "-F", "raw", "over.qed");
    scratch.qemuIo("-f", "qed", "-c", "write -P 9 64k 192k", "-c", "write -z 1M 64k", "over.qed");
    scratch.qemuImg("convert", "-f", "qed", "-O", "raw", "over.qed", "over.raw");
    await using truth = await openInspection(scratch.path("over.raw"));
    const { facts, fingerprint } = await open("over.qed");
    expect(fingerprint).toBe(await fingerprintDisk(truth.disk));
    expect(facts).toMatchObject({ variant: "differencing", parents: ["disk.raw"] });
  });

  it("that was not closed is refused until that is accepted", async () => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "qed", "disk.raw", "dirty.qed");
    const image = readFileSync(scratch.path("dirty.qed"));
    image.writeUInt8(2, 16);
    writeFileSync(scratch.path("dirty.qed"), image);
    await expect(open("dirty.qed")).rejects.toMatchObject({ code: "image.dirty" });
    await using opened = await openInspection(scratch.path("dirty.qed"), { acceptDirty: true });
    expect(await fingerprintDisk(opened.disk)).toBe(expected);
  });

  it("whose tables repeat themselves does not unfold", async () => {
    scratch.qemuImg("create", "-q", "-f", "qed", "-o", "cluster_size=4k,table_size=2", "bomb.qed", "1G");
    scratch.qemuIo("-f", "qed", "-c", "write -P 1 0 4k", "bomb.qed");
    const image = readFileSync(scratch.path("bomb.qed"));
    const l1 = Number(image.readBigUInt64LE(40));
    const l2 = Number(image.readBigUInt64LE(l1));
    const clusters = Buffer.from(image);
    for (let i = 1; i < 1024; i++) clusters.writeBigUInt64LE(clusters.readBigUInt64LE(l2), l2 + i * 8);
    writeFileSync(scratch.path("bomb.qed"), clusters);
    await expect(open("bomb.qed")).rejects.toMatchObject({ code: "image.corrupt" });
    for (let i = 1; i < 256; i++) image.writeBigUInt64LE(BigInt(l2), l1 + i * 8);
    writeFileSync(scratch.path("bomb.qed"), image);
    await expect(open("bomb.qed")).rejects.toMatchObject({ code: "image.corrupt" });
  });

  it("by a json: name that makes another disk of its file is refused", async () => {
    scratch.qemuImg("create", "-q", "-f", "qed", "-u", "-b", "disk.raw", "-F", "raw", "json.qed", "1M");
    for (const more of ['"offset":1048576', '"size":512', '"backing":{"driver":"file","filename":"x"}']) {
      const named = `json:{"driver":"raw",${more},"file":{"driver":"file","filename":"disk.raw"}}`;
      scratch.qemuImg("rebase", "-q", "-u", "-f", "qed", "-b", named, "-F", "raw", "json.qed");
      await expect(open("json.qed")).rejects.toMatchObject({ code: "image.path-escapes" });
    }
  });

  it("below itself, through a qcow2", async () => {
    scratch.qemuImg("create", "-q", "-f", "qed", "-u", "-b", "b.qcow2", "-F", "qcow2", "a.qed", "1M");
    scratch.qemuImg("create", "-q", "-f", "qcow2", "-u", "-b", "a.qed", "-F", "qed", "b.qcow2", "1M");
    await expect(open("a.qed")).rejects.toMatchObject({ code: "image.chain-loop" });
  });
});

describe("Parallels HDD", () => {
  const TOP = "{5fbaabe3-6958-40ff-92a7-860e329aab41}";
  const ROOT = "{11111111-2222-3333-4444-555555555555}";
  const NONE = "{00000000-0000-0000-0000-000000000000}";

  interface Part {
    readonly start: number;
    readonly end: number;
    /** GUID, type and file. */
    readonly images: readonly (readonly [string, "Plain" | "Compressed", string])[];
  }

  function bundle(name: string, parts: readonly Part[], shots: readonly (readonly [string, string])[] = [[TOP, NONE]]) {
    mkdirSync(scratch.path(name), { recursive: true });
    const storages = parts.map(
      ({ start, end, images }) =>
        `<Storage><Start>${start}</Start><End>${end}</End><Blocksize>2048</Blocksize>${images
          .map(([guid, type, file]) => `<Image><GUID>${guid}</GUID><Type>${type}</Type><File>${file}</File></Image>`)
          .join("")}</Storage>`,
    );
    const text = `<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>${parts.at(-1)?.end ?? 0}</Disk_size><Padding>0</Padding>
<Encryption><Engine>${NONE}</Engine></Encryption></Disk_Parameters><StorageData>${storages.join("")}</StorageData>
<Snapshots>${shots.map(([guid, parent]) => `<Shot><GUID>${guid}</GUID><ParentGUID>${parent}</ParentGUID></Shot>`).join("")}</Snapshots>
</Parallels_disk_image>`;
    writeFileSync(scratch.path(`${name}/DiskDescriptor.xml`), text);
  }

  it.each([
    ["1 MiB", []],
    ["64 KiB", ["-o", "cluster_size=65536"]],
  ])("an expanding image alone, blocks of %s", async (_name, options) => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", ...options, "disk.raw", "image.hds");
    const { facts, fingerprint } = await open("image.hds");
    expect(facts).toMatchObject({ format: "parallels", variant: "WithouFreSpacExt" });
    expect(fingerprint).toBe(expected);
  });

  it("the older header, whose table counts sectors", async () => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", "old.hds");
    const image = readFileSync(scratch.path("old.hds"));
    image.write("WithoutFreeSpace", 0, "latin1");
    const sectors = image.readUInt32LE(28);
    for (let i = 0; i < image.readUInt32LE(32); i++)
      image.writeUInt32LE(image.readUInt32LE(64 + i * 4) * sectors, 64 + i * 4);
    writeFileSync(scratch.path("old.hds"), image);
    expect(scratch.qemuImg("compare", "-f", "raw", "-F", "parallels", "disk.raw", "old.hds")).toContain("identical");
    expect((await open("old.hds")).fingerprint).toBe(expected);
  });

  it("a folder with one image, expanding or plain, and a path of another machine", async () => {
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", "one.hds");
    bundle("one.hdd", [{ start: 0, end: 8192, images: [[TOP, "Compressed", "/Users/me/one.hdd/one.hds"]] }]);
    renameSync(scratch.path("one.hds"), scratch.path("one.hdd/one.hds"));
    bundle("plain.hdd", [{ start: 0, end: 8192, images: [[TOP, "Plain", "plain.hds"]] }]);
    writeFileSync(scratch.path("plain.hdd/plain.hds"), readFileSync(scratch.path("disk.raw")));
    for (const name of ["one.hdd", "one.hdd/DiskDescriptor.xml", "one.hdd/one.hds", "plain.hdd"])
      expect((await open(name)).fingerprint, name).toBe(expected);
  });

  it("split storages, and a snapshot of each", async () => {
    const disk = readFileSync(scratch.path("disk.raw"));
    const base = Buffer.from(disk);
    base.fill(7, MIB, MIB + 65_536);
    writeFileSync(scratch.path("low.raw"), base.subarray(0, 2 * MIB));
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "low.raw", "low.hds");
    scratch.qemuImg("create", "-q", "-f", "parallels", "top.hds", "2M");
    writeFileSync(scratch.path("block.bin"), disk.subarray(MIB, 2 * MIB));
    scratch.qemuIo("-f", "parallels", "-c", "write -s block.bin 1M 1M", "top.hds");
    bundle(
      "snap.hdd",
      [
        {
          start: 0,
          end: 4096,
          images: [
            [ROOT, "Compressed", "low.hds"],
            [TOP, "Compressed", "top.hds"],
          ],
        },
        {
          start: 4096,
          end: 8192,
          images: [
            [ROOT, "Plain", "high.hds"],
            [TOP, "Compressed", "high-top.hds"],
          ],
        },
      ],
      [
        [ROOT, NONE],
        [TOP, ROOT],
      ],
    );
    scratch.qemuImg("create", "-q", "-f", "parallels", "high-top.hds", "2M");
    for (const name of ["low.hds", "top.hds", "high-top.hds"])
      renameSync(scratch.path(name), scratch.path(`snap.hdd/${name}`));
    writeFileSync(scratch.path("snap.hdd/high.hds"), disk.subarray(2 * MIB));
    const { facts, fingerprint } = await open("snap.hdd");
    expect(fingerprint).toBe(expected);
    expect(facts).toMatchObject({ variant: "differencing", details: { storages: 2, snapshots: 1 } });
    // One of them alone would be a disk that looks whole.
    await expect(open("snap.hdd/top.hds")).rejects.toMatchObject({ code: "image.part" });
    await expect(open("snap.hdd/high.hds")).rejects.toMatchObject({ code: "image.part" });
  });

  it("whose descriptor does not tell the whole chain is not read as if it did", async () => {
    scratch.qemuImg("create", "-q", "-f", "parallels", "delta.hds", "4M");
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", "base.hds");
    const both = [
      [ROOT, "Compressed", "base.hds"],
      [TOP, "Compressed", "delta.hds"],
    ] as const;
    const shots = [
      [ROOT, NONE],
      [TOP, ROOT],
    ] as const;
    const cases: readonly (readonly [Part["images"], readonly (readonly [string, string])[]])[] = [
      [both, []],
      [[[ROOT, "Compressed", "base.hds"]], shots],
      [[...both, [TOP, "Compressed", "base.hds"]], shots],
      [
        [
          [ROOT, "Compressed", "/a/delta.hds"],
          [TOP, "Compressed", "/b/delta.hds"],
        ],
        shots,
      ],
    ];
    for (const [i, [images, told]] of cases.entries()) {
      bundle(`bad-${i}.hdd`, [{ start: 0, end: 8192, images }], told);
      for (const name of ["base.hds", "delta.hds"])
        writeFileSync(scratch.path(`bad-${i}.hdd/${name}`), readFileSync(scratch.path(name)));
      await expect(open(`bad-${i}.hdd`), String(i)).rejects.toMatchObject({ code: "image.header-insane" });
    }
  });

  it("an image under Parallels' own name without its descriptor: not read unless somebody says that it is whole", async () => {
    const name = `disk.hdd.0.${TOP}.hds`;
    scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", name);
    await expect(open(name)).rejects.toMatchObject({ code: "image.part" });
    await using opened = await openInspection(scratch.path(name), { from: "parallels" });
    expect(await fingerprintDisk(opened.disk)).toBe(expected);
  });

  it.each([
    [
      "a gap between storages",
      [
        { start: 0, end: 8, images: [] },
        { start: 16, end: 24, images: [] },
      ],
      "image.header-insane",
    ],
    ["a file that is not there", [{ start: 0, end: 8, images: [[TOP, "Plain", "gone.hds"]] }], "image.sibling-missing"],
    [
      "the descriptor as its own image",
      [{ start: 0, end: 8, images: [[TOP, "Plain", "DiskDescriptor.xml"]] }],
      "image.header-insane",
    ],
  ] as const)("%s", async (_name, parts, code) => {
    bundle("bad.hdd", parts as unknown as readonly Part[]);
    await expect(open("bad.hdd")).rejects.toMatchObject({ code });
  });
});
