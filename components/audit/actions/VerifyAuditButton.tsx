"use client";
import { useMutation } from "@tanstack/react-query";
import { CircleCheck, ShieldCheck } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { api } from "#lib/http/client.ts";
import { AuditVerification } from "#lib/http/queries/audit.ts";

export function VerifyAuditButton(): ReactNode {
  const [open, setOpen] = useState(false);
  const verify = useMutation({ mutationFn: () => api.get("/audit/verify", AuditVerification) });
  return (
    <>
      <Button
        onClick={() => {
          setOpen(true);
          verify.mutate();
        }}
      >
        <ShieldCheck aria-hidden /> Verify the chain
      </Button>
      <Dialog
        open={open}
        onOpenChange={setOpen}
        title="Verification of the audit trail"
        description="Every entry holds the hash of the one before it."
      >
        {verify.isPending ? (
          <p role="status" className="text-ink-2">
            Computing the hash of every entry…
          </p>
        ) : null}
        {verify.error ? <ErrorNotice error={verify.error} /> : null}
        {verify.data ? <Outcome result={verify.data} /> : null}
      </Dialog>
    </>
  );
}

function Outcome({ result }: { result: AuditVerification }): ReactNode {
  if (!result.ok) {
    return (
      <ErrorNotice
        title="The chain is broken"
        error={{
          code: "audit.chain-broken",
          message: `Entry ${result.firstBad ?? "unknown"} does not fit the one before it: it was altered, or an entry was taken out.`,
          hint: "Compare with an export that was kept elsewhere, and look for who can write to the database.",
        }}
      />
    );
  }
  return (
    <div className="space-y-3" role="status">
      <p className="flex items-center gap-2 font-medium">
        <CircleCheck aria-hidden className="size-4 text-ok" /> All {result.entries.toLocaleString("en")} entries fit
        together.
      </p>
      <KeyValue facts={[{ key: "Last hash", value: <code className="text-xs break-all">{result.head}</code> }]} />
      <p className="text-xs text-ink-3">
        Keep this hash elsewhere: a later verification that does not contain it shows that the whole chain was replaced.
      </p>
    </div>
  );
}
