"use client";
import { useMutation } from "@tanstack/react-query";
import { CircleCheck, ShieldCheck } from "lucide-react";
import { useState, type ReactNode } from "react";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { KeyValue } from "#components/ui/KeyValue.tsx";
import { api } from "#lib/http/client.ts";
import { AuditVerdict } from "#lib/domain/audit.ts";

export function VerifyAuditButton(): ReactNode {
  const [open, setOpen] = useState(false);
  const verify = useMutation({ mutationFn: () => api.get("/audit/verify", AuditVerdict) });
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
        description="Every entry holds the hash of the one before it and the seal of this installation's key."
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

const PROBLEM = {
  "missing-before": "entries before it are missing",
  "does-not-follow": "it does not follow the entry before it",
  altered: "it was altered",
  forged: "it was not written by this installation, or was changed since",
  "not-sealed": "it was written with another key and never sealed with this one",
  "not-the-head": "it is not the entry that stood here before",
  "cut-off": "the trail once went as far as this, and does no more",
  "cut-off-recorded": "the console found here that entries were missing",
} as const satisfies Record<AuditVerdict["problems"][number]["kind"], string>;

function Outcome({ result }: { result: AuditVerdict }): ReactNode {
  const { heads, otherKeys } = result;
  return (
    <div className="space-y-3" role="status">
      {result.ok ? (
        <p className="flex items-center gap-2 font-medium">
          <CircleCheck aria-hidden className="size-4 text-ok" /> All {result.entries.toLocaleString("en")} entries fit
          together.
        </p>
      ) : (
        <>
          <ErrorNotice
            title="The trail does not hold"
            error={{
              code: "audit.chain-broken",
              message: `Entry ${result.firstBad ?? "unknown"} is the first that does not fit.`,
              hint: "Compare with an export that was kept elsewhere, and look for who can write to the database.",
            }}
          />
          <ul className="list-disc space-y-0.5 pl-5">
            {result.problems.map(({ seq, kind }) => (
              <li key={`${seq} ${kind}`}>
                Entry {seq}: {PROBLEM[kind]}.
              </li>
            ))}
          </ul>
        </>
      )}
      <KeyValue
        facts={[
          { key: "Last hash", value: <code className="text-xs break-all">{result.head}</code> },
          { key: "Key", value: <code className="text-xs break-all">{result.keyId}</code> },
          {
            key: "Without a key",
            value: result.keyless === 0 ? null : `${result.keyless.toLocaleString("en")} entries of older versions`,
          },
          {
            key: "Other keys",
            value:
              otherKeys.length === 0
                ? null
                : `Entries ${otherKeys.map(({ from, to }) => `${from} to ${to}`).join(", ")} cannot be verified with this key`,
          },
          { key: "Heads", value: headWords(heads) },
        ]}
      />
    </div>
  );
}

function headWords({ checked, newest, unreadable }: AuditVerdict["heads"]): string {
  if (newest === null) return "None is kept outside the database yet";
  const rest = unreadable === 0 ? "" : `; ${unreadable} could not be read`;
  return `Compared with ${checked}, up to entry ${newest}${rest}`;
}
