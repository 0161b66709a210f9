"use client";
import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useMayReason } from "#components/session/session-context.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { vmQueries } from "#lib/http/queries/vm.ts";
import { whyNotPower, type PowerActionName } from "./power.ts";

export interface Power {
  run: UseMutationResult<unknown, Error, void>;
  /** Why it cannot be done now; null: it can. */
  reason: string | null;
}

export function usePower(vm: VmRow, action: PowerActionName): Power {
  const client = useQueryClient();
  const forbidden = useMayReason("vm.power");
  const run = useMutation({
    mutationFn: () =>
      api.post(`/vms/${encodeURIComponent(vm.hostId)}/${encodeURIComponent(vm.ref)}/power`, Nothing, { action }),
    // The host's own event follows; this covers a stream that is down.
    onSettled: () => client.invalidateQueries({ queryKey: vmQueries.all }),
  });
  const stale = vm.staleSince ? `${vm.hostName} cannot be reached now.` : null;
  return { run, reason: forbidden ?? stale ?? whyNotPower(vm.state, action) };
}
