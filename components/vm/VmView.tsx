"use client";
import { useQuery } from "@tanstack/react-query";
import { parseAsStringLiteral, useQueryState } from "nuqs";
import type { ReactNode } from "react";
import { SimulatedBadge } from "#components/host/SimulatedBadge.tsx";
import { StaleBanner } from "#components/host/StaleBanner.tsx";
import { VendorGlyph } from "#components/host/VendorMark.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { Tabs } from "#components/ui/Tabs.tsx";
import { vmQueries } from "#lib/http/queries/vm.ts";
import { CaptureButton } from "./actions/CaptureButton.tsx";
import { DeployVmButton } from "./actions/DeployVmButton.tsx";
import { VmPowerBar } from "./actions/VmPowerBar.tsx";
import { QuestionBanner } from "./QuestionBanner.tsx";
import { VmDisks } from "./VmDisks.tsx";
import { VmFacts } from "./VmFacts.tsx";
import { VmNics } from "./VmNics.tsx";
import { VmSnapshots } from "./VmSnapshots.tsx";
import { VmStateMark } from "./VmStateMark.tsx";

const TABS = ["summary", "disks", "nics", "snapshots"] as const;

export function VmView({ hostId, vmRef }: { hostId: string; vmRef: string }): ReactNode {
  const vm = useQuery(vmQueries.detail(hostId, vmRef));
  const [tab, setTab] = useQueryState("tab", parseAsStringLiteral(TABS).withDefault("summary"));
  if (!vm.data) {
    return (
      <div className="space-y-4 p-4">
        <PageHeader title="Virtual machine" />
        {vm.error ? (
          <ErrorNotice error={vm.error} onRetry={() => void vm.refetch()} />
        ) : (
          <Skeleton words="Reading the virtual machine…" />
        )}
      </div>
    );
  }
  const { data } = vm;
  return (
    <div className="flex min-h-full flex-col gap-4 p-4">
      <PageHeader
        icon={<VendorGlyph vendor={data.vendor} className="size-6" />}
        title={data.name}
        subtitle={
          <span className="flex flex-wrap items-center gap-3">
            <VmStateMark state={data.state} />
            <span>on {data.hostName}</span>
            {data.simulated ? <SimulatedBadge /> : null}
          </span>
        }
        actions={
          <>
            <VmPowerBar vm={data} />
            <CaptureButton vm={data} />
            <DeployVmButton vm={data} />
          </>
        }
      />
      {data.staleSince ? <StaleBanner since={data.staleSince} hostName={data.hostName} /> : null}
      {data.question ? <QuestionBanner question={data.question} hostName={data.hostName} /> : null}
      <Tabs
        label={`Parts of ${data.name}`}
        value={tab}
        onChange={(next) => void setTab(next)}
        tabs={[
          {
            value: "summary",
            label: "Summary",
            content: (
              <Card className="max-w-3xl">
                <VmFacts vm={data} />
              </Card>
            ),
          },
          { value: "disks", label: "Disks", count: data.disks.length, content: <VmDisks vm={data} /> },
          { value: "nics", label: "Network cards", count: data.nics.length, content: <VmNics vm={data} /> },
          { value: "snapshots", label: "Snapshots", count: data.snapshots.length, content: <VmSnapshots vm={data} /> },
        ]}
      />
    </div>
  );
}
