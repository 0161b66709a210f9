"use client";

import { useRouter } from "next/navigation";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { toast } from "sonner";
import { leftSomething } from "#lib/domain/request-rules.ts";
import { ProvisionRequest } from "#lib/domain/request-view.ts";
import { api } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { Button } from "#components/ui/Button.tsx";

/** Asks again for the targets that did not succeed: a new request with the same choices, to be approved again. */
export function RetryButton({ request }: { readonly request: ProvisionRequest }) {
  const router = useRouter();
  const client = useQueryClient();
  const retry = useMutation({
    mutationFn: () => api.post(`/requests/${request.id}/retry`, ProvisionRequest, {}),
    onSuccess: async (made) => {
      await client.invalidateQueries({ queryKey: requestQueries.all });
      router.push(`/requests/${made.id}`);
    },
    onError: (error) => toast.error(error.message),
  });
  if (!leftSomething(request.status)) return null;
  return (
    <Button reason={request.youMay.retry.reason} busy={retry.isPending} onClick={() => retry.mutate()}>
      Request again
    </Button>
  );
}
