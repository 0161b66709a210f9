"use client";

import { useMemo } from "react";
import Link from "next/link";
import { useRouter } from "next/navigation";
import { useInfiniteQuery } from "@tanstack/react-query";
import { parseAsString, useQueryState } from "nuqs";
import { DISK_FORMAT_LABEL } from "#lib/domain/disk-format.ts";
import type { Image } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { imageQueries } from "#lib/http/queries/image.ts";
import { DataTable, type DataColumn } from "#components/ui/DataTable.tsx";
import { EmptyState } from "#components/ui/EmptyState.tsx";
import { Input } from "#components/ui/Input.tsx";
import { Time } from "#components/ui/Time.tsx";
import { ImageStateMark } from "./ImageStateMark.tsx";
import { bootsWith } from "./boots-with.ts";

const sizeOf = (image: Image): number => image.latest.disks.reduce((sum, disk) => sum + disk.virtualSize, 0);

/** As its disk says, or the host of a disk that nobody has read. */
function guestOf({ latest: { source, disks } }: Image): string | null {
  if (source.kind === "linked") return source.guestOs;
  const [disk] = disks;
  return disk === undefined || disk.linked ? null : (disk.guest.os?.name ?? null);
}

const COLUMNS: readonly DataColumn<Image>[] = [
  {
    id: "name",
    header: "Name",
    width: 220,
    grow: true,
    sortValue: (image) => image.name,
    cell: (image) => (
      <Link className="font-medium text-accent-ink underline-offset-2 hover:underline" href={`/images/${image.id}`}>
        {image.name}
      </Link>
    ),
  },
  {
    id: "state",
    header: "State",
    width: 120,
    sortValue: (image) => (image.latest.faults.length > 0 ? "files missing" : image.latest.state),
    cell: (image) => <ImageStateMark version={image.latest} />,
  },
  {
    id: "version",
    header: "Version",
    width: 90,
    align: "right",
    sortValue: (image) => image.latest.number,
    cell: (image) => `${image.latest.number} of ${image.versionCount}`,
  },
  {
    id: "format",
    header: "Format",
    width: 170,
    sortValue: (image) => image.latest.disks[0]?.format ?? null,
    cell: (image) => {
      const { source, disks } = image.latest;
      if (source.kind === "linked")
        return <span title={`on ${source.hostName}, not copied`}>not copied, on {source.hostName}</span>;
      const [disk] = disks;
      return disk === undefined || disk.linked ? "–" : `${DISK_FORMAT_LABEL[disk.format]} (${disk.variant})`;
    },
  },
  {
    id: "size",
    header: "Size",
    width: 100,
    align: "right",
    sortValue: sizeOf,
    cell: (image) => (image.latest.disks.length === 0 ? "–" : formatBytes(sizeOf(image))),
  },
  {
    id: "guest",
    header: "Guest",
    width: 220,
    sortValue: guestOf,
    cell: (image) => guestOf(image) ?? "–",
  },
  {
    id: "boots",
    header: "Boots with",
    width: 140,
    cell: ({ latest }) => {
      const [disk] = latest.disks;
      if (disk === undefined) return "–";
      return disk.linked ? (latest.hints.firmware?.toUpperCase() ?? "–") : bootsWith(disk.guest);
    },
  },
  { id: "by", header: "By", width: 130, sortValue: (image) => image.createdBy, cell: (image) => image.createdBy },
  {
    id: "when",
    header: "Added",
    width: 110,
    sortValue: (image) => image.createdAt,
    cell: (image) => <Time value={image.createdAt} />,
  },
];

export function ImageTable() {
  const router = useRouter();
  const [q, setQ] = useQueryState("q", parseAsString.withDefault("").withOptions({ throttleMs: 300 }));
  const images = useInfiniteQuery(imageQueries.list(q));
  const rows = useMemo(() => images.data?.pages.flatMap((page) => page.items) ?? [], [images.data]);
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = images;
  return (
    <div className="space-y-2">
      <Input
        aria-label="Find images"
        placeholder="Find images by name"
        className="max-w-72"
        value={q}
        onChange={(event) => void setQ(event.target.value)}
      />
      <div className="overflow-hidden rounded-lg border">
        <DataTable
          label="Images"
          columns={COLUMNS}
          rows={rows}
          rowKey={(image) => image.id}
          loading={images.isPending ? "Reading the library…" : null}
          error={images.error}
          onRetry={() => void images.refetch()}
          onOpen={(image) => router.push(`/images/${image.id}`)}
          onEnd={() => {
            if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
          }}
          maxHeight={640}
          empty={
            <EmptyState title={q === "" ? "The library is empty" : "No image of that name"}>
              {q === ""
                ? "An image is one or more disks with what is known of them, in versions. Drop a disk image above to begin."
                : "Try a part of the name."}
            </EmptyState>
          }
        />
      </div>
    </div>
  );
}
