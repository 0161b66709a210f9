"use client";
import { useQuery } from "@tanstack/react-query";
import { Plus, Server } from "lucide-react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import type { ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { DataTable, type DataColumn } from "#components/ui/DataTable.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Meter } from "#components/ui/Meter.tsx";
import { VENDOR_LABEL } from "#lib/domain/hardware.ts";
import type { Host } from "#lib/domain/host.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { AddDemoHostsButton } from "./actions/AddDemoHostsButton.tsx";
import { connectionWords } from "./connection-words.ts";
import { HostStateMark } from "./HostStateMark.tsx";
import { SimulatedBadge } from "./SimulatedBadge.tsx";
import { VendorMark } from "./VendorMark.tsx";

const COLUMNS: readonly DataColumn<Host>[] = [
  {
    id: "name",
    header: "Name",
    width: 270,
    grow: true,
    sortValue: (host) => host.name,
    cell: (host) => (
      <span className="flex min-w-0 items-center gap-2">
        <Link
          prefetch={false}
          href={`/hosts/${host.id}`}
          className="truncate font-medium text-accent-ink hover:underline"
        >
          {host.name}
        </Link>
        {host.simulated ? <SimulatedBadge /> : null}
      </span>
    ),
  },
  {
    id: "vendor",
    header: "Vendor",
    width: 130,
    sortValue: (host) => VENDOR_LABEL[host.vendor],
    cell: (host) => <VendorMark vendor={host.vendor} />,
  },
  {
    id: "state",
    header: "State",
    width: 120,
    sortValue: (host) => host.state,
    cell: (host) => <HostStateMark state={host.state} />,
  },
  {
    id: "product",
    header: "Product",
    width: 170,
    sortValue: (host) => (host.facts ? `${host.facts.product} ${host.facts.version}` : null),
    cell: (host) => (host.facts ? `${host.facts.product} ${host.facts.version}` : "–"),
  },
  {
    id: "vms",
    header: "VMs running",
    width: 120,
    align: "right",
    sortValue: (host) => host.counts.vms,
    cell: (host) => `${host.counts.running.toLocaleString("en")} of ${host.counts.vms.toLocaleString("en")}`,
  },
  {
    id: "storage",
    header: "Storage",
    width: 230,
    sortValue: (host) => host.storage.free,
    cell: ({ name, storage }) =>
      storage.capacity !== null && storage.free !== null ? (
        <Meter
          used={storage.capacity - storage.free}
          total={storage.capacity}
          label={`Storage of ${name}`}
          text={`${formatBytes(storage.free)} free`}
        />
      ) : (
        "–"
      ),
  },
  {
    id: "connection",
    header: "Connection",
    width: 240,
    sortValue: (host) => connectionWords(host.connection),
    cell: (host) => connectionWords(host.connection),
  },
];

export function HostTable(): ReactNode {
  const hosts = useQuery(hostQueries.list());
  const router = useRouter();
  const reason = useMayReason("host.add");
  return (
    <DataTable
      label="Hosts"
      columns={COLUMNS}
      rows={hosts.data ?? []}
      rowKey={(host) => host.id}
      loading={hosts.isPending ? "Reading hosts…" : null}
      error={hosts.error}
      onRetry={() => void hosts.refetch()}
      initialSort={{ id: "name", desc: false }}
      onOpen={(host) => router.push(`/hosts/${host.id}`)}
      empty={
        <EmptyState
          icon={<Server />}
          title="No hosts yet"
          actions={
            reason ? null : (
              <>
                <Button asChild variant="primary">
                  <Link prefetch={false} href="/hosts/new">
                    <Plus aria-hidden /> Add a host
                  </Link>
                </Button>
                <AddDemoHostsButton />
              </>
            )
          }
        >
          A host is a hypervisor that Supravisor reads and deploys to.{" "}
          {reason ? "An administrator adds hosts." : "Begin with a real one, or with simulated ones to look around."}
        </EmptyState>
      }
    />
  );
}
