/** Images of several files: differences with their parents, descriptors with their extents. One file of each is damaged. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { convertFile } from "../../file-conversion.ts";
import { esxDescriptor, type Grain, makeCowd, makeSeSparse } from "../esx-extents.ts";
import type { Scratch } from "../scratch.ts";
import { makeVdiDifference } from "../vdi-difference.ts";
import { makeVhdDifference, vhdUniqueId } from "../vhd-difference.ts";
import { makeVhdxDifference, vhdxLinkage } from "../vhdx-difference.ts";

export interface ChainSpecimen {
  /** Of the file that is damaged. */
  readonly name: string;
  readonly bytes: Buffer;
  readonly beside: ReadonlyMap<string, Uint8Array>;
  /** The file that is opened, where that is another one. */
  readonly opens?: string;
}

const MIB = 1_048_576;

/** From `disk.raw` of `size` bytes in the scratch folder. */
export async function makeChains(scratch: Scratch, size: number): Promise<ChainSpecimen[]> {
  const source = scratch.path("disk.raw");
  const empty = scratch.raw("empty.raw", size, []);
  const make = async (from: string, name: string, options: Record<string, unknown> = {}) => {
    const to = name.endsWith(".vhdx") ? "vhdx" : name.endsWith(".vhd") ? "vhd" : name.endsWith(".vdi") ? "vdi" : "vmdk";
    await convertFile({ source: from, target: scratch.path(name), to, options });
    return readFileSync(scratch.path(name));
  };
  const sector = () => randomBytes(512);
  const vhd = await make(source, "base.vhd");
  const vhdx = await make(source, "base.vhdx", { block_size: MIB });
  const none = await make(empty, "none.vhdx", { block_size: MIB });
  const vdi = await make(source, "base.vdi");
  const flat = await make(source, "base.vmdk", { subformat: "vmfs", cid: "0000beef" });
  const data = readFileSync(scratch.path("base-flat.vmdk"));
  scratch.qemuImg("create", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", "snap.vmdk");
  scratch.qemuIo("-f", "vmdk", "-c", "write -P 7 1M 64k", "snap.vmdk");

  const disk = new Map([
    ["base.vmdk", flat],
    ["base-flat.vmdk", data],
  ]);
  const parent = { cid: "beef", hint: "base.vmdk" };
  const delta = (name: string, createType: string, type: string, bytes: Buffer): ChainSpecimen => ({
    name,
    bytes,
    opens: "delta.vmdk",
    beside: new Map<string, Uint8Array>([
      ...disk,
      [
        "delta.vmdk",
        Buffer.from(esxDescriptor({ createType, cid: "5", parent, extent: `RW ${size / 512} ${type} "${name}"` })),
      ],
    ]),
  });
  return [
    { name: "snap.vmdk", bytes: readFileSync(scratch.path("snap.vmdk")), beside: disk },
    { name: "descriptor.vmdk", bytes: Buffer.concat([flat, Buffer.alloc(512)]), beside: disk },
    delta(
      "cowd-delta.vmdk",
      "vmfsSparse",
      "VMFSSPARSE",
      makeCowd(
        size / 512,
        new Map([
          [0, sector()],
          [4097, sector()],
        ]),
      ),
    ),
    delta(
      "sesparse-delta.vmdk",
      "seSparse",
      "SESPARSE",
      makeSeSparse(
        size / 512,
        new Map<number, Grain>([
          [0, randomBytes(4096)],
          [300, "zero"],
        ]),
      ),
    ),
    {
      name: "difference.vhd",
      beside: new Map([["base.vhd", vhd]]),
      bytes: makeVhdDifference({
        size,
        parentId: vhdUniqueId(vhd),
        locators: { W2ru: ".\\base.vhd", MacX: "file://./base.vhd" },
        sectors: new Map([
          [3, sector()],
          [4100, sector()],
        ]),
      }),
    },
    {
      name: "difference.vhdx",
      beside: new Map([["base.vhdx", vhdx]]),
      bytes: makeVhdxDifference(none, {
        locator: { parent_linkage: vhdxLinkage(vhdx), relative_path: ".\\base.vhdx" },
        sectors: new Map([
          [3, sector()],
          [4100, sector()],
        ]),
        states: new Map([[1, 2]]),
      }),
    },
    {
      name: "difference.vdi",
      beside: new Map([["base.vdi", vdi]]),
      bytes: makeVdiDifference(
        vdi,
        new Map<number, Uint8Array | "zero">([
          [1, randomBytes(MIB)],
          [2, "zero"],
        ]),
        randomBytes(16),
        randomBytes(16),
      ),
    },
  ];
}
