/** Chains that VirtualBox makes and writes to, and chains of ours that it reads. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { expectSameDisk } from "../testing/same-disk.ts";
import { Scratch } from "../testing/scratch.ts";
import { makeVdiDifference } from "../testing/vdi-difference.ts";
import { makeVhdDifference, vhdUniqueId } from "../testing/vhd-difference.ts";

const MIB = 1_048_576;
const SIZE = 40 * MIB;
const reason = whyNoVirtualBox();

describe.skipIf(reason !== null)(`VirtualBox's chains${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const scratch = new Scratch();
  let lab: VirtualBoxLab | null = null;
  const vboxManage = (...args: string[]): string => (lab ??= virtualBoxLab()).vboxManage(...args);
  afterAll(() => {
    lab?.stop();
    scratch[Symbol.dispose]();
  });
  /** What VirtualBox reads through the chain. */
  const theirs = (disk: string, name: string) => {
    const path = scratch.path(name);
    vboxManage("clonemedium", "disk", disk, path, "--format", "RAW");
    return path;
  };
  const baseOf = (folder: string, format: string) => {
    mkdirSync(scratch.path(folder));
    const raw = scratch.raw("in.raw", SIZE, [
      [0, 3 * MIB],
      [33 * MIB, 65_536],
    ]);
    const base = scratch.path(`${folder}/base.${format.toLowerCase()}`);
    vboxManage("convertfromraw", raw, base, "--format", format);
    return base;
  };

  it.each(["VDI", "VMDK", "VHD"] as const)("two %s snapshots with a file system written into them", async (format) => {
    const extension = format.toLowerCase();
    const base = baseOf(extension, format);
    const chain = [base];
    for (const name of ["one", "two"]) {
      const parent = chain.at(-1) ?? base;
      const child = scratch.path(`${extension}/{${name}}.${extension}`);
      vboxManage("createmedium", "disk", "--diffparent", parent, "--filename", child, "--format", format);
      vboxManage("mediumio", "disk", child, "formatfat", "--quick");
      chain.push(child);
    }
    const top = chain.at(-1) ?? base;
    const truth = theirs(top, `${extension}.raw`);
    const facts = await expectSameDisk(top, truth);
    expect(facts.parents).toEqual([`{one}.${extension}`, `base.${extension}`]);
    // It is VirtualBox's file system that was read, not the base alone.
    expect(readFileSync(truth).subarray(510, 512).toString("hex")).toBe("55aa");
    expect(
      readFileSync(truth)
        .subarray(0, SIZE)
        .equals(readFileSync(scratch.path("in.raw"))),
    ).toBe(false);
  });

  it("a VHD of ours, written sector by sector", async () => {
    const base = baseOf("our-vhd", "VHD");
    const sectors = new Map([0, 1, 7, 8, 9, 4095, 4096, 60_001, SIZE / 512 - 1].map((at) => [at, randomBytes(512)]));
    const image = makeVhdDifference({
      size: SIZE,
      parentId: vhdUniqueId(readFileSync(base)),
      parentName: "base.vhd",
      locators: { W2ru: "base.vhd", W2ku: "C:\\VMs\\base.vhd" },
      sectors,
    });
    const child = scratch.path("our-vhd/child.vhd");
    writeFileSync(child, image);
    vboxManage("showmediuminfo", "disk", base);
    await expectSameDisk(child, theirs(child, "our-vhd.raw"));
  });

  it("a VDI of ours", async () => {
    const base = baseOf("our-vdi", "VDI");
    const blocks = new Map<number, Buffer | "zero">([
      [0, "zero"],
      [1, randomBytes(MIB)],
      [39, randomBytes(MIB)],
    ]);
    const child = scratch.path("our-vdi/child.vdi");
    writeFileSync(child, makeVdiDifference(readFileSync(base), blocks, randomBytes(16), randomBytes(16)));
    vboxManage("showmediuminfo", "disk", base);
    await expectSameDisk(child, theirs(child, "our-vdi.raw"));
  });
});
