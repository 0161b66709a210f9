import Link from "next/link";
import type { LinkedSource } from "#lib/domain/image.ts";

/** "on esx-1, not copied: web-01" */
export function VmOfLink({
  source,
}: {
  readonly source: Pick<LinkedSource, "hostId" | "hostName" | "vmRef" | "vmName">;
}) {
  return (
    <>
      on {source.hostName}, not copied:{" "}
      <Link
        className="text-accent-ink underline underline-offset-2"
        href={`/vms/${encodeURIComponent(source.hostId)}/${encodeURIComponent(source.vmRef)}`}
      >
        {source.vmName}
      </Link>
    </>
  );
}
