"use client";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { PageHeader } from "#components/ui/PageHeader.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { overviewQueries } from "#lib/http/queries/overview.ts";
import { ActiveWork } from "./ActiveWork.tsx";
import { HostCapacity } from "./HostCapacity.tsx";
import { Kpis } from "./Kpis.tsx";
import { Onboarding } from "./Onboarding.tsx";
import { WaitingRequests } from "./WaitingRequests.tsx";

export function OverviewView(): ReactNode {
  const overview = useQuery(overviewQueries.summary());
  return (
    <div className="space-y-4 p-4">
      <PageHeader title="Overview" />
      {overview.error ? (
        <ErrorNotice
          error={overview.error}
          title="The overview could not be read"
          onRetry={() => void overview.refetch()}
        />
      ) : null}
      {overview.isPending ? <Skeleton words="Counting hosts, virtual machines and images…" /> : null}
      {overview.data ? (
        overview.data.hosts.total === 0 ? (
          <Onboarding />
        ) : (
          <>
            <Kpis overview={overview.data} />
            <div className="grid grid-cols-1 items-start gap-4 xl:grid-cols-2">
              <Card title="Storage by host" flush>
                <HostCapacity storage={overview.data.storage} />
              </Card>
              <div className="space-y-4">
                <Card title="Waiting for a decision" flush>
                  <WaitingRequests />
                </Card>
                <Card title="Under way" flush>
                  <ActiveWork />
                </Card>
              </div>
            </div>
          </>
        )
      ) : null}
    </div>
  );
}
