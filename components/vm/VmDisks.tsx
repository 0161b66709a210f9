import type { ReactNode } from "react";
import { Bytes } from "#components/ui/Bytes.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import { DISK_BUS_LABEL } from "#lib/domain/hardware.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { CaptureButton } from "./actions/CaptureButton.tsx";

export function VmDisks({ vm }: { vm: VmRow }): ReactNode {
  if (vm.disks.length === 0) return <EmptyState title="This virtual machine has no disks" />;
  return (
    <Table label={`Disks of ${vm.name}`} className="rounded-lg border bg-surface">
      <thead>
        <tr>
          <Th>Disk</Th>
          <Th>Bus</Th>
          <Th>Format</Th>
          <Th className="text-right">Size</Th>
          <Th className="text-right">Stored</Th>
          <Th>Lies at</Th>
          <Th>
            <span className="sr-only">Actions</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {vm.disks.map((disk) => (
          <Tr key={disk.id}>
            <Td className="whitespace-nowrap">
              {disk.label}
              {disk.readOnly ? <span className="text-ink-3"> (read-only)</span> : null}
              {disk.details ? <span className="block text-xs text-ink-3">{disk.details}</span> : null}
            </Td>
            <Td>{disk.bus ? DISK_BUS_LABEL[disk.bus] : "–"}</Td>
            <Td>{disk.format ? DISK_FORMAT_LABEL[disk.format] : "–"}</Td>
            <Td className="text-right whitespace-nowrap">
              <Bytes value={disk.capacity} />
            </Td>
            <Td className="text-right whitespace-nowrap">
              <Bytes value={disk.allocated} />
            </Td>
            <Td>
              <code className="text-xs break-all">{disk.source ?? "–"}</code>
            </Td>
            <Td className="text-right">
              <CaptureButton vm={vm} disk={disk} />
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
