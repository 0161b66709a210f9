"use client";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import type { BrowserSession } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { sessionQueries } from "#lib/http/queries/session.ts";
import { userQueries } from "#lib/http/queries/user.ts";

/** `owner`: somebody else, whose session an administrator ends. */
export function EndSessionButton({ session, owner }: { session: BrowserSession; owner?: string }): ReactNode {
  const client = useQueryClient();
  return (
    <ConfirmButton
      size="sm"
      label="Sign out"
      title={`End the session from ${session.address ?? "an unknown address"}?`}
      confirm="End the session"
      danger
      onConfirm={async () => {
        await api.delete(owner === undefined ? `/sessions/${session.id}` : `/users/${owner}/sessions/${session.id}`);
        await client.invalidateQueries({
          queryKey: owner === undefined ? sessionQueries.list().queryKey : userQueries.sessions(owner).queryKey,
        });
      }}
    >
      Pages that are open there lead to the sign-in within a few seconds.
    </ConfirmButton>
  );
}
