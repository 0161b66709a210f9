/** Differencing VDIs as VirtualBox lays them out. */
import { AT } from "../formats/vdi/layout.ts";

const MIB = 1_048_576;

/**
 * The child of `parent`, an image's first sector: blocks of 1 MiB by number, `zero` for one that was discarded.
 * `uuid` and `state` are its own, 16 bytes.
 */
export function makeVdiDifference(
  parent: Buffer,
  blocks: ReadonlyMap<number, Uint8Array | "zero">,
  uuid: Uint8Array,
  state: Uint8Array,
): Buffer {
  const head = Buffer.alloc(2 * MIB);
  parent.copy(head, 0, 0, 512);
  const count = Math.ceil(Number(head.readBigUInt64LE(AT.diskSize)) / MIB);
  const stored = [...blocks].filter(([, bytes]) => bytes !== "zero");
  head.writeUInt32LE(4, AT.type);
  head.writeUInt32LE(512, AT.mapOffset);
  head.writeUInt32LE(2 * MIB, AT.dataOffset);
  head.writeUInt32LE(MIB, AT.blockSize);
  head.writeUInt32LE(0, AT.blockExtra);
  head.writeUInt32LE(count, AT.blocks);
  head.writeUInt32LE(stored.length, AT.blocksAllocated);
  parent.copy(head, AT.uuidLinkage, AT.uuid, AT.uuid + 16);
  parent.copy(head, AT.uuidParentModified, AT.uuidModified, AT.uuidModified + 16);
  head.set(uuid, AT.uuid);
  head.set(state, AT.uuidModified);
  head.fill(0xff, 512, 512 + count * 4);
  const parts: Uint8Array[] = [head];
  for (const [block, bytes] of blocks) {
    if (bytes === "zero") head.writeUInt32LE(0xffff_fffe, 512 + block * 4);
    else {
      head.writeUInt32LE(parts.length - 1, 512 + block * 4);
      parts.push(bytes);
    }
  }
  return Buffer.concat(parts);
}
