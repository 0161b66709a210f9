"use client";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useRouter } from "next/navigation";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { AlertDialog } from "#components/ui/AlertDialog.tsx";
import { Button } from "#components/ui/Button.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import type { Host } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";

export function RemoveHostButton({ host }: { host: Host }): ReactNode {
  const router = useRouter();
  const client = useQueryClient();
  const reason = useMayReason("host.remove");
  const [asking, setAsking] = useState(false);
  const remove = useMutation({
    mutationFn: () => api.delete(`/hosts/${host.id}`),
    onSuccess: async () => {
      toastDone(`${host.name} was removed.`);
      router.push("/hosts");
      client.removeQueries({ queryKey: ["hosts", "detail", host.id] });
      await Promise.all(
        [["hosts", "list"], ["vms"], ["overview"]].map((queryKey) => client.invalidateQueries({ queryKey })),
      );
    },
  });
  return (
    <>
      <Button variant="danger" reason={reason} onClick={() => setAsking(true)}>
        Remove host
      </Button>
      <AlertDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Remove ${host.name}?`}
        confirm="Remove host"
        danger
        typedName={host.name}
        busy={remove.isPending}
        error={remove.error}
        onConfirm={() => remove.mutate()}
      >
        Supravisor forgets {host.name}, its stored secrets and the {host.counts.vms} virtual machines of its inventory.
        The host and its virtual machines stay as they are.
      </AlertDialog>
    </>
  );
}
