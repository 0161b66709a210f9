"use client";
import { useQuery } from "@tanstack/react-query";
import { ChevronDown, ChevronUp } from "lucide-react";
import Link from "next/link";
import type { ReactNode } from "react";
import { useStoredFlag } from "#components/shell/stored-flag.ts";
import { Progress } from "#components/ui/Progress.tsx";
import type { Job } from "#lib/domain/job.ts";
import { formatBytesOf } from "#lib/format/bytes.ts";
import { formatRate } from "#lib/format/rate.ts";
import { formatEta } from "#lib/format/time.ts";
import { jobQueries } from "#lib/http/queries/job.ts";
import { CancelJobButton } from "./CancelJobButton.tsx";

/** Along the bottom of every page: what runs now. Folded it is one line. */
export function TaskDrawer(): ReactNode {
  const [open, setOpen] = useStoredFlag("task-drawer-open", false);
  const jobs = useQuery(jobQueries.active());
  const items = jobs.data?.items ?? [];
  const first = items[0];
  return (
    <section aria-label="Tasks" className="shrink-0 border-t bg-surface">
      <button
        type="button"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        className="flex h-8 w-full items-center gap-2 px-3 text-left outline-offset-[-2px] hover:bg-hover"
      >
        {open ? <ChevronDown aria-hidden className="size-4" /> : <ChevronUp aria-hidden className="size-4" />}
        <span className="font-medium">Tasks</span>
        <span className="min-w-0 truncate text-ink-2">
          {jobs.error
            ? "cannot be read"
            : items.length === 0
              ? "nothing under way"
              : items.length === 1 && first
                ? first.title
                : `${items.length} under way`}
        </span>
      </button>
      {open ? (
        <ul className="max-h-48 overflow-y-auto border-t">
          {items.length === 0 ? (
            <li className="px-3 py-3 text-ink-2">Uploads, imports and deploys show here while they run.</li>
          ) : null}
          {items.map((job) => (
            <JobLine key={job.id} job={job} />
          ))}
        </ul>
      ) : null}
    </section>
  );
}

function JobLine({ job }: { job: Job }): ReactNode {
  const stage = job.stages.find((each) => each.state === "running");
  const { progress } = job;
  return (
    <li className="grid grid-cols-1 items-center gap-x-4 gap-y-1 border-b px-3 py-1.5 last:border-b-0 md:grid-cols-[minmax(0,2fr)_minmax(0,2fr)_minmax(0,1fr)_auto]">
      <Link href={`/jobs/${job.id}`} className="truncate font-medium hover:underline">
        {job.title}
      </Link>
      <span className="truncate text-ink-2">
        {stage?.label ?? (job.state === "queued" ? "Waiting for a worker" : "Starting")}
      </span>
      <div>
        <Progress value={progress && progress.total > 0 ? progress.done / progress.total : null} label={job.title} />
        {progress ? (
          <div className="truncate text-xs text-ink-2">
            {formatBytesOf(progress.done, progress.total)}, {formatRate(progress.rate)}, {formatEta(progress.eta)}
          </div>
        ) : null}
      </div>
      <CancelJobButton job={job} />
    </li>
  );
}
