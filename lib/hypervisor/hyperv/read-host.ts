/** The host itself, its volumes and switches, and what it can take. */
import type { HostCapabilities } from "#lib/domain/capabilities.ts";
import type { HostFacts, Network, StoragePool } from "#lib/domain/inventory.ts";
import { AppError } from "#lib/errors.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { type CimInstance, number, text, texts } from "#lib/wire/wsman/cim.ts";
import { WsmanFault } from "#lib/wire/wsman/fault.ts";
import { CIMV2, type HypervSession } from "./session.ts";

const GiB = 1024 ** 3;
const TiB = 1024 ** 4;
const KiB = 1024;
const ARM = "aarch64";
const FIXED_DISK = 3;
/** WBEM_E_INVALID_NAMESPACE */
const NO_NAMESPACE = 0x8004100e;

export interface HypervHost {
  readonly facts: HostFacts;
  /** Windows' build number: 14393 is 2016, 17763 is 2019, 20348 is 2022, 26100 is 2025. */
  readonly build: number;
  /** The host's own name, as paths of objects begin. */
  readonly computerName: string;
  /** `D:\Hyper-V\Virtual Hard Disks` */
  readonly defaultFolder: string;
  /** Null: no node of a failover cluster. */
  readonly cluster: Cluster | null;
}

interface Cluster {
  readonly name: string;
  /** Names of the machines that the cluster moves when this node fails. */
  readonly roles: ReadonlySet<string>;
}

const CLUSTER = "root/mscluster";
/** GroupType of a clustered role that is a virtual machine. */
const VIRTUAL_MACHINE = 111;

async function readCluster(session: HypervSession, doing: string, signal?: AbortSignal): Promise<Cluster | null> {
  const [cluster] = await session.queryIfThere(CLUSTER, "SELECT * FROM MSCluster_Cluster", doing, signal);
  const name = text(cluster, "Name");
  if (name === null) return null;
  const groups = await session.queryIfThere(
    CLUSTER,
    `SELECT Name, GroupType FROM MSCluster_ResourceGroup WHERE GroupType = ${VIRTUAL_MACHINE}`,
    doing,
    signal,
  );
  return { name, roles: new Set(groups.map((group) => text(group, "Name") ?? "")) };
}

/** `64-bit`, `32-bit`, in other languages `64 bits`; `ARM 64-bit Processor`. */
function archOf(told: string): string {
  if (/ARM/i.test(told)) return ARM;
  return told.startsWith("32") ? "i686" : "x86_64";
}

export async function readHost(session: HypervSession, signal?: AbortSignal): Promise<HypervHost> {
  const doing = "Reading the host";
  const [computer] = await session.query(CIMV2, "SELECT * FROM Win32_ComputerSystem", doing, signal);
  const [system] = await session.query(CIMV2, "SELECT * FROM Win32_OperatingSystem", doing, signal);
  const [processor] = await session.query(CIMV2, "SELECT * FROM Win32_Processor", doing, signal);
  const service = await readService(session, doing, signal);
  const name = text(computer, "Name") ?? session.connection.host;
  const free = number(system, "FreePhysicalMemory");
  return {
    facts: {
      kind: "host",
      ref: name,
      name,
      product: `Hyper-V on ${text(system, "Caption") ?? "Windows"}`,
      version: text(system, "Version") ?? "unknown",
      cpus: number(computer, "NumberOfLogicalProcessors"),
      cpuModel: text(processor, "Name"),
      arch: archOf(text(system, "OSArchitecture") ?? ""),
      memory: number(computer, "TotalPhysicalMemory"),
      memoryFree: free === null ? null : free * KiB,
    },
    build: Number(text(system, "BuildNumber") ?? 0) || 0,
    computerName: name,
    cluster: await readCluster(session, doing, signal),
    defaultFolder: withoutBackslash(text(service, "DefaultVirtualHardDiskPath") ?? "C:\\ProgramData\\Hyper-V"),
  };
}

/**
 * Who may not use Hyper-V is told of nothing by it, without an error. Throws `host.no-hyperv`, `host.forbidden`.
 */
async function readService(session: HypervSession, doing: string, signal?: AbortSignal): Promise<CimInstance> {
  let found: readonly CimInstance[];
  try {
    found = await session.all("Msvm_VirtualSystemManagementServiceSettingData", doing, signal);
  } catch (error) {
    const fault = error instanceof AppError ? error.cause : null;
    if (!(fault instanceof WsmanFault)) throw error;
    if (fault.subcode !== "DestinationUnreachable" && fault.number !== NO_NAMESPACE) throw error;
    throw new AppError("unprocessable", "host.no-hyperv", `${session.connection.host} has no Hyper-V.`, {
      hint: "Add the Hyper-V role (Windows Server) or feature (Windows 10 and 11), and restart the host.",
      cause: error,
    });
  }
  const [service] = found;
  if (service === undefined)
    throw new AppError("unprocessable", "host.forbidden", `${session.connection.host} lets this account see no VMs.`, {
      hint: "Put the account into the group Hyper-V Administrators.",
    });
  return service;
}

/** A pool is a drive or a shared volume of a cluster; its `path` is the folder on it that new disks go into. */
export async function readPools(
  session: HypervSession,
  host: HypervHost,
  signal?: AbortSignal,
): Promise<StoragePool[]> {
  const doing = "Reading the drives";
  const folderOn = (root: string): string =>
    isOn(host.defaultFolder, root) ? host.defaultFolder : `${root}\\Hyper-V\\Virtual Hard Disks`;
  const pool = (ref: string, label: string | null, drive: CimInstance, capacity: string): StoragePool => ({
    kind: "pool",
    ref,
    name: label === null ? ref : `${ref} ${label}`,
    type: (text(drive, "FileSystem") ?? "unknown").toLowerCase(),
    capacity: number(drive, capacity),
    free: number(drive, "FreeSpace"),
    path: folderOn(ref),
    active: true,
    writable: true,
    whyNotWritable: null,
  });
  const drives = await session.query(
    CIMV2,
    `SELECT * FROM Win32_LogicalDisk WHERE DriveType = ${FIXED_DISK}`,
    doing,
    signal,
  );
  const pools = drives.map((drive) => pool(text(drive, "DeviceID") ?? "", text(drive, "VolumeName"), drive, "Size"));
  if (host.cluster === null) return pools;
  const shared = await session.queryIfThere(
    CIMV2,
    "SELECT * FROM Win32_Volume WHERE FileSystem = 'CSVFS'",
    doing,
    signal,
  );
  return [
    ...pools,
    ...shared.map((volume) =>
      pool(withoutBackslash(text(volume, "Name") ?? ""), text(volume, "Label"), volume, "Capacity"),
    ),
  ];
}

/** Folders may be written with one or more at their end. */
function withoutBackslash(path: string): string {
  let end = path.length;
  while (path[end - 1] === "\\") end -= 1;
  return path.slice(0, end);
}

const isOn = (path: string, root: string): boolean => path.toLowerCase().startsWith(`${root.toLowerCase()}\\`);

/** The drive or shared volume that a path lies on, by the pools' refs. */
export function poolOf(path: string): string | null {
  const shared = /^[A-Za-z]:\\ClusterStorage\\[^\\]+/i.exec(path)?.[0];
  return shared ?? /^[A-Za-z]:/.exec(path)?.[0].toUpperCase() ?? null;
}

/** Bytes of what a folder lies on; null: the host does not tell. */
export async function readSpace(
  session: HypervSession,
  host: HypervHost,
  folder: string,
): Promise<{ capacity: number; free: number } | null> {
  const ref = poolOf(folder);
  const pool = (await readPools(session, host)).find((each) => each.ref === ref);
  return pool?.capacity == null || pool.free === null ? null : { capacity: pool.capacity, free: pool.free };
}

export async function readNetworks(session: HypervSession, signal?: AbortSignal): Promise<Network[]> {
  const doing = "Reading the virtual switches";
  const switches = await session.all("Msvm_VirtualEthernetSwitch", doing, signal);
  const ports = await session.all("Msvm_EthernetPortAllocationSettingData", doing, signal);
  return networksOf(switches, ports, signal);
}

/** A switch's own ports say what it is connected to beside VMs: the switch's id stands in theirs. */
const OWN_PORT = /^Microsoft:([^\\]*)\\/;

export async function networksOf(
  switches: readonly CimInstance[],
  ports: readonly CimInstance[],
  signal?: AbortSignal,
): Promise<Network[]> {
  const kinds = new Map<string, "external" | "internal">();
  for await (const port of inSlices(ports, signal)) {
    const id = OWN_PORT.exec(text(port, "InstanceID") ?? "")?.[1];
    if (id === undefined || kinds.get(id) === "external") continue;
    const ends = texts(port, "HostResource");
    if (ends.some((end) => /Msvm_(External|WiFi)EthernetPort/i.test(end) || /:Msvm_WiFiPort/i.test(end)))
      kinds.set(id, "external");
    else if (ends.some((end) => end.includes(":Msvm_ComputerSystem"))) kinds.set(id, "internal");
  }
  const networks: Network[] = [];
  for await (const each of inSlices(switches, signal)) {
    const id = text(each, "Name") ?? "";
    networks.push({
      kind: "network",
      ref: id,
      name: text(each, "ElementName") ?? id,
      type: kinds.get(id) ?? "private",
      active: true,
      bridge: null,
    });
  }
  return networks;
}

/** Limits of the release that runs there. Source: "Plan for Hyper-V scalability in Windows Server". */
export function capabilitiesOf(host: HypervHost): HostCapabilities {
  const modern = host.build >= 26100;
  const recent = host.build >= 20348;
  const reason =
    host.facts.arch === ARM ? `${host.facts.name} is an ARM machine, and Hyper-V on it runs no x86 VMs.` : null;
  const can = { available: reason === null, reason };
  return {
    diskFormats: ["vhdx", "vhd"],
    formatOptions: { vhdx: { subformat: "dynamic" }, vhd: { subformat: "dynamic" } },
    placements: [],
    buses: ["scsi", "ide"],
    nics: ["netvsc"],
    firmware: [
      {
        firmware: "bios",
        ...can,
        bootBuses: ["ide"],
        label: "Generation 1 (BIOS)",
        secureBoot: false,
        limits: { maxCpus: 64, maxMemory: 1 * TiB, maxBootDisk: 2 * TiB },
      },
      {
        firmware: "uefi",
        ...can,
        bootBuses: ["scsi"],
        label: "Generation 2 (UEFI)",
        secureBoot: true,
        secureBootTrusts: { windows: "Microsoft Windows", other: "Microsoft UEFI Certificate Authority" },
      },
    ],
    limits: {
      maxCpus: modern ? 2048 : recent ? 1024 : 240,
      maxMemory: modern ? 240 * TiB : 12 * TiB,
      minMemory: 32 * 1024 ** 2,
      maxDiskSize: { vhdx: 64 * TiB, vhd: 2040 * GiB },
      maxDisks: 256,
      maxNics: 8,
      nameMaxLength: 80,
      namePattern: "^[^\\u0000-\\u001f]+$",
    },
    acceleration: "hyperv",
    canStartVms: reason === null,
    whyNotStart: reason,
    captureRunning: true,
    packages: [],
    canReadBack: true,
    sparseTransfer: false,
    hasConsoleLog: false,
    simulated: false,
  };
}
