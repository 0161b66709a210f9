"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { FlaskConical } from "lucide-react";
import type { ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { api, Nothing } from "#lib/http/client.ts";
import { hostQueries } from "#lib/http/queries/host.ts";
import { overviewQueries } from "#lib/http/queries/overview.ts";

export function AddDemoHostsButton(): ReactNode {
  const client = useQueryClient();
  const reason = useMayReason("host.add");
  const add = useMutation({
    mutationFn: () => api.post("/hosts/demo", Nothing),
    onSuccess: async () => {
      toastDone("Five simulated hosts were added.");
      await Promise.all(
        [hostQueries.all, overviewQueries.all, ["vms"]].map((queryKey) => client.invalidateQueries({ queryKey })),
      );
    },
  });
  return (
    <div className="space-y-2">
      <Button busy={add.isPending} reason={reason} onClick={() => add.mutate()}>
        <FlaskConical aria-hidden /> {add.isPending ? "Adding simulated hosts…" : "Add simulated hosts"}
      </Button>
      {add.error ? <ErrorNotice error={add.error} /> : null}
    </div>
  );
}
