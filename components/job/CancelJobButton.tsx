"use client";

import { useQueryClient } from "@tanstack/react-query";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import { useMayReason } from "#components/session/session-context.ts";
import { isEnded, type Job, whyNotCancelJob } from "#lib/domain/job.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { jobQueries } from "#lib/http/queries/job.ts";

/** Cancels a job for good: what it has made so far is removed. */
export function CancelJobButton({ job }: { readonly job: Pick<Job, "id" | "title" | "state"> }) {
  const client = useQueryClient();
  const forbidden = useMayReason("job.cancel");
  if (isEnded(job.state)) return null;
  return (
    <ConfirmButton
      size="sm"
      label={job.state === "cancelling" ? "Cancelling…" : "Cancel"}
      title={`Cancel “${job.title}”?`}
      confirm="Cancel the job"
      danger
      reason={forbidden ?? whyNotCancelJob(job.state)}
      onConfirm={async () => {
        await api.post(`/jobs/${job.id}/cancel`, Nothing);
        await client.invalidateQueries({ queryKey: jobQueries.all });
      }}
    >
      The work stops, and everything that it has made so far is removed.
    </ConfirmButton>
  );
}
