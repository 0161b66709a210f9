import type { ImageVersion, LinkedSource } from "#lib/domain/image.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import { VmOfLink } from "#components/image/VmOfLink.tsx";

/** Disks that are read from their host while the deploy runs. */
export function LinkedVersionFacts({
  version,
  source,
}: {
  readonly version: ImageVersion;
  readonly source: LinkedSource;
}) {
  return (
    <div className="space-y-3">
      <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-sm">
        <dt className="text-ink-3">Lies</dt>
        <dd className="min-w-0 break-words">
          <VmOfLink source={source} />
        </dd>
        {version.disks.map((disk) => (
          <div key={disk.id} className="contents">
            <dt className="text-ink-3">{source.disks[disk.position]?.label ?? "Disk"}</dt>
            <dd className="tabular-nums">
              {formatBytes(disk.virtualSize)}
              {disk.storedSize === null ? "" : `, ${formatBytes(disk.storedSize)} stored there`}
            </dd>
          </div>
        ))}
        <dt className="text-ink-3">Guest</dt>
        <dd>{source.guestOs ?? "not told by its host"}</dd>
      </dl>
      <p className="text-xs text-ink-3">
        Each target reads the disks from {source.hostName} by itself, as they are when its job runs.
      </p>
    </div>
  );
}
