"use client";
import { useMutation } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Button } from "#components/ui/Button.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { HostTest, type Host } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";
import { TestResult } from "../TestResult.tsx";

/** Tests a stored host with its stored secrets. */
export function TestHostButton({ host }: { host: Host }): ReactNode {
  const reason = useMayReason("host.refresh");
  const [open, setOpen] = useState(false);
  const test = useMutation({ mutationFn: () => api.post("/hosts/test", HostTest, { hostId: host.id }) });
  return (
    <>
      <Button
        size="sm"
        reason={reason}
        onClick={() => {
          setOpen(true);
          test.mutate();
        }}
      >
        Test connection
      </Button>
      <Dialog open={open} onOpenChange={setOpen} title={`Test of ${host.name}`} size="sm">
        {test.isPending ? (
          <p role="status" className="text-ink-2">
            Connecting to {host.name}…
          </p>
        ) : null}
        {test.error ? <ErrorNotice error={test.error} /> : null}
        {test.data ? <TestResult result={test.data} /> : null}
        {test.data?.identity && !test.data.identity.pinned ? (
          <p className="mt-3 text-ink-2">
            It shows the identity <code className="break-all">{test.data.identity.fingerprint}</code>, which is not the
            one that was confirmed. If the host was installed anew, edit the connection to confirm it.
          </p>
        ) : null}
      </Dialog>
    </>
  );
}
