/** What the rules look at. Plain data, so that preflight runs on the server and in the page alike. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { SourceFormatId } from "#lib/domain/disk-format.ts";
import type { Finding } from "#lib/domain/finding.ts";
import type { GuestFacts } from "#lib/domain/guest.ts";
import type { HostFacts, Network, StoragePool, Vm } from "#lib/domain/inventory.ts";
import type { HardwareHints } from "#lib/domain/image.ts";
import type { Vendor } from "#lib/domain/hardware.ts";
import type { TargetChoice } from "#lib/domain/request.ts";

export interface PreflightImage {
  readonly name: string;
  readonly hints: HardwareHints;
  /** In boot order. Bytes. What nobody has read is null: unknown, which is not the same as no. */
  readonly disks: readonly {
    readonly virtualSize: number;
    readonly format: SourceFormatId | null;
    readonly guest: GuestFacts | null;
    readonly dataBytes: number | null;
    /** What a person should know of it, as the image's page says it. */
    readonly notes: readonly string[];
  }[];
  /** The disks are a VM's and are read while the job runs; null: they lie in the library. */
  readonly source: PreflightSource | null;
  /** Why its files in the library cannot be read, in words without a full stop; none: they can. */
  readonly faults: readonly string[];
}

/** The VM that disks are read from, as its host was last seen. */
export interface PreflightSource {
  readonly hostName: string;
  readonly vmName: string;
  readonly online: boolean;
  readonly staleSince: string | null;
  /** Null: the host has never told what it can. */
  readonly captureRunning: boolean | null;
  /** Null: it is not there any more. */
  readonly vm: Vm | null;
  readonly diskIds: readonly string[];
  /** From the host's word for the guest. */
  readonly os: GuestFacts["os"];
}

export interface PreflightHost {
  readonly id: string;
  readonly name: string;
  readonly vendor: Vendor;
  readonly simulated: boolean;
  readonly online: boolean;
  readonly staleSince: string | null;
  readonly facts: HostFacts | null;
  /** Null: the host has never told. */
  readonly capabilities: HostCapabilities | null;
  readonly pools: readonly StoragePool[];
  readonly networks: readonly Network[];
  readonly vmNames: readonly string[];
}

export interface PreflightContext {
  readonly image: PreflightImage;
  readonly host: PreflightHost;
  readonly choice: TargetChoice;
  /** Bytes that the disks will take in the pool; null while unknown. */
  readonly storedBytes: number | null;
}

/** A context whose host has told what it can take: most rules begin here. */
export type KnownContext = PreflightContext & {
  readonly host: PreflightHost & { readonly capabilities: HostCapabilities };
};

export interface PreflightRule {
  /** Stable; the documentation and the audit trail name it. */
  readonly id: string;
  /** One line for the documentation. */
  readonly about: string;
  check(ctx: KnownContext): Omit<Finding, "rule">[];
}
