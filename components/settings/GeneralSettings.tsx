"use client";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type ReactNode } from "react";
import { useMayReason } from "#components/session/session-context.ts";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { Switch } from "#components/ui/Switch.tsx";
import { AlertDialog } from "#components/ui/AlertDialog.tsx";
import { toastDone } from "#components/ui/Toaster.tsx";
import { type Settings, SettingsView } from "#lib/domain/settings.ts";
import { api } from "#lib/http/client.ts";
import { settingsQueries } from "#lib/http/queries/settings.ts";
import { ImportFolders } from "./ImportFolders.tsx";
import { ImportNetworks } from "./ImportNetworks.tsx";

export function GeneralSettings(): ReactNode {
  const settings = useQuery(settingsQueries.current());
  if (settings.error) return <ErrorNotice error={settings.error} onRetry={() => void settings.refetch()} />;
  if (!settings.data) return <Skeleton words="Reading the settings…" />;
  return <Form settings={settings.data} />;
}

function Form({ settings }: { settings: SettingsView }): ReactNode {
  const client = useQueryClient();
  const reason = useMayReason("settings.edit");
  const [asking, setAsking] = useState(false);
  const change = useMutation({
    mutationFn: (part: Partial<Settings>) => api.patch("/settings", SettingsView, part),
    onSuccess: (saved) => {
      client.setQueryData(settingsQueries.current().queryKey, saved);
      toastDone("The settings were saved.");
      setAsking(false);
    },
  });
  const disabled = reason !== null || change.isPending;
  return (
    <div className="max-w-3xl space-y-4">
      {reason ? <p className="text-ink-2">{reason} You see the settings as they are.</p> : null}
      {change.error && !asking ? <ErrorNotice error={change.error} /> : null}
      <Card title="Approval">
        <Switch
          label="Requests run without a second person's approval"
          hint="Off: an operator or administrator other than the requester approves each request. Waived ones are marked so in the audit trail."
          checked={settings.waiveApproval}
          disabled={disabled}
          onChange={(next) => (next ? setAsking(true) : change.mutate({ waiveApproval: false }))}
        />
      </Card>
      <ImportFolders
        folders={settings.importFolders}
        notices={settings.importFolderNotices}
        disabled={disabled}
        onChange={(importFolders) => change.mutate({ importFolders })}
      />
      <ImportNetworks
        networks={settings.importNetworks}
        disabled={disabled}
        onChange={(importNetworks) => change.mutate({ importNetworks })}
      />
      <AlertDialog
        open={asking}
        onOpenChange={setAsking}
        title="Let requests run without approval?"
        confirm="Waive approval"
        danger
        busy={change.isPending}
        error={change.error}
        onConfirm={() => change.mutate({ waiveApproval: true })}
      >
        Whoever may request a virtual machine then makes it at once, on any connected host. Requests that wait now keep
        waiting.
      </AlertDialog>
      {change.isPending ? (
        <p role="status" className="text-ink-2">
          Saving…
        </p>
      ) : null}
    </div>
  );
}
