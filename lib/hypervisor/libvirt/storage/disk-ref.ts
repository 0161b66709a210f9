/** How a disk that was made here is named in the ledger: `pool/volume`, on block devices with its length: `pool/volume:length`. */

export interface DiskRefParts {
  readonly pool: string;
  readonly name: string;
  /** Bytes of the disk, where its device may be longer; null: the volume is as long as what it holds. */
  readonly length: number | null;
}

export const diskRef = ({ pool, name, length }: DiskRefParts): string =>
  `${pool}/${name}${length === null ? "" : `:${length}`}`;

/** Names of new disks have no colon. */
export function parseRef(ref: string): DiskRefParts {
  const slash = ref.lastIndexOf("/");
  const [name = "", length] = ref.slice(slash + 1).split(":");
  return { pool: ref.slice(0, slash), name, length: length === undefined ? null : Number(length) };
}
