"use client";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Progress } from "#components/ui/Progress.tsx";
import { formatBytesOf } from "#lib/format/bytes.ts";
import { formatRate } from "#lib/format/rate.ts";
import { formatEta } from "#lib/format/time.ts";
import { jobQueries } from "#lib/http/queries/job.ts";

export function ActiveWork(): ReactNode {
  const jobs = useQuery(jobQueries.active());
  if (jobs.error) return <ErrorNotice error={jobs.error} className="m-4" onRetry={() => void jobs.refetch()} />;
  if (!jobs.data) return <p className="px-4 py-3 text-ink-2">Reading jobs…</p>;
  if (jobs.data.items.length === 0) return <p className="px-4 py-3 text-ink-2">Nothing is under way.</p>;
  return (
    <ul>
      {jobs.data.items.slice(0, 8).map(({ id, title, progress, state, stages }) => (
        <li key={id} className="border-b px-4 py-2 last:border-b-0">
          <Link prefetch={false} href={`/jobs/${id}`} className="block truncate font-medium hover:underline">
            {title}
          </Link>
          <div className="mb-1 truncate text-xs text-ink-2">
            {state === "queued"
              ? "Waiting for a worker"
              : (stages.find((stage) => stage.state === "running")?.label ?? "Starting")}
            {progress
              ? `, ${formatBytesOf(progress.done, progress.total)}, ${formatRate(progress.rate)}, ${formatEta(progress.eta)}`
              : ""}
          </div>
          {state === "queued" ? null : (
            <Progress value={progress && progress.total > 0 ? progress.done / progress.total : null} label={title} />
          )}
        </li>
      ))}
    </ul>
  );
}
