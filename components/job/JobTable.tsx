"use client";

import Link from "next/link";
import { useInfiniteQuery } from "@tanstack/react-query";
import { parseAsStringLiteral, useQueryState } from "nuqs";
import { formatAgo, formatDuration, formatMoment, secondsBetween } from "#lib/format/time.ts";
import { formatPercent } from "#lib/format/bytes.ts";
import { jobQueries } from "#lib/http/queries/job.ts";
import { Button } from "#components/ui/Button.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Select } from "#components/ui/Select.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { JobStateMark } from "./JobStateMark.tsx";

const STATES = ["all", "active", "finished"] as const;
const LABEL = { all: "All jobs", active: "Active jobs", finished: "Finished jobs" } as const;

export function JobTable() {
  const [state, setState] = useQueryState("state", parseAsStringLiteral(STATES).withDefault("all"));
  const jobs = useInfiniteQuery(jobQueries.list({ state }));
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="space-y-3">
      <div className="w-52">
        <Select
          aria-label="State"
          value={state}
          onChange={(value) => void setState(STATES.find((s) => s === value) ?? "all")}
          options={STATES.map((s) => ({ value: s, label: LABEL[s] }))}
        />
      </div>
      {jobs.isError ? <ErrorNotice error={jobs.error} onRetry={() => void jobs.refetch()} /> : null}
      {jobs.isPending ? <p className="text-sm text-ink-3">Reading jobs…</p> : null}
      {jobs.isSuccess && items.length === 0 ? (
        <EmptyState title="No jobs">
          Uploads, imports, captures and deploys run as jobs; each is listed here with its stages and log.
        </EmptyState>
      ) : null}
      {items.length === 0 ? null : (
        <Table label="Jobs" className="rounded-lg border bg-surface">
          <thead>
            <Tr>
              <Th>Job</Th>
              <Th>State</Th>
              <Th>Stage</Th>
              <Th>Progress</Th>
              <Th>By</Th>
              <Th>Took</Th>
              <Th>Begun</Th>
            </Tr>
          </thead>
          <tbody>
            {items.map((job) => (
              <Tr key={job.id}>
                <Td className="max-w-96 truncate">
                  <Link
                    className="font-medium text-accent-ink underline-offset-2 hover:underline"
                    href={`/jobs/${job.id}`}
                  >
                    {job.title}
                  </Link>
                </Td>
                <Td>
                  <JobStateMark state={job.state} waiting={job.waiting} />
                </Td>
                <Td className="max-w-72 truncate">
                  {job.stages.find((stage) => stage.state === "running")?.label ?? "–"}
                </Td>
                <Td>
                  {job.progress === null || job.progress.total === 0
                    ? "–"
                    : formatPercent(job.progress.done, job.progress.total)}
                </Td>
                <Td>{job.createdBy}</Td>
                <Td>{formatDuration(secondsBetween(job.startedAt, job.finishedAt))}</Td>
                <Td title={formatMoment(job.createdAt)}>{formatAgo(job.createdAt)}</Td>
              </Tr>
            ))}
          </tbody>
        </Table>
      )}
      {jobs.hasNextPage ? (
        <Button disabled={jobs.isFetchingNextPage} onClick={() => void jobs.fetchNextPage()}>
          Show older jobs
        </Button>
      ) : null}
    </div>
  );
}
