/** What the names of files in an archive tell: which of them describes a machine, which may be disks. */

const lastPart = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

export type DescriptionKind = "ovf" | "vmx" | "vbox" | "hyperv" | "vagrant";

const DISK = /\.(?:raw|img|dd|qcow2?|vmdk|vhd|vhdx|avhd|avhdx|vdi|hdd|qed|vhdset)$/i;
const PACKED_DISK = /\.(?:gz|xz|zstd?|bz2|lz4|lzma)$/i;

export const mayBeDisk = (name: string): boolean =>
  DISK.test(name) || PACKED_DISK.test(name) || /^box(?:_\d+)?\.img$/i.test(lastPart(name));

/** A disk of Parallels is a folder with this file, beside which its images lie. */
export const isBundle = (name: string): boolean => lastPart(name) === "DiskDescriptor.xml";

/** What a machine is read from, and what is verified by it. */
export const isDescription = (name: string): boolean =>
  /\.(?:ovf|mf|cert|vmx|vbox|vmcx|xml)$/i.test(name) && !/(?:^|\/)snapshots\/[^/]*\.(?:vmcx|xml)$/i.test(name);

/** Descriptions in the order in which they are preferred; of one kind, all of them. `wanted`: of the kind of that one. */
export function descriptionsIn(
  names: readonly string[],
  wanted: string | null = null,
): { kind: DescriptionKind; names: readonly string[] } | null {
  const rules: readonly (readonly [DescriptionKind, (name: string) => boolean])[] = [
    ["ovf", (name) => /\.ovf$/i.test(name)],
    ["vmx", (name) => /\.vmx$/i.test(name)],
    ["vbox", (name) => /\.vbox$/i.test(name)],
    // Those of checkpoints lie in a folder of their own.
    ["hyperv", (name) => /\.vmcx$/i.test(name) && !/(?:^|\/)snapshots\//i.test(name)],
    ["hyperv", (name) => /(?:^|\/)virtual machines\/[^/]*\.xml$/i.test(name)],
    ["vagrant", (name) => lastPart(name) === "metadata.json"],
  ];
  for (const [kind, is] of rules) {
    const found = names.filter(is).sort();
    if (found.length > 0 && (wanted === null || found.includes(wanted))) return { kind, names: found };
  }
  return null;
}
