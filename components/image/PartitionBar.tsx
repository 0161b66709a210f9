import type { GuestFacts } from "#lib/domain/guest.ts";
import { formatBytes } from "#lib/format/bytes.ts";

interface PartitionBarProps {
  readonly guest: GuestFacts;
  /** Bytes. */
  readonly size: number;
}

/** Smallest share that a partition is drawn with, so that a 1 MiB boot partition of a 100 GiB disk is still seen. */
const LEAST = 0.015;

/** The disk from its first to its last byte, to scale: partitions with their file systems, and what is free between. */
export function PartitionBar({ guest, size }: PartitionBarProps) {
  const sorted = [...guest.partitions].sort((a, b) => a.start - b.start);
  const pieces: { key: string; share: number; partition: (typeof sorted)[number] | null; length: number }[] = [];
  let at = 0;
  for (const partition of sorted) {
    if (partition.start > at)
      pieces.push({
        key: `free-${at}`,
        share: (partition.start - at) / size,
        partition: null,
        length: partition.start - at,
      });
    pieces.push({
      key: `part-${partition.index}`,
      share: Math.max(LEAST, partition.length / size),
      partition,
      length: partition.length,
    });
    at = Math.max(at, partition.start + partition.length);
  }
  if (at < size) pieces.push({ key: `free-${at}`, share: (size - at) / size, partition: null, length: size - at });
  const shown = pieces.filter((piece) => piece.partition !== null || piece.share > 0.002);
  const label =
    sorted.length === 0
      ? "No partition table"
      : `${guest.partitionTable.toUpperCase()} with ${sorted.length} partitions: ${sorted.map((p) => `${p.type} ${formatBytes(p.length)}`).join(", ")}`;
  return (
    <figure className="space-y-1.5">
      <div
        role="img"
        aria-label={label}
        className="flex h-9 w-full overflow-hidden rounded-sm border border-line bg-sunken"
      >
        {shown.map((piece) => (
          <div
            key={piece.key}
            style={{ flexGrow: piece.share * 1000, flexBasis: 0 }}
            title={
              piece.partition === null
                ? `Free, ${formatBytes(piece.length)}`
                : `${piece.partition.type}, ${formatBytes(piece.length)}`
            }
            className={
              piece.partition === null
                ? "min-w-0 border-r border-line last:border-r-0"
                : "min-w-1 border-r border-line bg-raised px-1.5 py-0.5 text-2xs last:border-r-0"
            }
          >
            {piece.partition !== null && piece.share > 0.08 ? (
              <>
                <div className="truncate font-medium">
                  {piece.partition.name ?? piece.partition.label ?? piece.partition.type}
                </div>
                <div className="truncate text-ink-3">
                  {piece.partition.fileSystem ?? "?"} {formatBytes(piece.partition.length)}
                </div>
              </>
            ) : null}
          </div>
        ))}
      </div>
      <figcaption className="text-xs text-ink-3">
        {guest.partitionTable === "none"
          ? "No partition table"
          : `${guest.partitionTable.toUpperCase()}, ${sorted.length} partitions, ${formatBytes(size)}${guest.sectorSize === 512 ? "" : `, ${guest.sectorSize / 1024} KiB sectors`}`}
      </figcaption>
    </figure>
  );
}
