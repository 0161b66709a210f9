"use client";
import { Box } from "lucide-react";
import Link from "next/link";
import { useMemo, type ReactNode } from "react";
import { VendorMark } from "#components/host/VendorMark.tsx";
import { DataTable, type DataColumn, type DataSort } from "#components/ui/DataTable.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Tooltip } from "#components/ui/Tooltip.tsx";
import type { VmRow } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { formatAgo } from "#lib/format/time.ts";
import type { Vms } from "./useVms.ts";
import { locationOf } from "./location.ts";
import { vmKey, vmPath } from "./vm-path.ts";
import { VmStateMark } from "./VmStateMark.tsx";

const diskBytes = (vm: VmRow): number => vm.disks.reduce((sum, disk) => sum + (disk.capacity ?? 0), 0);
const addresses = (vm: VmRow): string => vm.nics.flatMap((nic) => nic.addresses).join(", ");

const NAME: DataColumn<VmRow> = {
  id: "name",
  header: "Name",
  width: 200,
  grow: true,
  sortValue: (vm) => vm.name,
  cell: (vm) => (
    <Link prefetch={false} href={vmPath(vm)} className="font-medium text-accent-ink hover:underline">
      {vm.name}
    </Link>
  ),
};
const HOST: readonly DataColumn<VmRow>[] = [
  {
    id: "host",
    header: "Host",
    width: 200,
    sortValue: (vm) => vm.hostName,
    cell: (vm) => (
      <Link prefetch={false} href={`/hosts/${vm.hostId}`} className="hover:underline">
        {vm.hostName}
        {vm.simulated ? <span className="text-ink-3"> (simulated)</span> : null}
      </Link>
    ),
  },
  { id: "vendor", header: "Vendor", width: 120, cell: (vm) => <VendorMark vendor={vm.vendor} /> },
];
/** On hosts that stand for many machines. */
const LOCATION: DataColumn<VmRow> = {
  id: "location",
  header: "Location",
  width: 190,
  cell: (vm) => locationOf(vm) ?? "–",
};
const REST: readonly DataColumn<VmRow>[] = [
  {
    id: "state",
    header: "State",
    width: 120,
    sortValue: (vm) => vm.state,
    cell: (vm) =>
      vm.staleSince ? (
        <Tooltip text={`${vm.hostName} was last heard from ${formatAgo(vm.staleSince)}: this may be old.`}>
          <span tabIndex={0} className="opacity-75">
            <VmStateMark state={vm.state} />
            <span className="sr-only">, may be old</span>
          </span>
        </Tooltip>
      ) : (
        <VmStateMark state={vm.state} />
      ),
  },
  { id: "cpus", header: "CPUs", width: 75, align: "right", sortValue: (vm) => vm.cpus, cell: (vm) => vm.cpus ?? "–" },
  {
    id: "memory",
    header: "Memory",
    width: 100,
    align: "right",
    sortValue: (vm) => vm.memory,
    cell: (vm) => formatBytes(vm.memory),
  },
  {
    id: "disks",
    header: "Disks",
    width: 110,
    align: "right",
    cell: (vm) => (vm.disks.length === 0 ? "–" : `${vm.disks.length} · ${formatBytes(diskBytes(vm))}`),
  },
  { id: "firmware", header: "Firmware", width: 90, cell: (vm) => (vm.firmware ? vm.firmware.toUpperCase() : "–") },
  { id: "addresses", header: "Addresses", width: 150, cell: (vm) => addresses(vm) || "–" },
  { id: "guest", header: "Guest", width: 170, cell: (vm) => vm.guestOs ?? "–" },
];

export interface VmTableProps {
  vms: Vms;
  sort: DataSort | null;
  onSort: (sort: DataSort | null) => void;
  onOpen: (vm: VmRow) => void;
  selectedKey?: string | null;
  /** On a host's own page the host needs no column. */
  withHost?: boolean;
  /** Words when nothing matches. */
  empty?: ReactNode;
}

export function VmTable({ vms, sort, onSort, onOpen, selectedKey, withHost = true, empty }: VmTableProps): ReactNode {
  const withLocation = vms.rows.some((vm) => vm.location);
  const columns = useMemo(() => {
    const [state, ...rest] = REST;
    return [NAME, ...(state ? [state] : []), ...(withHost ? HOST : []), ...(withLocation ? [LOCATION] : []), ...rest];
  }, [withHost, withLocation]);
  return (
    <DataTable
      label="Virtual machines"
      columns={columns}
      rows={vms.rows}
      rowKey={vmKey}
      loading={vms.pending ? "Reading virtual machines…" : null}
      error={vms.error}
      onRetry={vms.retry}
      sort={sort}
      onSort={onSort}
      onOpen={onOpen}
      onEnd={vms.more}
      total={vms.total}
      {...(selectedKey === undefined ? {} : { selectedKey })}
      empty={
        empty ?? (
          <EmptyState icon={<Box />} title="No virtual machines">
            None is on this host yet, or the host has not been read yet.
          </EmptyState>
        )
      }
    />
  );
}
