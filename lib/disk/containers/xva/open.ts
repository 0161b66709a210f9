/** Opens XVA packages of XenServer and XCP-ng: `ova.xml`, then each disk in blocks. Source: xapi, `stream_vdi.ml`. */
import { readStruct } from "../../fields.ts";
import type { OpenedImage } from "../../format.ts";
import { corrupt, insane, truncated } from "../../image-error.ts";
import type { ImageFile } from "../../io.ts";
import type { ContainedDisk, OpenedContainer } from "../container.ts";
import { tarEntries } from "../tar/entries.ts";
import { MOST_XML_BYTES, parseXml } from "../xml.ts";
import { BlockList } from "./block-list.ts";
import { CHECKSUM_FILE, type BlockChecksum } from "./checksum.ts";
import { XvaBlocks } from "./disk.ts";
import { readMachine, type XvaDisk, type XvaMachine } from "./metadata.ts";

/** Two a block: 4 TiB of data. */
const MOST_ENTRIES = 8_400_000;
const MOST_FOLDERS = 1024;
const BLOCK_NAME = /^([^/]{1,100})\/(\d{8,12})(\.checksum|\.xxhash)?$/;

/** The result owns `image.bytes`. Reads all headers of the archive. Throws `image.*`. */
export async function openXva(image: ImageFile, signal?: AbortSignal): Promise<OpenedContainer> {
  let machine: XvaMachine | null = null;
  const folders = new Map<string, BlockList>();
  let strange = 0;
  for await (const entry of tarEntries(image, MOST_ENTRIES, signal)) {
    if (machine === null) {
      if (entry.name !== "ova.xml") throw corrupt(image.name, entry.headerAt, "it does not begin with ova.xml");
      if (entry.size > MOST_XML_BYTES) throw insane(image.name, entry.at, `its ova.xml has ${entry.size} bytes`);
      const { raw } = await readStruct(image, entry.at, entry.size, "be", "ova.xml", signal);
      machine = readMachine(image.name, entry.at, parseXml(image.name, entry.at, raw));
      continue;
    }
    if (entry.sparse !== undefined) throw corrupt(image.name, entry.headerAt, "a block is stored as a sparse file");
    const parts = BLOCK_NAME.exec(entry.name);
    const [, folder, digits, ending] = parts ?? [];
    if (folder === undefined || digits === undefined) {
      strange++;
      continue;
    }
    const blocks = folders.get(folder) ?? new BlockList();
    if (folders.size >= MOST_FOLDERS) throw insane(image.name, entry.headerAt, "the archive has too many disks");
    folders.set(folder, blocks);
    if (ending === undefined) blocks.add(image.name, Number(digits), entry.at, entry.size);
    else blocks.addChecksum(image.name, Number(digits), kindOf(ending), entry.at, entry.size);
  }
  if (machine === null) throw truncated(image.name, 0, "its ova.xml is missing");
  const checksums = new Set<string>();
  const disks = machine.disks.map((disk) => containedDisk(image, disk, folders, checksums));
  return {
    kind: "xva",
    machine: machine.name,
    undecided: [],
    inFolder: false,
    hints: machine.hints,
    disks,
    promised: [],
    files: [image.name],
    details: {
      ...(machine.product === "" ? {} : { product: machine.product }),
      nics: machine.nics,
      checksums: checksums.size === 0 ? "none" : [...checksums].sort().join(", "),
    },
    notes: [
      ...(machine.snapshots > 0 ? [`Snapshots in the package were left out: ${machine.snapshots}.`] : []),
      ...(strange > 0 ? [`Files in the package that belong to no disk: ${strange}.`] : []),
    ],
    [Symbol.asyncDispose]: () => image.bytes[Symbol.asyncDispose](),
  };
}

const kindOf = (ending: string): BlockChecksum => (ending === CHECKSUM_FILE.sha1.ending ? "sha1" : "xxh64");

/** The first and the last block are always there, so an archive that was cut shows. */
function containedDisk(
  image: ImageFile,
  disk: XvaDisk,
  folders: ReadonlyMap<string, BlockList>,
  checksums: Set<string>,
): ContainedDisk {
  const blocks = folders.get(disk.ref);
  const { virtualSize, label } = disk;
  if (blocks === undefined || blocks.end < virtualSize) {
    throw truncated(
      image.name,
      image.bytes.size,
      `disk ${label} has ${virtualSize} bytes, its blocks end at ${blocks?.end ?? 0}`,
    );
  }
  if (blocks.end > virtualSize) {
    const last = blocks.block(blocks.count - 1);
    throw insane(image.name, last.at, `the blocks of disk ${label} end at ${blocks.end}, the disk at ${virtualSize}`);
  }
  let storedSize = 0;
  for (let i = 0; i < blocks.count; i++) storedSize += blocks.block(i).length;
  const kind = blocks.count === 0 ? undefined : blocks.block(0).checksum?.kind;
  if (kind !== undefined) checksums.add(kind);
  const open = async (): Promise<OpenedImage> => {
    const opened = new XvaBlocks(image, label, virtualSize, blocks);
    return {
      facts: {
        format: "raw",
        variant: "XVA blocks",
        virtualSize,
        files: [image.name],
        details: { checksums: kind ?? "none" },
        notes: kind === undefined ? ["Its blocks have no checksums: damage would not be seen."] : [],
      },
      disk: opened,
      [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
    };
  };
  return { entry: disk.ref, label, capacity: virtualSize, storedSize, open };
}
