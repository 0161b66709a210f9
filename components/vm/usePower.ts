"use client";
import { useMutation, useQueryClient, type UseMutationResult } from "@tanstack/react-query";
import { useMayReason } from "#components/session/session-context.ts";
import type { PowerAction } from "#lib/domain/hardware.ts";
import type { VmRow } from "#lib/domain/host.ts";
import { canPower } from "#lib/domain/vm-rules.ts";
import { api, Nothing } from "#lib/http/client.ts";
import { vmQueries } from "#lib/http/queries/vm.ts";

export interface Power {
  run: UseMutationResult<unknown, Error, void>;
  /** Why it cannot be done now; null: it can. */
  reason: string | null;
}

export function usePower(vm: VmRow, action: PowerAction): Power {
  const client = useQueryClient();
  const forbidden = useMayReason("vm.power");
  const run = useMutation({
    mutationFn: () =>
      api.post(`/vms/${encodeURIComponent(vm.hostId)}/${encodeURIComponent(vm.ref)}/power`, Nothing, { action }),
    // The host's own event follows; this covers a stream that is down.
    onSettled: () => client.invalidateQueries({ queryKey: vmQueries.all }),
  });
  const stale = vm.staleSince ? `${vm.hostName} cannot be reached now.` : null;
  const allowed = canPower(vm, action);
  return { run, reason: forbidden ?? stale ?? (allowed === true ? null : allowed.reason) };
}
