"use client";

import { useQuery } from "@tanstack/react-query";
import { canCancel, factsOf, isOpenTarget, whyNot } from "#lib/domain/request-rules.ts";
import type { RequestTarget } from "#lib/domain/request-view.ts";
import type { JobLogLine } from "#lib/domain/job.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { formatDuration } from "#lib/format/time.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { SimulatedBadge } from "#components/host/SimulatedBadge.tsx";
import { VendorMark } from "#components/host/VendorMark.tsx";
import { JobLog } from "#components/job/JobLog.tsx";
import { JobProgress } from "#components/job/JobProgress.tsx";
import { StageList } from "#components/job/StageList.tsx";
import { TargetStatusMark } from "#components/request/StatusMark.tsx";
import { CancelTargetButton } from "#components/request/CancelTargetButton.tsx";
import { FindingList } from "./FindingList.tsx";
import { ReceiptCard } from "./ReceiptCard.tsx";

const READING = "It is not known yet who is signed in.";

/** What runs for a request: a lane a target, with its stage, bytes, rate and time left, its log, and at the end its receipt. */
export function DeployLanes({ requestId }: { readonly requestId: string }) {
  const request = useQuery(requestQueries.detail(requestId));
  const session = useQuery(sessionQueries.current());
  if (request.isError) return <ErrorNotice error={request.error} onRetry={() => void request.refetch()} />;
  if (request.isPending) return <p className="text-sm text-ink-3">Reading the request…</p>;
  const me = session.data?.user;
  const whyNotCancel = me === undefined ? READING : whyNot(canCancel(factsOf(request.data), me));
  return (
    <div className="space-y-3">
      {request.data.targets.map((target) => (
        <Lane
          key={target.id}
          requestId={requestId}
          target={target}
          log={request.data.logs[target.id] ?? []}
          whyNotCancel={whyNotCancel}
        />
      ))}
    </div>
  );
}

interface LaneProps {
  readonly requestId: string;
  readonly target: RequestTarget;
  readonly log: readonly JobLogLine[];
  readonly whyNotCancel: string | null;
}

function Lane({ requestId, target, log, whyNotCancel }: LaneProps) {
  const running = target.stages.find((stage) => stage.state === "running");
  const { choice } = target;
  return (
    <section
      aria-label={`${choice.name} on ${target.hostName}`}
      className="rounded-md border border-line bg-surface"
      data-lane={target.hostName}
      data-status={target.status}
    >
      <header className="flex flex-wrap items-center gap-2 border-b border-line px-3 py-2">
        <VendorMark vendor={target.vendor} />
        <h3 className="min-w-0 flex-1 truncate text-sm font-semibold">
          {choice.name} <span className="font-normal text-ink-3">on {target.hostName}</span>
        </h3>
        {target.simulated ? <SimulatedBadge /> : null}
        <TargetStatusMark status={target.status} />
        {isOpenTarget(target) ? (
          <CancelTargetButton
            requestId={requestId}
            targetId={target.id}
            name={choice.name}
            hostName={target.hostName}
            reason={whyNotCancel}
          />
        ) : null}
      </header>
      <div className="space-y-3 p-3">
        {target.stages.length > 0 ? (
          <StageList stages={target.stages} />
        ) : (
          <p className="text-xs tabular-nums text-ink-3">
            {choice.cpus} vCPU, {formatBytes(choice.memory)}, {choice.firmware.toUpperCase()}, pool {choice.poolRef};{" "}
            {formatBytes(target.estimate.bytesToMove)} to move, about {formatDuration(target.estimate.seconds)}
          </p>
        )}
        {target.progress !== null && running !== undefined && target.progress.total > 0 ? (
          <JobProgress progress={target.progress} label={running.label} />
        ) : null}
        {target.error === null ? null : <ErrorNotice error={target.error} />}
        <ReceiptCard target={target} />
        {target.status === "waiting" ? <FindingList findings={target.findings} /> : null}
        <JobLog lines={log} />
      </div>
    </section>
  );
}
