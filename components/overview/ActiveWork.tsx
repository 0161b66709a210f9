"use client";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Progress } from "#components/ui/Progress.tsx";
import { Sparkline } from "#components/ui/Sparkline.tsx";
import type { Job } from "#lib/domain/job.ts";
import { formatBytesOf } from "#lib/format/bytes.ts";
import { formatRate } from "#lib/format/rate.ts";
import { formatEta } from "#lib/format/time.ts";
import { jobQueries } from "#lib/http/queries/job.ts";
import { useRateHistory } from "./useRateHistory.ts";

export function ActiveWork(): ReactNode {
  const jobs = useQuery(jobQueries.active());
  if (jobs.error) return <ErrorNotice error={jobs.error} className="m-4" onRetry={() => void jobs.refetch()} />;
  if (!jobs.data) return <p className="px-4 py-3 text-ink-2">Reading jobs…</p>;
  if (jobs.data.items.length === 0) return <p className="px-4 py-3 text-ink-2">Nothing is under way.</p>;
  return (
    <ul>
      {jobs.data.items.slice(0, 8).map((job) => (
        <JobRow key={job.id} job={job} />
      ))}
    </ul>
  );
}

function JobRow({ job: { id, title, progress, state, stages } }: { job: Job }): ReactNode {
  const rates = useRateHistory(progress);
  const stage = stages.find((each) => each.state === "running");
  return (
    <li className="border-b px-4 py-2 last:border-b-0">
      <div className="flex items-start gap-3">
        <div className="min-w-0 grow">
          <Link prefetch={false} href={`/jobs/${id}`} className="block truncate font-medium hover:underline">
            {title}
          </Link>
          <div className="mb-1 text-xs text-ink-2">
            {state === "queued" ? "Waiting for a worker" : (stage?.label ?? "Starting")}
            {progress
              ? `, ${formatBytesOf(progress.done, progress.total)}, ${formatRate(progress.rate)}, ${formatEta(progress.eta)}`
              : ""}
          </div>
        </div>
        {rates.length > 1 ? (
          <Sparkline values={rates} label={`Throughput of ${title}, now ${formatRate(rates.at(-1))}`} />
        ) : null}
      </div>
      {state === "queued" ? null : (
        <Progress value={progress && progress.total > 0 ? progress.done / progress.total : null} label={title} />
      )}
    </li>
  );
}
