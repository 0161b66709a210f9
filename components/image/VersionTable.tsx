"use client";

import { useQueryClient } from "@tanstack/react-query";
import { CONTAINER_LABEL } from "#lib/domain/container.ts";
import type { ImageDetail, ImageSource } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { api } from "#lib/http/client.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time } from "#components/ui/Time.tsx";
import { ImageStateMark } from "./ImageStateMark.tsx";

/** Where a version came from, in words. */
function sourceText(source: ImageSource): string {
  switch (source.kind) {
    case "upload":
      return `uploaded ${source.fileName}`;
    case "folder":
      return `imported ${source.path}`;
    case "url":
      return `fetched ${source.url}`;
    case "capture":
      return source.package === undefined
        ? `captured ${source.disk} of ${source.vmName} on ${source.hostName}`
        : `captured ${source.vmName} on ${source.hostName} as ${CONTAINER_LABEL[source.package]}`;
    case "linked":
      return `${source.disks.map((disk) => disk.label).join(", ")} of ${source.vmName} on ${source.hostName}, not copied`;
  }
}

export function VersionTable({ image, mayRemove }: { readonly image: ImageDetail; readonly mayRemove: boolean }) {
  const client = useQueryClient();
  const newestFirst = [...image.versions].sort((a, b) => b.number - a.number);
  return (
    <Table label="Versions">
      <thead>
        <tr>
          <Th>Version</Th>
          <Th>State</Th>
          <Th>From</Th>
          <Th className="text-right">Stored</Th>
          <Th>By</Th>
          <Th>Added</Th>
          <Th>
            <span className="sr-only">Actions</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {newestFirst.map((version) => (
          <Tr key={version.id}>
            <Td>{version.number}</Td>
            <Td>
              <ImageStateMark version={version} />
            </Td>
            <Td className="max-w-80 truncate" title={sourceText(version.source)}>
              {sourceText(version.source)}
            </Td>
            <Td className="text-right">
              {version.disks.length === 0 || version.source.kind === "linked"
                ? "–"
                : formatBytes(version.disks.reduce((sum, disk) => sum + (disk.storedSize ?? 0), 0))}
            </Td>
            <Td>{version.createdBy}</Td>
            <Td>
              <Time value={version.createdAt} />
            </Td>
            <Td className="text-right">
              {image.versions.length > 1 ? (
                <ConfirmButton
                  size="sm"
                  variant="ghost"
                  label="Delete"
                  title={`Delete version ${version.number} of ${image.name}?`}
                  confirm={`Delete version ${version.number}`}
                  danger
                  reason={mayRemove ? null : "Only administrators may delete images."}
                  onConfirm={async () => {
                    await api.delete(`/images/${image.id}/versions/${version.id}`);
                    await client.invalidateQueries({ queryKey: imageQueries.all });
                  }}
                >
                  {version.source.kind === "linked"
                    ? `Only this entry is removed: nothing changes on ${version.source.hostName}.`
                    : "Its files are removed from the library."}{" "}
                  VMs made from it stay as they are.
                </ConfirmButton>
              ) : null}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
