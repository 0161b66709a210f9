/** The real VirtualBox as the second opinion on the formats that are its own or that it takes. */
import { afterAll, describe, expect, it } from "vitest";
import { whyNoVirtualBox } from "#e2e/lab/virtualbox/built.ts";
import { virtualBoxLab, type VirtualBoxLab } from "#e2e/lab/virtualbox/virtualbox.ts";
import { DiskFormatId } from "#lib/domain/disk-format.ts";
import { convertFile } from "../file-conversion.ts";
import { WRITABLE } from "../testing/matrix/writable.ts";
import { expectSameDisk } from "../testing/same-disk.ts";
import { Scratch } from "../testing/scratch.ts";

const MIB = 1_048_576;
const reason = whyNoVirtualBox();

describe.skipIf(reason !== null)(`VirtualBox${reason === null ? "" : ` (skipped: ${reason})`}`, () => {
  const scratch = new Scratch();
  let lab: VirtualBoxLab | null = null;
  const vboxManage = (...args: string[]): string => (lab ??= virtualBoxLab()).vboxManage(...args);
  afterAll(() => {
    lab?.stop();
    scratch[Symbol.dispose]();
  });
  const raw = () =>
    scratch.raw("in.raw", 131 * MIB + 5 * 512, [
      [0, 100],
      [3 * MIB - 3, 7],
      [31 * MIB + 65_000, 3 * MIB],
      [131 * MIB + 2500, 60],
    ]);

  const taken = WRITABLE.filter(({ to, compress }) => /^v/.test(to) && compress === undefined);
  it.each(taken)("reads the $name that we write", async ({ to, options }) => {
    const source = raw();
    const target = scratch.path(`ours.${to}`);
    await convertFile({ source, target, to: DiskFormatId.parse(to), options, overwrite: true });
    const back = scratch.path(`back-${to}.raw`);
    vboxManage("clonemedium", "disk", target, back, "--format", "RAW");
    scratch.qemuImg("compare", "-f", "raw", "-F", "raw", source, back);
    vboxManage("closemedium", "disk", back, "--delete");
    vboxManage("closemedium", "disk", target, "--delete");
  });

  it.each([
    ["VDI", "vdi"],
    ["VMDK", "vmdk"],
    ["VHD", "vhd"],
  ] as const)("writes a %s that we read", async (format, extension) => {
    const source = raw();
    const target = scratch.path(`theirs.${extension}`);
    vboxManage("convertfromraw", source, target, "--format", format);
    const facts = await expectSameDisk(target, source);
    expect(facts.format).toBe(extension);
    // VirtualBox's VMDK ends with a whole grain.
    expect(facts.virtualSize - (131 * MIB + 5 * 512)).toBeLessThan(format === "VMDK" ? 65_536 : 1);
  });
});
