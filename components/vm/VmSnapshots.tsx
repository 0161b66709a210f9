import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time } from "#components/ui/Time.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import type { VmSnapshot } from "#lib/domain/inventory.ts";
import { snapshotTree } from "./snapshot-tree.ts";

export function VmSnapshots({ vm }: { vm: VmRow }): ReactNode {
  if (vm.snapshots.length === 0) {
    return <EmptyState title="No snapshots">Snapshots that are made on the host show here.</EmptyState>;
  }
  return (
    <Table label={`Snapshots of ${vm.name}`} className="rounded-lg border bg-surface">
      <thead>
        <tr>
          <Th>Snapshot</Th>
          <Th>Made</Th>
          <Th>Guest was</Th>
        </tr>
      </thead>
      <tbody>
        {snapshotTree(vm.snapshots).map(({ snapshot, depth }) => (
          <SnapshotRow key={snapshot.id} snapshot={snapshot} depth={depth} />
        ))}
      </tbody>
    </Table>
  );
}

function SnapshotRow({ snapshot, depth }: { snapshot: VmSnapshot; depth: number }): ReactNode {
  return (
    <Tr>
      <Td>
        <span className="flex items-center gap-2" style={{ paddingLeft: depth * 16 }}>
          {depth > 0 ? (
            <span aria-hidden className="text-ink-3">
              └
            </span>
          ) : null}
          {snapshot.name}
          {snapshot.current ? <Badge tone="accent">Current</Badge> : null}
        </span>
      </Td>
      <Td>
        <Time value={snapshot.createdAt} exact />
      </Td>
      <Td>{snapshot.state ?? "–"}</Td>
    </Tr>
  );
}
