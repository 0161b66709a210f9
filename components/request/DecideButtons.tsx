"use client";

import { useState } from "react";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { ProvisionRequest } from "#lib/domain/request-view.ts";
import { api } from "#lib/http/client.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Field } from "#components/ui/Field.tsx";
import { Textarea } from "#components/ui/Textarea.tsx";

/** Who may decide is in the answer of the server, which alone can read who had a hand in whose account. */
export function DecideButtons({ request }: { readonly request: ProvisionRequest }) {
  if (request.status !== "pending") return null;
  const { approve, deny } = request.youMay;
  const why = approve.reason ?? deny.reason;
  return (
    <div className="flex flex-wrap items-center gap-2">
      <DecideDialog request={request} verb="approve" reasonNot={approve.reason} />
      <DecideDialog request={request} verb="deny" reasonNot={deny.reason} />
      {why === null ? null : <p className="text-xs text-ink-3">{why}</p>}
    </div>
  );
}

function DecideDialog({
  request,
  verb,
  reasonNot,
}: {
  readonly request: ProvisionRequest;
  readonly verb: "approve" | "deny";
  readonly reasonNot: string | null;
}) {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  const [reason, setReason] = useState("");
  const decide = useMutation({
    // The hash binds the decision to the plan that this page showed.
    mutationFn: () =>
      api.post(`/requests/${request.id}/${verb}`, ProvisionRequest, { planHash: request.planHash, reason }),
    onSuccess: () => setOpen(false),
    onSettled: () => client.invalidateQueries({ queryKey: requestQueries.all }),
  });
  const approve = verb === "approve";
  const names = request.targets.map((target) => `${target.choice.name} on ${target.hostName}`).join(", ");
  return (
    <>
      <Button variant={approve ? "primary" : "default"} reason={reasonNot} onClick={() => setOpen(true)}>
        {approve ? "Approve" : "Deny"}
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        size="sm"
        title={`${approve ? "Approve" : "Deny"} request ${request.number}?`}
        description={
          approve
            ? `Makes ${names} from ${
                request.source === null
                  ? `${request.imageName} version ${request.imageVersion}, exactly as shown.`
                  : `${request.source.vmName} on ${request.source.hostName}, with its disk as it is when the job runs.`
              }`
            : `${request.requester.name} is told the reason. Nothing is made.`
        }
        footer={
          <>
            <Button onClick={() => setOpen(false)}>Back</Button>
            <Button
              variant={approve ? "primary" : "danger"}
              busy={decide.isPending}
              disabled={!approve && reason.trim() === ""}
              onClick={() => decide.mutate()}
            >
              {approve ? "Approve and run" : "Deny request"}
            </Button>
          </>
        }
      >
        <div className="space-y-3">
          <Field label={approve ? "Note" : "Reason"} required={!approve}>
            {(c) => (
              <Textarea
                {...c}
                rows={3}
                maxLength={2000}
                value={reason}
                onChange={(event) => setReason(event.target.value)}
              />
            )}
          </Field>
          {decide.isError ? <ErrorNotice error={decide.error} /> : null}
        </div>
      </Dialog>
    </>
  );
}
