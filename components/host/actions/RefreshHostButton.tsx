"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { toastError } from "#components/ui/Toaster.tsx";
import type { Host } from "#lib/domain/host.ts";
import { api, Nothing } from "#lib/http/client.ts";

export function RefreshHostButton({ host }: { host: Host }): ReactNode {
  const client = useQueryClient();
  const reason = useMayReason("host.refresh");
  const refresh = useMutation({
    mutationFn: () => api.post(`/hosts/${host.id}/refresh`, Nothing),
    onError: (error) => toastError(error, `${host.name} could not be read anew`),
    onSettled: () => Promise.all([["hosts"], ["vms"]].map((queryKey) => client.invalidateQueries({ queryKey }))),
  });
  return (
    <Button busy={refresh.isPending} reason={reason} onClick={() => refresh.mutate()}>
      <RefreshCw aria-hidden /> {refresh.isPending ? "Reading the host…" : "Read anew"}
    </Button>
  );
}
