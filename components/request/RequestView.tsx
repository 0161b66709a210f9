"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { RequestDetail } from "#lib/domain/request-view.ts";
import { formatMoment } from "#lib/format/time.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { CopyButton } from "#components/ui/CopyButton.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { VmOfLink } from "#components/image/VmOfLink.tsx";
import { DeployLanes } from "#components/deploy/DeployLanes.tsx";
import { CancelRequestButton } from "./CancelRequestButton.tsx";
import { DecideButtons } from "./DecideButtons.tsx";
import { RetryButton } from "./RetryButton.tsx";
import { RequestStatusMark } from "./StatusMark.tsx";

/** One request: who asked for what, who decided, and its lanes. */
export function RequestView({ id }: { readonly id: string }) {
  const request = useQuery(requestQueries.detail(id));
  const session = useQuery(sessionQueries.current());
  if (request.isError) return <ErrorNotice error={request.error} onRetry={() => void request.refetch()} />;
  if (request.isPending || !session.data) return <p className="text-sm text-ink-3">Reading the request…</p>;
  const me = session.data.user;
  return (
    <div className="grid gap-4 xl:grid-cols-[minmax(0,1fr)_20rem]">
      <DeployLanes requestId={id} />
      <aside
        className="space-y-3 rounded-md border border-line bg-surface p-3 xl:sticky xl:top-4 xl:self-start"
        aria-label="Request"
      >
        <div className="flex items-center justify-between gap-2">
          <h2 className="text-sm font-semibold">Request {request.data.number}</h2>
          <RequestStatusMark status={request.data.status} />
        </div>
        <RequestFacts request={request.data} />
        <DecideButtons request={request.data} />
        <div className="flex flex-wrap gap-2">
          <CancelRequestButton request={request.data} me={me} />
          <RetryButton request={request.data} />
        </div>
      </aside>
    </div>
  );
}

function RequestFacts({ request }: { readonly request: RequestDetail }) {
  const { decision } = request;
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-sm">
      <dt className="text-ink-3">Image</dt>
      <dd className="min-w-0 truncate">
        <Link className="text-accent-ink underline-offset-2 hover:underline" href={`/images/${request.imageId}`}>
          {request.imageName}
        </Link>{" "}
        version {request.imageVersion}
      </dd>
      {request.source === null ? null : (
        <>
          <dt className="text-ink-3">Disk</dt>
          <dd className="min-w-0 break-words">
            <VmOfLink source={request.source} />. It is read as it is when the job runs.
          </dd>
        </>
      )}
      <dt className="text-ink-3">Asked by</dt>
      <dd>
        {request.requester.name}, {formatMoment(request.createdAt)}
      </dd>
      {request.note === "" ? null : (
        <>
          <dt className="text-ink-3">Note</dt>
          <dd className="whitespace-pre-wrap break-words">{request.note}</dd>
        </>
      )}
      {decision === null ? null : (
        <>
          <dt className="text-ink-3">Decision</dt>
          <dd>
            {decision.outcome} by {decision.by.name}, {formatMoment(decision.at)}
            {decision.reason === "" ? "" : `: ${decision.reason}`}
          </dd>
        </>
      )}
      {request.finishedAt === null ? null : (
        <>
          <dt className="text-ink-3">Ended</dt>
          <dd>{formatMoment(request.finishedAt)}</dd>
        </>
      )}
      <dt className="text-ink-3">Plan</dt>
      <dd className="flex min-w-0 items-center gap-1">
        <code className="truncate font-mono text-xs" title="SHA-256 of the frozen plan; the approval is bound to it">
          {request.planHash}
        </code>
        <CopyButton text={request.planHash} label="Copy the plan's hash" />
      </dd>
    </dl>
  );
}
