"use client";

import { useQueryClient } from "@tanstack/react-query";
import { api, Nothing } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";

interface CancelTargetButtonProps {
  readonly requestId: string;
  readonly targetId: string;
  readonly name: string;
  readonly hostName: string;
  /** Null: it can be cancelled. */
  readonly reason: string | null;
}

/** Stops one VM of a request and removes what was made for it; the others go on. */
export function CancelTargetButton({ requestId, targetId, name, hostName, reason }: CancelTargetButtonProps) {
  const client = useQueryClient();
  return (
    <ConfirmButton
      size="sm"
      label="Cancel"
      title={`Cancel ${name} on ${hostName}?`}
      confirm={`Cancel ${name}`}
      danger
      reason={reason}
      onConfirm={async () => {
        await api.post(`/requests/${requestId}/cancel`, Nothing, { targetId });
        await client.invalidateQueries({ queryKey: requestQueries.all });
      }}
    >
      The work stops, and the disk and VM made so far are removed from the host. Other targets go on.
    </ConfirmButton>
  );
}
