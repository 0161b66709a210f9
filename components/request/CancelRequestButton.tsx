"use client";

import { useQueryClient } from "@tanstack/react-query";
import { canCancel, factsOf, isOpen, type Person, whyNot } from "#lib/domain/request-rules.ts";
import type { ProvisionRequest } from "#lib/domain/request-view.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

/** Withdraws a request, or stops all of its targets. */
export function CancelRequestButton({ request, me }: { readonly request: ProvisionRequest; readonly me: Person }) {
  const client = useQueryClient();
  if (!isOpen(request.status)) return null;
  return (
    <ConfirmButton
      label="Cancel request"
      title={`Cancel request ${request.number}?`}
      confirm="Cancel the request"
      danger
      reason={whyNot(canCancel(factsOf(request), me))}
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
