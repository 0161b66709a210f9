"use client";

import { useQueryClient } from "@tanstack/react-query";
import type { ProvisionRequest } from "#lib/domain/request-view.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

/** Withdraws a request, or stops all of its targets. */
export function CancelRequestButton({
  request,
  mayCancel,
}: {
  readonly request: ProvisionRequest;
  readonly mayCancel: boolean;
}) {
  const client = useQueryClient();
  if (!["pending", "approved", "running"].includes(request.status)) return null;
  return (
    <ConfirmButton
      label="Cancel request"
      title={`Cancel request ${request.number}?`}
      confirm="Cancel the request"
      danger
      reason={mayCancel ? null : "Only its requester, operators and administrators may cancel a request."}
      onConfirm={async () => {
        await api.post(`/requests/${request.id}/cancel`, Nothing);
        await client.invalidateQueries({ queryKey: requestQueries.all });
      }}
    >
      {request.status === "pending"
        ? "Nobody will be asked to approve it any more."
        : "All of its targets stop, and what was made for them is removed. VMs that are finished stay."}
    </ConfirmButton>
  );
}
