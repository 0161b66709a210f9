"use client";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useMayReason, useSession } from "#components/session/session-context.ts";
import { Badge } from "#components/ui/Badge.tsx";
import { Card } from "#components/ui/Card.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Skeleton } from "#components/ui/Skeleton.tsx";
import { StateMark } from "#components/ui/StateMark.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time } from "#components/ui/Time.tsx";
import { ROLE_LABEL } from "#lib/domain/role.ts";
import { userQueries } from "#lib/http/queries/user.ts";
import { AddUserButton } from "./actions/AddUserButton.tsx";
import { UserMenu } from "./actions/UserMenu.tsx";
import { ROLE_HINT } from "./role-words.ts";

export function UserList(): ReactNode {
  const users = useQuery(userQueries.list());
  const me = useSession().user.id;
  const reason = useMayReason("user.manage");
  if (users.error) return <ErrorNotice error={users.error} onRetry={() => void users.refetch()} />;
  if (!users.data) return <Skeleton words="Reading the users…" />;
  return (
    <Card title="Users" flush actions={<AddUserButton reason={reason} />}>
      <Table label="Users">
        <thead>
          <tr>
            <Th>Name</Th>
            <Th>Email</Th>
            <Th>Role</Th>
            <Th>State</Th>
            <Th>Signs in by</Th>
            <Th>Last sign-in</Th>
            <Th>
              <span className="sr-only">Actions</span>
            </Th>
          </tr>
        </thead>
        <tbody>
          {users.data.map((user) => (
            <Tr key={user.id}>
              <Td className="font-medium whitespace-nowrap">
                {user.name} {user.id === me ? <Badge>You</Badge> : null}
              </Td>
              <Td>{user.email}</Td>
              <Td title={ROLE_HINT[user.role]}>{ROLE_LABEL[user.role]}</Td>
              <Td>
                <StateMark state={user.disabled ? "off" : "on"}>{user.disabled ? "Disabled" : "Active"}</StateMark>
              </Td>
              <Td>{user.hasPassword ? "Password" : "Single sign-on"}</Td>
              <Td>{user.lastSignInAt ? <Time value={user.lastSignInAt} /> : "Never"}</Td>
              <Td className="text-right">
                <UserMenu user={user} me={user.id === me} reason={reason} />
              </Td>
            </Tr>
          ))}
        </tbody>
      </Table>
    </Card>
  );
}
