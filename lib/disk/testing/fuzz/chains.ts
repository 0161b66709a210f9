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
    parallelsBundle(scratch),
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

/** The descriptor is damaged; its two images lie beside it. */
function parallelsBundle(scratch: Scratch): ChainSpecimen {
  const [root, top] = ["{11111111-2222-3333-4444-555555555555}", "{5fbaabe3-6958-40ff-92a7-860e329aab41}"];
  const none = "{00000000-0000-0000-0000-000000000000}";
  scratch.qemuImg("convert", "-f", "raw", "-O", "parallels", "disk.raw", "root.hds");
  const sectors = readFileSync(scratch.path("disk.raw")).length / 512;
  scratch.qemuImg("create", "-q", "-f", "parallels", "top.hds", String(sectors * 512));
  const image = (guid: string, file: string) =>
    `<Image><GUID>${guid}</GUID><Type>Compressed</Type><File>${file}</File></Image>`;
  const shot = (guid: string, parent: string) => `<Shot><GUID>${guid}</GUID><ParentGUID>${parent}</ParentGUID></Shot>`;
  const text =
    `<Parallels_disk_image Version="1.0"><Disk_Parameters><Disk_size>${sectors}</Disk_size><Padding>0</Padding></Disk_Parameters>` +
    `<StorageData><Storage><Start>0</Start><End>${sectors}</End>${image(root, "root.hds")}${image(top, "top.hds")}</Storage></StorageData>` +
    `<Snapshots>${shot(root, none)}${shot(top, root)}</Snapshots></Parallels_disk_image>`;
  return {
    name: "DiskDescriptor.xml",
    bytes: Buffer.from(text),
    beside: new Map(["root.hds", "top.hds"].map((name) => [name, readFileSync(scratch.path(name))])),
  };
}
