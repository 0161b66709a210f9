import { Download } from "lucide-react";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { diskNotes } from "#lib/domain/disk-notes.ts";
import type { StoredDisk } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { diskFileUrl } from "#lib/http/queries/image.ts";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { CopyButton } from "#components/ui/CopyButton.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { AllocationStrip } from "./AllocationStrip.tsx";
import { DownloadAs } from "./DownloadAs.tsx";
import { PartitionBar } from "./PartitionBar.tsx";
import { bootsWith } from "./boots-with.ts";

/** "3.5 GiB (3758096384 bytes)" */
const exact = (bytes: number): string => `${formatBytes(bytes)} (${bytes.toLocaleString("en")} bytes)`;

/** `clusterSize` → "Cluster size": names of format details as people say them. */
function inWords(name: string): string {
  const words = name.replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** All that is known of one disk. */
export function DiskFacts({
  imageId,
  versionId,
  disk,
}: {
  readonly imageId: string;
  readonly versionId: string;
  readonly disk: StoredDisk;
}) {
  const { guest } = disk;
  const notes = diskNotes(disk.notes, guest);
  const reason = useMayReason("image.download");
  return (
    <div className="space-y-4">
      <div className="grid gap-x-8 gap-y-4 lg:grid-cols-2">
        <KeyValue
          facts={[
            { key: "Format", value: `${DISK_FORMAT_LABEL[disk.format]} (${disk.variant})` },
            { key: "Virtual size", value: exact(disk.virtualSize) },
            { key: "Stored size", value: exact(disk.storedSize) },
            { key: "Boots with", value: <span title={guest.bootEvidence.join("; ")}>{bootsWith(guest)}</span> },
            { key: "Guest", value: guest.os?.name ?? "not recognised" },
            ...Object.entries(disk.details).map(([key, value]) => ({ key: inWords(key), value: String(value) })),
          ]}
        />
        <KeyValue
          className="content-start"
          facts={[
            ...disk.files.map((file, index) => ({
              key: index === 0 ? "SHA-256 of the file" : `SHA-256 of ${file}`,
              value: <Digest text={disk.sha256[index] ?? ""} label={`Copy the SHA-256 of ${file}`} />,
            })),
            { key: "Fingerprint of the disk", value: <Digest text={disk.fingerprint} label="Copy the fingerprint" /> },
            {
              key: "File",
              value: (
                <span className="flex flex-wrap items-center gap-2">
                  {disk.entry === null ? disk.fileName : `${disk.entry} in ${disk.fileName}`}
                  {reason === null ? (
                    <Button asChild size="sm">
                      <a href={diskFileUrl(imageId, versionId, disk.id)} download={disk.fileName}>
                        <Download aria-hidden /> Download
                      </a>
                    </Button>
                  ) : (
                    <Button size="sm" reason={reason}>
                      <Download aria-hidden /> Download
                    </Button>
                  )}
                  <DownloadAs imageId={imageId} versionId={versionId} diskId={disk.id} />
                </span>
              ),
            },
          ]}
        />
      </div>
      <div>
        <h3 className="mb-1 font-medium">Partitions</h3>
        <PartitionBar guest={guest} size={disk.virtualSize} />
        {guest.partitions.length === 0 ? null : (
          <Table label="Partitions" className="mt-2">
            <thead>
              <tr>
                <Th>#</Th>
                <Th>Type</Th>
                <Th>Name</Th>
                <Th>File system</Th>
                <Th className="text-right">Start</Th>
                <Th className="text-right">Length</Th>
              </tr>
            </thead>
            <tbody>
              {guest.partitions.map((partition) => (
                <Tr key={partition.index}>
                  <Td>{partition.index}</Td>
                  <Td title={partition.typeCode}>{partition.type}</Td>
                  <Td>{partition.name ?? partition.label ?? "–"}</Td>
                  <Td>{partition.fileSystem ?? "not recognised"}</Td>
                  <Td className="text-right">{formatBytes(partition.start)}</Td>
                  <Td className="text-right">{formatBytes(partition.length)}</Td>
                </Tr>
              ))}
            </tbody>
          </Table>
        )}
      </div>
      <div>
        <h3 className="mb-1 font-medium">Allocation</h3>
        <AllocationStrip map={disk.allocation} size={disk.virtualSize} />
      </div>
      {notes.length === 0 ? null : (
        <div>
          <h3 className="mb-1 font-medium">Notes</h3>
          <ul className="list-disc space-y-0.5 pl-5 text-ink-2">
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}

function Digest({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <span className="flex min-w-0 items-center gap-1">
      <code className="min-w-0 truncate font-mono text-xs" title={text}>
        {text}
      </code>
      <CopyButton text={text} label={label} />
    </span>
  );
}
