"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useMay } from "#components/session/session-context.ts";
import { SessionTable } from "#components/session/SessionTable.tsx";
import { RevokeTokenButton } from "#components/token/actions/RevokeTokenButton.tsx";
import { TokenTable } from "#components/token/TokenTable.tsx";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import { Dialog } from "#components/ui/Dialog.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import type { User } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { userQueries } from "#lib/http/queries/user.ts";

/** Where a person is signed in and which tokens act for them. */
export function UserAccessDialog({ user, onClose }: { user: User; onClose: () => void }): ReactNode {
  return (
    <Dialog
      open
      onOpenChange={(open) => (open ? undefined : onClose())}
      title={`Sessions and tokens of ${user.name}`}
      size="lg"
    >
      <div className="space-y-6">
        <Sessions user={user} />
        <Tokens user={user} />
      </div>
    </Dialog>
  );
}

function Sessions({ user }: { user: User }): ReactNode {
  const client = useQueryClient();
  const query = { ...userQueries.sessions(user.id), staleTime: 0 };
  const sessions = useQuery(query);
  const manages = useMay("user.manage");
  if (sessions.error) return <ErrorNotice error={sessions.error} onRetry={() => void sessions.refetch()} />;
  if (!sessions.data) return <Skeleton words="Reading the sessions…" />;
  return (
    <section aria-label="Sessions" className="space-y-2">
      <div className="flex items-center justify-between gap-2">
        <h3 className="font-semibold">Sessions</h3>
        {manages && sessions.data.length > 0 ? (
          <ConfirmButton
            size="sm"
            label="Sign out everywhere"
            title={`Sign ${user.name} out everywhere?`}
            confirm="Sign out everywhere"
            danger
            onConfirm={async () => {
              await api.delete(`/users/${user.id}/sessions`);
              await client.invalidateQueries({ queryKey: query.queryKey });
            }}
          >
            They can sign in again. Their API tokens stay.
          </ConfirmButton>
        ) : null}
      </div>
      {sessions.data.length === 0 ? (
        <p className="text-ink-2">Signed in nowhere.</p>
      ) : (
        <SessionTable sessions={sessions.data} owner={user.id} readOnly={!manages} />
      )}
    </section>
  );
}

function Tokens({ user }: { user: User }): ReactNode {
  const client = useQueryClient();
  const query = { ...userQueries.tokens(user.id), staleTime: 0 };
  const tokens = useQuery(query);
  const manages = useMay("user.manage");
  if (tokens.error) return <ErrorNotice error={tokens.error} onRetry={() => void tokens.refetch()} />;
  if (!tokens.data) return <Skeleton words="Reading the API tokens…" />;
  return (
    <section aria-label="API tokens" className="space-y-2">
      <div className="flex items-center justify-between gap-2">
        <h3 className="font-semibold">API tokens</h3>
        {manages && tokens.data.length > 0 ? (
          <ConfirmButton
            size="sm"
            label="Revoke all"
            title={`Revoke all tokens of ${user.name}?`}
            confirm="Revoke all tokens"
            danger
            onConfirm={async () => {
              await api.delete(`/users/${user.id}/tokens`);
              await client.invalidateQueries({ queryKey: query.queryKey });
            }}
          >
            Scripts that use them are refused at once. It cannot be taken back.
          </ConfirmButton>
        ) : null}
      </div>
      {tokens.data.length === 0 ? (
        <p className="text-ink-2">No API tokens.</p>
      ) : (
        <TokenTable
          tokens={tokens.data}
          actions={(token) => (manages ? <RevokeTokenButton token={token} owner={user.id} /> : null)}
        />
      )}
    </section>
  );
}
