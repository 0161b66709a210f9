"use client";
import Link from "next/link";
import type { ReactNode } from "react";
import { VendorGlyph } from "#components/host/VendorMark.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Meter } from "#components/ui/Meter.tsx";
import { VENDOR_LABEL } from "#lib/domain/hardware.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { Overview } from "#lib/domain/overview.ts";

export function HostCapacity({ storage }: { storage: Overview["storage"] }): ReactNode {
  if (storage.length === 0)
    return <EmptyState title="No storage known yet">Pools appear here once a host is connected.</EmptyState>;
  return (
    <ul>
      {storage.map((row) => (
        <li
          key={row.hostId}
          className="grid grid-cols-1 items-center gap-x-4 sm:grid-cols-[minmax(0,1fr)_minmax(0,1.4fr)] border-b px-4 py-1.5 last:border-b-0"
        >
          <Link
            prefetch={false}
            href={`/hosts/${row.hostId}?tab=storage`}
            className="flex min-w-0 items-center gap-2 hover:underline"
          >
            <VendorGlyph vendor={row.vendor} />
            <span className="truncate" title={`${row.hostName}, ${VENDOR_LABEL[row.vendor]}`}>
              {row.hostName}
            </span>
          </Link>
          {row.capacity !== null && row.free !== null ? (
            <Meter
              used={row.capacity - row.free}
              total={row.capacity}
              label={`Storage of ${row.hostName}`}
              text={`${formatBytes(row.free)} free of ${formatBytes(row.capacity)}`}
            />
          ) : (
            <span className="text-ink-3">The host does not tell its storage</span>
          )}
        </li>
      ))}
    </ul>
  );
}
