import { HardDrive } from "lucide-react";
import type { ReactNode } from "react";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Meter } from "#components/ui/Meter.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import type { HostDetail } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";

export function HostStorage({ host }: { host: HostDetail }): ReactNode {
  if (host.pools.length === 0) {
    return (
      <EmptyState icon={<HardDrive />} title="No storage pools">
        Images can be deployed to this host once it has a pool. On libvirt:{" "}
        <code>virsh pool-define-as default dir --target /var/lib/libvirt/images</code>
      </EmptyState>
    );
  }
  return (
    <Table label={`Storage pools of ${host.name}`} className="rounded-lg border bg-surface">
      <thead>
        <tr>
          <Th>Pool</Th>
          <Th>Type</Th>
          <Th>State</Th>
          <Th className="w-80">Room</Th>
          <Th>Takes disks</Th>
          <Th>Path</Th>
        </tr>
      </thead>
      <tbody>
        {host.pools.map((pool) => (
          <Tr key={pool.ref}>
            <Td className="font-medium whitespace-nowrap">{pool.name}</Td>
            <Td>{pool.type}</Td>
            <Td>
              <StateMark state={pool.active ? "on" : "off"}>{pool.active ? "Active" : "Inactive"}</StateMark>
            </Td>
            <Td>
              {pool.capacity !== null && pool.free !== null ? (
                <Meter
                  className="min-w-64"
                  used={pool.capacity - pool.free}
                  total={pool.capacity}
                  label={`Pool ${pool.name}`}
                  text={`${formatBytes(pool.free)} free of ${formatBytes(pool.capacity)}`}
                />
              ) : (
                "–"
              )}
            </Td>
            <Td>{pool.writable ? "Yes" : `No${pool.whyNotWritable ? `: ${pool.whyNotWritable}` : ""}`}</Td>
            <Td>
              <code className="text-xs break-all">{pool.path ?? "–"}</code>
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
