/** Everything but VMs: data centres, folders, clusters, hosts, pools, datastores, networks, and how they hang together. */
import { AppError } from "#lib/errors.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { at, all, flagAt, numberAt, textAt, type Element } from "#lib/wire/soap/element.ts";
import { shownName } from "./name.ts";
import { retrieveBy, viewSpec, type ObjectValues, type TypePaths } from "./properties.ts";
import { refOf, refsOf, type Ref } from "./ref.ts";
import type { CallOptions, VimClient } from "./vim-client.ts";
import { withView } from "./view.ts";

/** What changes what a VM is called, or where it can go. */
const STRUCTURE: readonly TypePaths[] = [
  { type: "Datacenter", paths: ["name", "parent", "vmFolder"] },
  { type: "Folder", paths: ["name", "parent"] },
  { type: "ComputeResource", paths: ["name", "parent", "host", "resourcePool", "environmentBrowser"] },
  { type: "ClusterComputeResource", paths: ["configuration.drsConfig.enabled"] },
  {
    type: "HostSystem",
    paths: ["name", "parent", "datastore", "network", "runtime.connectionState", "runtime.inMaintenanceMode"],
  },
  { type: "ResourcePool", paths: ["name", "parent", "owner"] },
  { type: "Datastore", paths: ["name", "parent", "host", "summary.accessible"] },
  { type: "Network", paths: ["name", "parent", "summary.accessible"] },
  { type: "DistributedVirtualPortgroup", paths: ["key", "config.distributedVirtualSwitch", "tag"] },
  { type: "DistributedVirtualSwitch", paths: ["name", "uuid"] },
];

/** Read now and then: these change all the time. */
const FIGURES: readonly TypePaths[] = [
  { type: "HostSystem", paths: ["summary.hardware", "summary.config.product", "summary.quickStats"] },
  { type: "Datastore", paths: ["summary"] },
];

const STRUCTURE_TYPES = [
  "Datacenter",
  "Folder",
  "ComputeResource",
  "ClusterComputeResource",
  "HostSystem",
  "ResourcePool",
  "VirtualApp",
  "Datastore",
  "Network",
  "DistributedVirtualPortgroup",
  "OpaqueNetwork",
  "DistributedVirtualSwitch",
  "VmwareDistributedVirtualSwitch",
] as const;

const NETWORKS: ReadonlySet<string> = new Set(["Network", "DistributedVirtualPortgroup", "OpaqueNetwork"]);

/** vCenter's own limits add up to some ten thousand hosts, clusters, datastores and networks. */
const MOST_OBJECTS = 100_000;

/** What only a vCenter knows; an ESXi host may refuse to be asked of it. */
const VCENTER_ONLY = /Cluster|VirtualApp|Distributed|Opaque/;

/** Types and paths to ask this host for, and those of its container view. */
export function structureOf(client: VimClient): {
  readonly types: readonly string[];
  readonly paths: readonly TypePaths[];
} {
  const known = (type: string) => client.isVcenter || !VCENTER_ONLY.test(type);
  return { types: STRUCTURE_TYPES.filter(known), paths: STRUCTURE.filter(({ type }) => known(type)) };
}

interface Entity {
  readonly ref: Ref;
  readonly name: string;
  readonly parent: string | null;
}

export interface EsxHost extends Entity {
  readonly datastores: readonly string[];
  readonly networks: readonly string[];
  /** Connected, and takes VMs. */
  readonly usable: boolean;
  readonly threads: number;
  readonly cpuModel: string | null;
  readonly memory: number;
  /** Bytes. */
  readonly memoryUsed: number;
  readonly version: string | null;
}

export interface Compute extends Entity {
  readonly hosts: readonly string[];
  readonly rootPool: Ref | null;
  readonly browser: Ref | null;
  readonly isCluster: boolean;
  /** The cluster chooses the host of a new VM itself. */
  readonly drs: boolean;
}

export interface Pool extends Entity {
  /** The cluster or host that it divides. */
  readonly owner: string | null;
}

export interface Datastore extends Entity {
  readonly type: string;
  readonly capacity: number | null;
  readonly free: number | null;
  readonly accessible: boolean;
  readonly maintenance: string | null;
  /** Hosts that can write to it. */
  readonly writers: readonly string[];
}

export interface VimNetwork extends Entity {
  readonly accessible: boolean;
  /** Port group of a distributed switch; null: of a host's own switch. */
  readonly distributed: { readonly switchName: string; readonly switchUuid: string; readonly key: string } | null;
  readonly isUplink: boolean;
}

export interface Infrastructure {
  /** Stands for many hosts. */
  readonly isVcenter: boolean;
  readonly datacenters: ReadonlyMap<string, Entity & { readonly vmFolder: Ref | null }>;
  readonly folders: ReadonlyMap<string, Entity>;
  readonly computes: ReadonlyMap<string, Compute>;
  readonly hosts: ReadonlyMap<string, EsxHost>;
  readonly pools: ReadonlyMap<string, Pool>;
  readonly datastores: ReadonlyMap<string, Datastore>;
  readonly networks: ReadonlyMap<string, VimNetwork>;
}

export async function readInfrastructure(client: VimClient, options: CallOptions = {}): Promise<Infrastructure> {
  const { types, paths } = structureOf(client);
  return withView(client, types, options, async (view) => {
    const found: ObjectValues[] = [];
    const specs = viewSpec("specSet", [...paths, ...FIGURES], view);
    for await (const object of retrieveBy(client, specs, options)) {
      found.push(object);
      if (found.length > MOST_OBJECTS)
        throw new AppError(
          "unavailable",
          "host.protocol",
          `${client.name} tells of more than ${MOST_OBJECTS} objects.`,
        );
    }
    return arrange(found, client.isVcenter, options.signal);
  });
}

/** How they hang together, one by one. */
export async function arrange(
  objects: readonly ObjectValues[],
  isVcenter: boolean,
  signal?: AbortSignal,
): Promise<Infrastructure> {
  const datacenters = new Map<string, Entity & { readonly vmFolder: Ref | null }>();
  const folders = new Map<string, Entity>();
  const computes = new Map<string, Compute>();
  const hosts = new Map<string, EsxHost>();
  const pools = new Map<string, Pool>();
  const datastores = new Map<string, Datastore>();
  const networks = new Map<string, VimNetwork>();
  const switches = new Map<string, { readonly name: string; readonly uuid: string }>();
  const portGroups: ObjectValues[] = [];
  for await (const object of inSlices(objects, signal)) {
    const { type, id } = object.ref;
    if (type.endsWith("DistributedVirtualSwitch"))
      switches.set(id, { name: entity(object).name, uuid: object.values.get("uuid")?.text ?? "" });
    else if (type === "Datacenter")
      datacenters.set(id, { ...entity(object), vmFolder: refOf(object.values.get("vmFolder")) });
    else if (type === "Folder") folders.set(id, entity(object));
    else if (type === "ComputeResource" || type === "ClusterComputeResource") computes.set(id, compute(object));
    else if (type === "HostSystem") hosts.set(id, host(object));
    else if (type === "ResourcePool" || type === "VirtualApp")
      pools.set(id, { ...entity(object), owner: object.values.get("owner")?.text ?? null });
    else if (type === "Datastore") datastores.set(id, datastore(object));
    else if (NETWORKS.has(type)) portGroups.push(object);
  }
  // Their switches may come after them.
  for await (const object of inSlices(portGroups, signal)) networks.set(object.ref.id, network(object, switches));
  return { isVcenter, datacenters, folders, computes, hosts, pools, datastores, networks };
}

function entity({ ref, values }: ObjectValues): Entity {
  return { ref, name: shownName(values.get("name")?.text ?? ref.id), parent: values.get("parent")?.text ?? null };
}

function compute(object: ObjectValues): Compute {
  const { values } = object;
  return {
    ...entity(object),
    hosts: refsOf(values.get("host")).map((each) => each.id),
    rootPool: refOf(values.get("resourcePool")),
    browser: refOf(values.get("environmentBrowser")),
    isCluster: object.ref.type === "ClusterComputeResource",
    drs: values.get("configuration.drsConfig.enabled")?.text === "true",
  };
}

function host(object: ObjectValues): EsxHost {
  const { values } = object;
  const hardware = values.get("summary.hardware");
  return {
    ...entity(object),
    datastores: refsOf(values.get("datastore")).map((each) => each.id),
    networks: refsOf(values.get("network")).map((each) => each.id),
    usable:
      values.get("runtime.connectionState")?.text === "connected" &&
      values.get("runtime.inMaintenanceMode")?.text !== "true",
    threads: numberAt(hardware, "numCpuThreads") ?? 0,
    cpuModel: textAt(hardware, "cpuModel"),
    memory: numberAt(hardware, "memorySize") ?? 0,
    // quickStats are in MiB.
    memoryUsed: (numberAt(values.get("summary.quickStats"), "overallMemoryUsage") ?? 0) * 1024 ** 2,
    version: textAt(values.get("summary.config.product"), "version"),
  };
}

function datastore(object: ObjectValues): Datastore {
  const summary = object.values.get("summary");
  const mounts = object.values.get("host")?.children ?? [];
  return {
    ...entity(object),
    type: textAt(summary, "type") ?? "unknown",
    capacity: numberAt(summary, "capacity"),
    free: numberAt(summary, "freeSpace"),
    accessible: flagAt(summary, "accessible") ?? false,
    maintenance: textAt(summary, "maintenanceMode"),
    writers: mounts.flatMap((mount) => (isWritable(mount) ? (textAt(mount, "key") ?? []) : [])),
  };
}

function isWritable(mount: Element): boolean {
  const info = at(mount, "mountInfo");
  return (
    textAt(info, "accessMode") !== "readOnly" &&
    flagAt(info, "mounted") !== false &&
    flagAt(info, "accessible") !== false
  );
}

function network(object: ObjectValues, switches: ReadonlyMap<string, { name: string; uuid: string }>): VimNetwork {
  const { values, ref } = object;
  const on = switches.get(values.get("config.distributedVirtualSwitch")?.text ?? "");
  const tags = all(values.get("tag"), "Tag").flatMap((tag) => textAt(tag, "key") ?? []);
  return {
    ...entity(object),
    accessible: values.get("summary.accessible")?.text !== "false",
    distributed:
      ref.type === "DistributedVirtualPortgroup" && on !== undefined
        ? { switchName: on.name, switchUuid: on.uuid, key: values.get("key")?.text ?? ref.id }
        : null,
    isUplink: tags.includes("SYSTEM/DVS.UPLINKPG") || /-DVUplinks-\d+$/.test(entity(object).name),
  };
}

/** Id of the data centre that something lies in; null: in none. */
export function datacenterOf(infra: Infrastructure, id: string | null): string | null {
  let here = id;
  // A tree: deeper than this it would be a loop.
  for (let depth = 0; here !== null && depth < 64; depth += 1) {
    if (infra.datacenters.has(here)) return here;
    here = parentOf(infra, here);
  }
  return null;
}

function parentOf(infra: Infrastructure, id: string): string | null {
  for (const kind of [
    infra.folders,
    infra.datastores,
    infra.pools,
    infra.computes,
    infra.hosts,
    infra.networks,
  ] as const) {
    const found: Entity | undefined = kind.get(id);
    if (found !== undefined) return found.parent;
  }
  return null;
}

/** As `/folder` wants it: `Europe/Berlin`, without the root of all folders. */
export function datacenterPath(infra: Infrastructure, id: string): string {
  const center = infra.datacenters.get(id);
  const names = center === undefined ? [] : [center.name];
  let here = center?.parent ?? null;
  for (let depth = 0; here !== null && depth < 64; depth += 1) {
    const folder = infra.folders.get(here);
    if (folder === undefined || folder.parent === null) break;
    names.push(folder.name);
    here = folder.parent;
  }
  return names.reverse().join("/");
}

/** `Web/Production` in a data centre's VM folder; with more than one data centre its name stands before. */
export function folderPath(infra: Infrastructure, id: string | null): string | null {
  const names: string[] = [];
  let here = id;
  for (let depth = 0; here !== null && depth < 64; depth += 1) {
    const center = infra.datacenters.get(here);
    if (center !== undefined) {
      // The folder of all VMs of a data centre is called `vm` everywhere.
      names.pop();
      return [...(infra.datacenters.size > 1 ? [center.name] : []), ...names.reverse()].join("/") || null;
    }
    const folder = infra.folders.get(here);
    if (folder === undefined) return names.length === 0 ? null : names.reverse().join("/");
    names.push(folder.name);
    here = folder.parent;
  }
  return null;
}
