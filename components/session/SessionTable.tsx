"use client";
import type { ReactNode } from "react";
import { Badge } from "#components/ui/Badge.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { Time } from "#components/ui/Time.tsx";
import type { BrowserSession } from "#lib/domain/user.ts";
import { EndSessionButton } from "./actions/EndSessionButton.tsx";

export interface SessionTableProps {
  sessions: readonly BrowserSession[];
  /** Somebody else, whose sessions an administrator looks at. */
  owner?: string;
  /** Nothing can be ended: the reader may only look. */
  readOnly?: boolean;
}

export function SessionTable({ sessions, owner, readOnly = false }: SessionTableProps): ReactNode {
  return (
    <Table label="Sessions">
      <thead>
        <tr>
          <Th>Signed in</Th>
          <Th>From</Th>
          <Th>By</Th>
          <Th>Last used</Th>
          <Th>Ends at the latest</Th>
          <Th>
            <span className="sr-only">Actions</span>
          </Th>
        </tr>
      </thead>
      <tbody>
        {sessions.map((session) => (
          <Tr key={session.id}>
            <Td className="whitespace-nowrap">
              <Time value={session.createdAt} /> {session.current ? <Badge>This browser</Badge> : null}
            </Td>
            <Td>
              <code className="text-xs">{session.address ?? "unknown"}</code>
            </Td>
            <Td>{session.how === "password" ? "Password" : "Single sign-on"}</Td>
            <Td>
              <Time value={session.lastSeenAt} />
            </Td>
            <Td>
              <Time value={session.expiresAt} />
            </Td>
            <Td className="text-right">
              {session.current || readOnly ? null : (
                <EndSessionButton session={session} {...(owner === undefined ? {} : { owner })} />
              )}
            </Td>
          </Tr>
        ))}
      </tbody>
    </Table>
  );
}
