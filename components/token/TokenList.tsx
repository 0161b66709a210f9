"use client";
import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import { Card } from "#components/ui/Card.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { tokenQueries } from "#lib/http/queries/user.ts";
import { AddTokenButton } from "./actions/AddTokenButton.tsx";
import { RevokeTokenButton } from "./actions/RevokeTokenButton.tsx";
import { TokenTable } from "./TokenTable.tsx";

export function TokenList(): ReactNode {
  const tokens = useQuery(tokenQueries.list());
  if (tokens.error) return <ErrorNotice error={tokens.error} onRetry={() => void tokens.refetch()} />;
  if (!tokens.data) return <Skeleton words="Reading your API tokens…" />;
  return (
    <Card title="Your API tokens" flush actions={<AddTokenButton />}>
      {tokens.data.length === 0 ? (
        <EmptyState icon={<KeyRound />} title="No API tokens">
          A token lets a script or the command line act for you, with your role or a lesser one, until it expires.
        </EmptyState>
      ) : (
        <TokenTable tokens={tokens.data} actions={(token) => <RevokeTokenButton token={token} />} />
      )}
    </Card>
  );
}
