"use client";
import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time, useNow } from "#components/ui/Time.tsx";
import { ROLE_LABEL } from "#lib/domain/role.ts";
import type { ApiToken } from "#lib/domain/user.ts";

export interface TokenTableProps {
  tokens: readonly ApiToken[];
  actions: (token: ApiToken) => ReactNode;
}

export function TokenTable({ tokens, actions }: TokenTableProps): ReactNode {
  const now = useNow();
  return (
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
        {tokens.map((token) => (
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
            <Td className="text-right">{actions(token)}</Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
