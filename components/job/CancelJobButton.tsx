"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import type { Job } from "#lib/domain/job.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { jobQueries } from "#lib/http/queries/job.ts";

/** Cancels a job for good: what it has made so far is removed. */
export function CancelJobButton({
  job,
  mayCancel,
}: {
  readonly job: Pick<Job, "id" | "title" | "state">;
  readonly mayCancel: boolean;
}) {
  const client = useQueryClient();
  if (!["queued", "running", "cancelling"].includes(job.state)) return null;
  return (
    <ConfirmButton
      size="sm"
      label={job.state === "cancelling" ? "Cancelling…" : "Cancel"}
      title={`Cancel “${job.title}”?`}
      confirm="Cancel the job"
      danger
      reason={
        !mayCancel ? "Your role may not cancel jobs." : job.state === "cancelling" ? "It is being cancelled." : null
      }
      onConfirm={async () => {
        await api.post(`/jobs/${job.id}/cancel`, Nothing);
        await client.invalidateQueries({ queryKey: jobQueries.all });
      }}
    >
      The work stops, and everything that it has made so far is removed.
    </ConfirmButton>
  );
}
