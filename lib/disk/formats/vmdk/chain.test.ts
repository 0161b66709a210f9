/** Snapshots of Workstation and ESX, read through their chain of parents to the bytes that qemu-img finds. */
import { randomBytes } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fingerprintFile, openInspection } from "../../file-conversion.ts";
import { esxDescriptor, type Grain, makeCowd, makeSeSparse } from "../../testing/esx-extents.ts";
import { expectSameDisk } from "../../testing/same-disk.ts";
import { Scratch } from "../../testing/scratch.ts";

const MIB = 1_048_576;
const scratch = new Scratch();
afterAll(() => scratch[Symbol.dispose]());

/** The disk as qemu-img reads it. */
function truth(name: string): string {
  scratch.qemuImg("convert", "-f", "vmdk", "-O", "raw", name, "truth.raw");
  return scratch.path("truth.raw");
}
const cidOf = (name: string) => /CID=([0-9a-f]+)/.exec(readFileSync(scratch.path(name)).toString("latin1"))?.[1] ?? "";
const text = (name: string, content: string) => writeFileSync(scratch.path(name), content);

describe("snapshots as Workstation keeps them", () => {
  it.each(["monolithicSparse", "twoGbMaxExtentSparse"])("three deep, %s", async (subformat) => {
    const split = subformat !== "monolithicSparse";
    const size = (split ? 2 ** 31 : 0) + 70 * MIB;
    const names = [0, 1, 2, 3].map((i) => `${subformat}-${i}.vmdk`);
    for (const [i, name] of names.entries()) {
      const backing = i === 0 ? [] : ["-b", names[i - 1] ?? "", "-F", "vmdk"];
      scratch.qemuImg("create", "-f", "vmdk", "-o", `subformat=${subformat}`, ...backing, name, String(size));
      scratch.qemuIo(
        "-f",
        "vmdk",
        "-c",
        `write -P ${10 + i} ${i * 7}M 9M`,
        "-c",
        `write -P ${20 + i} ${size - (i + 1) * MIB} 64k`,
        name,
      );
      if (i > 0) scratch.qemuIo("-f", "vmdk", "-c", `write -P 0 ${i}M 128k`, name);
    }
    const top = scratch.path(names[3] ?? "");
    const raw = truth(names[3] ?? "");
    // Two GiB of zeros are read by nobody but the fingerprint, which skips them.
    expect(await fingerprintFile(top)).toBe(await fingerprintFile(raw));
    await using opened = await openInspection(top);
    const { facts } = opened;
    if (!split) await expectSameDisk(top, raw);
    expect(facts.parents).toEqual([names[2], names[1], names[0]]);
    expect(facts.files).toEqual(expect.arrayContaining(names));
    expect(facts).toMatchObject({
      variant: subformat,
      virtualSize: size,
      details: { parentCid: cidOf(names[2] ?? "") },
    });
  });

  it("above a flat disk, and grains of zeros hide what is below", async () => {
    scratch.raw("flat.raw", 40 * MIB, [[0, 20 * MIB]]);
    scratch.qemuImg("convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=monolithicFlat", "flat.raw", "base.vmdk");
    scratch.qemuImg("create", "-f", "vmdk", "-o", "zeroed_grain=on", "-b", "base.vmdk", "-F", "vmdk", "snap.vmdk");
    scratch.qemuIo("-f", "vmdk", "-c", "write -z 3M 1M", "-c", "write -P 7 30M 64k", "snap.vmdk");
    const facts = await expectSameDisk(scratch.path("snap.vmdk"), truth("snap.vmdk"));
    expect(facts.files).toEqual(["snap.vmdk", "base.vmdk", "base-flat.vmdk"]);
  });
});

describe("snapshots as ESX keeps them", () => {
  const size = 50 * MIB + 512;
  const random = (length: number) => randomBytes(length);
  beforeAll(() => {
    scratch.raw("esx-flat.vmdk", size, [
      [0, 5 * MIB],
      [45 * MIB, 5 * MIB + 512],
    ]);
    text(
      "esx.vmdk",
      esxDescriptor({ createType: "vmfs", cid: "0000beef", extent: `RW ${size / 512} VMFS "esx-flat.vmdk"` }),
    );
  });

  it.each([1, 8])("vmfsSparse with grains of %d sectors", async (grainSectors) => {
    const grains = new Map<number, Uint8Array>();
    for (const grain of [0, 1, 2, 9, 4095, 4096, 5000, Math.floor(size / 512 / grainSectors) - 1])
      grains.set(grain, random(grainSectors * 512));
    grains.set(3, Buffer.alloc(grainSectors * 512));
    writeFileSync(scratch.path("esx-000001-delta.vmdk"), makeCowd(size / 512, grains, grainSectors));
    text(
      "esx-000001.vmdk",
      esxDescriptor({
        createType: "vmfsSparse",
        cid: "1234abcd",
        parent: { cid: "beef", hint: "esx.vmdk" },
        extent: `RW ${size / 512} VMFSSPARSE "esx-000001-delta.vmdk"`,
      }),
    );
    const facts = await expectSameDisk(scratch.path("esx-000001.vmdk"), truth("esx-000001.vmdk"));
    expect(facts).toMatchObject({ variant: "vmfsSparse", parents: ["esx.vmdk"], virtualSize: size });
    expect(facts.files).toEqual(["esx-000001.vmdk", "esx-000001-delta.vmdk", "esx.vmdk", "esx-flat.vmdk"]);
  });

  it("seSparse above vmfsSparse above a flat disk", async () => {
    const grains = new Map<number, Grain>();
    for (const grain of [0, 1, 700, 701, 4095, 4096, 5000, Math.floor(size / 4096)]) grains.set(grain, random(4096));
    for (const grain of [5, 6, 12_600]) grains.set(grain, "zero");
    grains.set(7, "unmapped");
    // More grains than twelve bits can number.
    for (let grain = 8192; grain < 12_400; grain++) grains.set(grain, Buffer.alloc(4096, grain % 251));
    writeFileSync(scratch.path("esx-000002-sesparse.vmdk"), makeSeSparse(size / 512, grains));
    text(
      "esx-000002.vmdk",
      esxDescriptor({
        createType: "seSparse",
        cid: "2",
        parent: { cid: "1234abcd", hint: "/vmfs/volumes/5f-1a/esx/esx-000001.vmdk" },
        extent: `RW ${size / 512} SESPARSE "esx-000002-sesparse.vmdk"`,
      }),
    );
    const facts = await expectSameDisk(
      scratch.path("esx-000002.vmdk"),
      truth(qemuHint("esx-000002.vmdk", "/vmfs/volumes/5f-1a/esx/", "")),
    );
    expect(facts).toMatchObject({ variant: "seSparse", parents: ["esx-000001.vmdk", "esx.vmdk"] });
  });

  it("either alone, as a disk without a parent", async () => {
    for (const [type, bytes] of [
      ["VMFSSPARSE", makeCowd(4096, new Map([[17, random(512)]]))],
      ["SESPARSE", makeSeSparse(4096, new Map([[17, random(4096)]]))],
    ] as const) {
      writeFileSync(scratch.path("lone-x.vmdk"), bytes);
      text(
        "lone.vmdk",
        esxDescriptor({
          createType: type === "SESPARSE" ? "seSparse" : "vmfsSparse",
          cid: "5",
          extent: `RW 4096 ${type} "lone-x.vmdk"`,
        }),
      );
      await expectSameDisk(scratch.path("lone.vmdk"), truth("lone.vmdk"));
    }
  });

  it("a delta's data opened without its descriptor says what is missing", async () => {
    await expect(openInspection(scratch.path("esx-000001-delta.vmdk"))).rejects.toMatchObject({
      code: "image.vmdk-delta",
      message: expect.stringContaining("COWD") as string,
    });
  });
});

/** QEMU follows a path where we take the name alone. */
function qemuHint(name: string, from: string, to: string): string {
  const content = readFileSync(scratch.path(name), "latin1");
  text(`q-${name}`, content.replace(from, to));
  return `q-${name}`;
}

describe("a chain that cannot be", () => {
  const child = (parent: { cid: string; hint: string }, cid = "77") =>
    esxDescriptor({ createType: "custom", cid, parent, extent: "RW 8 ZERO" });
  const outcome = (name: string) =>
    openInspection(scratch.path(name)).then(
      async (opened) => opened[Symbol.asyncDispose]().then(() => "opened"),
      (error: unknown) => (error as { code?: string }).code,
    );

  it.each([
    ["a parent that was written to since", { cid: "dead", hint: "loop-base.vmdk" }, "image.parent-mismatch"],
    ["a parent that is not there", { cid: "77", hint: "nowhere.vmdk" }, "image.parent-missing"],
    ["itself", { cid: "77", hint: "child.vmdk" }, "image.chain-loop"],
    ["a path out of the folder", { cid: "77", hint: "../outside/secret.vmdk" }, "image.parent-missing"],
    ["a path with backslashes", { cid: "77", hint: "C:\\vm\\..\\outside\\secret.vmdk" }, "image.parent-missing"],
    ["an absolute path", { cid: "77", hint: "/etc/passwd" }, "image.parent-missing"],
    ["no name but dots", { cid: "77", hint: "a/.." }, "image.parent-missing"],
    ["a file that is no image", { cid: "77", hint: "noise.vmdk" }, "image.header-insane"],
  ])("%s", async (_name, parent, code) => {
    mkdirSync(scratch.path("outside"), { recursive: true });
    text("outside/secret.vmdk", esxDescriptor({ createType: "custom", cid: "77", extent: "RW 8 ZERO" }));
    text("loop-base.vmdk", esxDescriptor({ createType: "custom", cid: "1", extent: "RW 8 ZERO" }));
    writeFileSync(scratch.path("noise.vmdk"), Buffer.alloc(4096, 0x41));
    text("child.vmdk", child(parent));
    expect(await outcome("child.vmdk")).toBe(code);
  });

  it("two that are one another's parents", async () => {
    text("a.vmdk", child({ cid: "77", hint: "b.vmdk" }));
    text("b.vmdk", child({ cid: "77", hint: "a.vmdk" }));
    expect(await outcome("a.vmdk")).toBe("image.chain-loop");
  });

  it("200 deep", async () => {
    for (let i = 0; i < 200; i++) text(`deep-${i}.vmdk`, child({ cid: "77", hint: `deep-${i + 1}.vmdk` }));
    expect(await outcome("deep-0.vmdk")).toBe("image.chain-too-deep");
    expect(await outcome("deep-190.vmdk")).toBe("image.parent-missing");
    text("deep-200.vmdk", esxDescriptor({ createType: "custom", cid: "77", extent: "RW 8 ZERO" }));
    expect(await outcome("deep-190.vmdk")).toBe("opened");
  });

  it("a parent of another spelling is found where capitals do not count", async () => {
    text("Case.VMDK", esxDescriptor({ createType: "custom", cid: "77", extent: "RW 8 ZERO" }));
    text("child.vmdk", child({ cid: "77", hint: "case.vmdk" }));
    await using opened = await openInspection(scratch.path("child.vmdk"));
    expect(opened.facts.parents).toEqual(["Case.VMDK"]);
  });

  it("a smaller parent ends in zeros", async () => {
    scratch.raw("small-flat.vmdk", MIB, [[0, MIB]]);
    text("small.vmdk", esxDescriptor({ createType: "vmfs", cid: "9", extent: 'RW 2048 VMFS "small-flat.vmdk"' }));
    writeFileSync(scratch.path("grown-x.vmdk"), makeCowd(6144, new Map([[5000, randomBytes(512)]])));
    text(
      "grown.vmdk",
      esxDescriptor({
        createType: "vmfsSparse",
        cid: "a",
        parent: { cid: "9", hint: "small.vmdk" },
        extent: 'RW 6144 VMFSSPARSE "grown-x.vmdk"',
      }),
    );
    copyFileSync(scratch.path("small-flat.vmdk"), scratch.path("grown.raw"));
    const whole = Buffer.alloc(3 * MIB);
    readFileSync(scratch.path("small-flat.vmdk")).copy(whole);
    const delta = readFileSync(scratch.path("grown-x.vmdk"));
    delta.copy(whole, 5000 * 512, delta.length - 512);
    writeFileSync(scratch.path("grown.raw"), whole);
    await expectSameDisk(scratch.path("grown.vmdk"), scratch.path("grown.raw"));
  });

  it("a delta that was not closed is refused", async () => {
    const bytes = makeSeSparse(4096, new Map([[1, randomBytes(4096)]]));
    bytes.writeBigUInt64LE(1n, 512 + 24);
    writeFileSync(scratch.path("dirty-x.vmdk"), bytes);
    text("dirty.vmdk", esxDescriptor({ createType: "seSparse", cid: "5", extent: 'RW 4096 SESPARSE "dirty-x.vmdk"' }));
    expect(await outcome("dirty.vmdk")).toBe("image.vmdk-journal");
    renameSync(scratch.path("dirty-x.vmdk"), scratch.path("gone.vmdk"));
    expect(await outcome("dirty.vmdk")).toBe("image.sibling-missing");
  });
});
