"use client";

import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import { formatDuration, formatMoment, secondsBetween } from "#lib/format/time.ts";
import { jobQueries } from "#lib/http/queries/job.ts";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { CancelJobButton } from "./CancelJobButton.tsx";
import { JobLog } from "./JobLog.tsx";
import { JobProgress } from "./JobProgress.tsx";
import { JobStateMark } from "./JobStateMark.tsx";
import { StageList } from "./StageList.tsx";
import { subjectHref } from "./job-link.ts";

export function JobView({ id }: { readonly id: string }) {
  const job = useQuery(jobQueries.detail(id));
  if (job.isError) return <ErrorNotice error={job.error} onRetry={() => void job.refetch()} />;
  if (job.isPending) return <p className="text-sm text-ink-3">Reading the job…</p>;
  const { data } = job;
  const running = data.stages.find((stage) => stage.state === "running");
  return (
    <section aria-label={data.title} className="space-y-4 rounded-md border border-line bg-surface p-4">
      <header className="flex flex-wrap items-center gap-3">
        <h2 className="min-w-0 flex-1 text-sm font-semibold break-words">{data.title}</h2>
        <JobStateMark state={data.state} waiting={data.waiting} />
        <CancelJobButton job={data} />
      </header>
      <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-sm tabular-nums">
        <dt className="text-ink-3">Begun by</dt>
        <dd>
          {data.createdBy}, {formatMoment(data.createdAt)}
        </dd>
        <dt className="text-ink-3">Took</dt>
        <dd>{formatDuration(secondsBetween(data.startedAt, data.finishedAt))}</dd>
        <dt className="text-ink-3">Worker</dt>
        <dd>
          {data.worker ?? "none yet"}
          {data.attempt > 1 ? `, attempt ${data.attempt}` : ""}
        </dd>
        <dt className="text-ink-3">About</dt>
        <dd>
          <Link className="text-accent-ink underline-offset-2 hover:underline" href={subjectHref(data)}>
            {data.subject.kind}
          </Link>
        </dd>
      </dl>
      {data.stages.length === 0 ? null : <StageList stages={data.stages} />}
      {data.progress !== null && running !== undefined && data.progress.total > 0 ? (
        <JobProgress progress={data.progress} label={running.label} />
      ) : null}
      {data.error === null ? null : <ErrorNotice error={data.error} />}
      <JobLog lines={data.log} />
    </section>
  );
}
