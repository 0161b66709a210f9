import type { GuestFacts } from "#lib/domain/guest.ts";
import type { LocatedDisk } from "#lib/library/open-version.ts";

/** One disk that is to be sent: a file of the library, or a disk of the VM that the deployment reads. */
export interface DeployDisk {
  readonly position: number;
  /** Bytes that the guest sees, as last known. */
  readonly virtualSize: number;
  readonly os: GuestFacts["os"];
  readonly from: { readonly stored: LocatedDisk } | { readonly diskId: string };
}
