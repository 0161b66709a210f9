"use client";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Card } from "#components/ui/Card.tsx";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { api } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { SessionTable } from "./SessionTable.tsx";

/** One's own sessions, in all browsers. */
export function SessionList(): ReactNode {
  const sessions = useQuery({ ...sessionQueries.list(), staleTime: 0 });
  const client = useQueryClient();
  if (sessions.error) return <ErrorNotice error={sessions.error} onRetry={() => void sessions.refetch()} />;
  if (!sessions.data) return <Skeleton words="Reading your sessions…" />;
  const others = sessions.data.filter(({ current }) => !current).length;
  return (
    <Card
      title="Your sessions"
      flush
      actions={
        <ConfirmButton
          size="sm"
          label="Sign out everywhere else"
          title="Sign out everywhere else?"
          confirm="Sign out everywhere else"
          danger
          reason={others === 0 ? "You are signed in nowhere else." : null}
          onConfirm={async () => {
            await api.delete("/sessions");
            await client.invalidateQueries({ queryKey: sessionQueries.list().queryKey });
          }}
        >
          All of your sessions but this one end. Your API tokens stay.
        </ConfirmButton>
      }
    >
      <SessionTable sessions={sessions.data} />
    </Card>
  );
}
