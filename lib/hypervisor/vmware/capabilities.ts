/** What this vCenter or ESXi host takes, from what it tells now. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { DiskBus } from "#lib/domain/hardware.ts";
import { NO_OPTIONS, readConfigOptions, type ConfigOptions } from "./config-options.ts";
import type { Infrastructure } from "./infrastructure.ts";
import {
  MAX_DISK,
  MAX_DISKS,
  MAX_NAME,
  MAX_NICS,
  maximumsOf,
  MIN_MEMORY,
  NVME_VERSION,
  SECURE_BOOT_VERSION,
  versionNumber,
} from "./limits.ts";
import { placements } from "./place.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";

/** Asked of as many clusters and hosts; larger estates are alike. */
const MOST_ASKED = 8;
/** Where no host tells: what ESXi 6.5 takes. */
const OLDEST_VERSION = 13;

export interface Offer {
  readonly capabilities: HostCapabilities;
  /** By the id of the cluster or stand-alone host. */
  readonly options: ReadonlyMap<string, ConfigOptions>;
}

export async function readOffer(client: VimClient, infra: Infrastructure, call: CallOptions = {}): Promise<Offer> {
  const options = new Map<string, ConfigOptions>();
  const asked = [...infra.computes.values()]
    .filter((compute) => compute.hosts.some((id) => infra.hosts.get(id)?.usable === true))
    .slice(0, MOST_ASKED);
  for (const compute of asked) {
    options.set(
      compute.ref.id,
      compute.browser === null ? NO_OPTIONS : await readConfigOptions(client, compute.browser, call),
    );
  }
  return { capabilities: await capabilitiesOf(infra, [...options.values()], call.signal), options };
}

async function capabilitiesOf(
  infra: Infrastructure,
  offered: readonly ConfigOptions[],
  signal: AbortSignal | undefined,
): Promise<HostCapabilities> {
  const versions = [...new Map(offered.flatMap((each) => each.versions).map((each) => [each.key, each])).values()].sort(
    (a, b) => versionNumber(b.key) - versionNumber(a.key),
  );
  const newest = versionNumber(versions[0]?.key ?? "") || OLDEST_VERSION;
  const usable = [...infra.hosts.values()].filter((host) => host.usable);
  const most = maximumsOf(newest);
  const told = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const cpus = told(offered.map((each) => each.maxCpus));
  const memory = told(offered.map((each) => each.maxMemory));
  const nvme: readonly DiskBus[] = newest >= NVME_VERSION ? ["nvme"] : [];
  return {
    diskFormats: ["vmdk"],
    formatOptions: { vmdk: { subformat: "streamOptimized" } },
    placements: await placements(infra, versions, signal),
    buses: ["pvscsi", "sas", "scsi", "sata", ...nvme, "ide"],
    nics: ["vmxnet3", "e1000e", "e1000"],
    firmware: [
      {
        firmware: "bios",
        available: true,
        reason: null,
        bootBuses: ["pvscsi", "sas", "scsi", "sata", "ide"],
        label: "BIOS",
        secureBoot: false,
      },
      {
        firmware: "uefi",
        available: true,
        reason: null,
        bootBuses: ["pvscsi", "sas", "scsi", "sata", ...nvme],
        label: "EFI",
        secureBoot: newest >= SECURE_BOOT_VERSION,
      },
    ],
    limits: {
      // A VM cannot have more CPUs than the largest host has threads.
      maxCpus: Math.min(
        cpus.length === 0 ? most.cpus : Math.max(...cpus),
        usable.reduce((threads, host) => Math.max(threads, host.threads), 0) || most.cpus,
      ),
      maxMemory: memory.length === 0 ? most.memory : Math.max(...memory),
      minMemory: MIN_MEMORY,
      maxDiskSize: { vmdk: MAX_DISK },
      maxDisks: MAX_DISKS,
      maxNics: MAX_NICS,
      nameMaxLength: MAX_NAME,
      namePattern: "^(?! )[^\\u0000-\\u001f]*[^\\u0000-\\u001f ]$",
    },
    acceleration: "esxi",
    canStartVms: usable.length > 0,
    whyNotStart: usable.length > 0 ? null : "No ESXi host is connected and out of maintenance mode.",
    captureRunning: true,
    packages: [],
    canReadBack: true,
    sparseTransfer: true,
    hasConsoleLog: false,
    simulated: false,
  };
}
