"use client";
import { useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ConfirmButton } from "#components/ui/ConfirmButton.tsx";
import type { ApiToken } from "#lib/domain/user.ts";
import { api } from "#lib/http/client.ts";
import { tokenQueries } from "#lib/http/queries/user.ts";

export function RevokeTokenButton({ token }: { token: ApiToken }): ReactNode {
  const client = useQueryClient();
  return (
    <ConfirmButton
      size="sm"
      label="Revoke"
      title={`Revoke ${token.name}?`}
      confirm={`Revoke ${token.name}`}
      danger
      onConfirm={async () => {
        await api.delete(`/tokens/${token.id}`);
        await client.invalidateQueries({ queryKey: tokenQueries.all });
      }}
    >
      Scripts that use it are refused at once. It cannot be taken back.
    </ConfirmButton>
  );
}
