"use client";
import { useQuery } from "@tanstack/react-query";
import { KeyRound } from "lucide-react";
import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";
import { Card } from "#components/ui/Card.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time, useNow } from "#components/ui/Time.tsx";
import { ROLE_LABEL } from "#lib/domain/role.ts";
import { tokenQueries } from "#lib/http/queries/user.ts";
import { AddTokenButton } from "./actions/AddTokenButton.tsx";
import { RevokeTokenButton } from "./actions/RevokeTokenButton.tsx";

export function TokenList(): ReactNode {
  const tokens = useQuery(tokenQueries.list());
  const now = useNow();
  if (tokens.error) return <ErrorNotice error={tokens.error} onRetry={() => void tokens.refetch()} />;
  if (!tokens.data) return <Skeleton words="Reading your API tokens…" />;
  return (
    <Card title="Your API tokens" flush actions={<AddTokenButton />}>
      {tokens.data.length === 0 ? (
        <EmptyState icon={<KeyRound />} title="No API tokens">
          A token lets a script or the command line act for you, with your role or a lesser one, until it expires.
        </EmptyState>
      ) : (
        <Table label="API tokens">
          <thead>
            <tr>
              <Th>Name</Th>
              <Th>Begins with</Th>
              <Th>Role</Th>
              <Th>Made</Th>
              <Th>Expires</Th>
              <Th>Last used</Th>
              <Th>
                <span className="sr-only">Actions</span>
              </Th>
            </tr>
          </thead>
          <tbody>
            {tokens.data.map((token) => (
              <Tr key={token.id}>
                <Td className="font-medium">{token.name}</Td>
                <Td>
                  <code className="text-xs">{token.prefix}…</code>
                </Td>
                <Td>{ROLE_LABEL[token.role]}</Td>
                <Td>
                  <Time value={token.createdAt} />
                </Td>
                <Td>
                  {Date.parse(token.expiresAt) < now ? (
                    <Badge tone="warn">Expired</Badge>
                  ) : (
                    <Time value={token.expiresAt} />
                  )}
                </Td>
                <Td>{token.lastUsedAt ? <Time value={token.lastUsedAt} /> : "Never"}</Td>
                <Td className="text-right">
                  <RevokeTokenButton token={token} />
                </Td>
              </Tr>
            ))}
          </tbody>
        </Table>
      )}
    </Card>
  );
}
