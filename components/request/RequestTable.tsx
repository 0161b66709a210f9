"use client";

import Link from "next/link";
import { useInfiniteQuery } from "@tanstack/react-query";
import { parseAsBoolean, parseAsStringLiteral, useQueryStates } from "nuqs";
import { RequestStatus } from "#lib/domain/request.ts";
import { formatAgo, formatMoment } from "#lib/format/time.ts";
import { requestQueries } from "#lib/http/queries/request.ts";
import { Button } from "#components/ui/Button.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Select } from "#components/ui/Select.tsx";
import { Switch } from "#components/ui/Switch.tsx";
import { Table, Td, Th, Tr } from "#components/ui/Table.tsx";
import { RequestStatusMark } from "./StatusMark.tsx";

const ANY = "any";

/** All requests, newest first; what waits for a decision is found by one filter. */
export function RequestTable() {
  const [filter, setFilter] = useQueryStates({
    status: parseAsStringLiteral(RequestStatus.options),
    mine: parseAsBoolean.withDefault(false),
  });
  const requests = useInfiniteQuery(requestQueries.list({ status: filter.status, mine: filter.mine }));
  const items = requests.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <div className="space-y-3">
      <div className="flex flex-wrap items-center gap-3">
        <div className="w-52">
          <Select
            aria-label="Status"
            value={filter.status ?? ANY}
            onChange={(value) => void setFilter({ status: RequestStatus.safeParse(value).data ?? null })}
            options={[
              { value: ANY, label: "Any status" },
              ...RequestStatus.options.map((status) => ({ value: status, label: status })),
            ]}
          />
        </div>
        <Switch checked={filter.mine} onChange={(mine) => void setFilter({ mine })} label="Only mine" />
      </div>
      {requests.isError ? <ErrorNotice error={requests.error} onRetry={() => void requests.refetch()} /> : null}
      {requests.isPending ? <p className="text-sm text-ink-3">Reading requests…</p> : null}
      {requests.isSuccess && items.length === 0 ? (
        <EmptyState
          title="No requests"
          actions={
            <Button asChild>
              <Link href="/deploy">Deploy</Link>
            </Button>
          }
        >
          A request asks for VMs from an image; another person approves it, and then it runs. Start one on the Deploy
          page.
        </EmptyState>
      ) : null}
      {items.length === 0 ? null : (
        <Table label="Requests" className="rounded-lg border bg-surface">
          <thead>
            <Tr>
              <Th>Request</Th>
              <Th>Status</Th>
              <Th>Image</Th>
              <Th>VMs</Th>
              <Th>Asked by</Th>
              <Th>When</Th>
            </Tr>
          </thead>
          <tbody>
            {items.map((request) => (
              <Tr key={request.id}>
                <Td>
                  <Link
                    className="font-medium text-accent-ink underline-offset-2 hover:underline"
                    href={`/requests/${request.id}`}
                  >
                    Request {request.number}
                  </Link>
                </Td>
                <Td>
                  <RequestStatusMark status={request.status} />
                </Td>
                <Td>
                  {request.imageName} v{request.imageVersion}
                </Td>
                <Td className="max-w-80 truncate">
                  {request.targets.map((target) => `${target.choice.name} on ${target.hostName}`).join(", ")}
                </Td>
                <Td>{request.requester.name}</Td>
                <Td title={formatMoment(request.createdAt)}>{formatAgo(request.createdAt)}</Td>
              </Tr>
            ))}
          </tbody>
        </Table>
      )}
      {requests.hasNextPage ? (
        <Button disabled={requests.isFetchingNextPage} onClick={() => void requests.fetchNextPage()}>
          Show older requests
        </Button>
      ) : null}
    </div>
  );
}
