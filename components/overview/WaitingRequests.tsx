"use client";
import { useQuery } from "@tanstack/react-query";
import Link from "next/link";
import type { ReactNode } from "react";
import { ErrorNotice } from "#components/ui/ErrorNotice.tsx";
import { Time } from "#components/ui/Time.tsx";
import { requestQueries } from "#lib/http/queries/request.ts";

export function WaitingRequests(): ReactNode {
  const requests = useQuery(requestQueries.some({ status: "pending" }, 6));
  if (requests.error)
    return <ErrorNotice error={requests.error} className="m-4" onRetry={() => void requests.refetch()} />;
  if (!requests.data) return <p className="px-4 py-3 text-ink-2">Reading requests…</p>;
  if (requests.data.items.length === 0) return <p className="px-4 py-3 text-ink-2">No request is waiting.</p>;
  return (
    <ul>
      {requests.data.items.map((request) => (
        <li key={request.id} className="border-b last:border-b-0">
          <Link
            prefetch={false}
            href={`/requests/${request.id}`}
            className="flex min-h-8 items-center gap-3 px-4 py-1 outline-offset-[-2px] hover:bg-hover"
          >
            <span className="text-ink-3">#{request.number}</span>
            <span className="min-w-0 grow truncate">
              {request.imageName} to {request.targets.map((target) => target.hostName).join(", ")}
            </span>
            <span className="hidden truncate text-ink-2 sm:inline">{request.requester.name}</span>
            <span className="text-xs text-ink-3">
              <Time value={request.createdAt} />
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
