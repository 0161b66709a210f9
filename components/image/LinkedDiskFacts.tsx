import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import type { LinkedDisk, LinkedSource } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { VmOfLink } from "./VmOfLink.tsx";

/** A disk that stays on its host: there is no file to give out, and nobody has read what is in it. */
export function LinkedDiskFacts({ disk, source }: { readonly disk: LinkedDisk; readonly source: LinkedSource }) {
  return (
    <KeyValue
      facts={[
        { key: "Lies", value: <VmOfLink source={source} /> },
        { key: "Disk of the VM", value: source.disks[disk.position]?.label ?? "–" },
        { key: "Virtual size", value: formatBytes(disk.virtualSize) },
        {
          key: "Takes there",
          value: disk.storedSize === null ? "not told by its host" : formatBytes(disk.storedSize),
        },
        { key: "Format there", value: disk.format === null ? "not told by its host" : DISK_FORMAT_LABEL[disk.format] },
        { key: "Guest", value: source.guestOs ?? "not told by its host" },
        { key: "Fingerprint of the disk", value: "taken when it is deployed, of the disk as it is then" },
      ]}
    />
  );
}
