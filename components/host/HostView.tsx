"use client";
import { useQuery } from "@tanstack/react-query";
import { parseAsStringLiteral, useQueryState } from "nuqs";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { Tabs } from "#components/ui/Tabs.tsx";
import { hostQueries } from "#lib/http/queries/host.ts";
import { RefreshHostButton } from "./actions/RefreshHostButton.tsx";
import { HostConnectionTab } from "./HostConnectionTab.tsx";
import { HostNetworks } from "./HostNetworks.tsx";
import { HostStateMark } from "./HostStateMark.tsx";
import { HostStorage } from "./HostStorage.tsx";
import { HostSummary } from "./HostSummary.tsx";
import { HostVms } from "./HostVms.tsx";
import { SimulatedBadge } from "./SimulatedBadge.tsx";
import { StaleBanner } from "./StaleBanner.tsx";
import { VendorGlyph } from "./VendorMark.tsx";

const TABS = ["summary", "vms", "storage", "networks", "connection"] as const;

export function HostView({ id }: { id: string }): ReactNode {
  const host = useQuery(hostQueries.detail(id));
  const [tab, setTab] = useQueryState("tab", parseAsStringLiteral(TABS).withDefault("summary"));
  if (!host.data) {
    return (
      <div className="space-y-4 p-4">
        <PageHeader title="Host" />
        {host.error ? (
          <ErrorNotice error={host.error} onRetry={() => void host.refetch()} />
        ) : (
          <Skeleton words="Reading the host…" />
        )}
      </div>
    );
  }
  const { data } = host;
  return (
    <div className="flex min-h-full flex-col gap-4 p-4">
      <PageHeader
        icon={<VendorGlyph vendor={data.vendor} className="size-6" />}
        title={data.name}
        subtitle={
          <span className="flex flex-wrap items-center gap-3">
            <HostStateMark state={data.state} />
            {data.facts ? (
              <span>
                {data.facts.product} {data.facts.version}
              </span>
            ) : null}
            {data.simulated ? <SimulatedBadge /> : null}
          </span>
        }
        actions={<RefreshHostButton host={data} />}
      />
      {data.error ? <ErrorNotice error={data.error} title={`${data.name} cannot be read`} /> : null}
      {data.staleSince ? <StaleBanner since={data.staleSince} hostName={data.name} /> : null}
      <Tabs
        label={`Parts of ${data.name}`}
        value={tab}
        onChange={(next) => void setTab(next)}
        tabs={[
          { value: "summary", label: "Summary", content: <HostSummary host={data} /> },
          { value: "vms", label: "Virtual machines", count: data.counts.vms, content: <HostVms hostId={data.id} /> },
          { value: "storage", label: "Storage", count: data.pools.length, content: <HostStorage host={data} /> },
          { value: "networks", label: "Networks", count: data.networks.length, content: <HostNetworks host={data} /> },
          { value: "connection", label: "Connection", content: <HostConnectionTab host={data} /> },
        ]}
      />
    </div>
  );
}
