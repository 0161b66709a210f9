"use client";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import type { ApiToken } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { tokenQueries, userQueries } from "#lib/http/queries/user.ts";

/** `owner`: somebody else, whose tokens an administrator revokes. */
export function RevokeTokenButton({ token, owner }: { token: ApiToken; owner?: string }): ReactNode {
  const client = useQueryClient();
  return (
    <ConfirmButton
      size="sm"
      label="Revoke"
      title={`Revoke ${token.name}?`}
      confirm={`Revoke ${token.name}`}
      danger
      onConfirm={async () => {
        await api.delete(owner === undefined ? `/tokens/${token.id}` : `/users/${owner}/tokens/${token.id}`);
        await client.invalidateQueries({
          queryKey: owner === undefined ? tokenQueries.all : userQueries.tokens(owner).queryKey,
        });
      }}
    >
      Scripts that use it are refused at once. It cannot be taken back.
    </ConfirmButton>
  );
}
