/** Hosts, datastores and networks as the product shows them. */
import type { HostFacts, InventoryItem, Network, StoragePool } from "#lib/domain/inventory.ts";
import { inSlices } from "#lib/wire/slices.ts";
import { sortByText } from "#lib/wire/sort-in-slices.ts";
import { datacenterOf, type Datastore, type Infrastructure, type VimNetwork } from "./infrastructure.ts";
import type { VimClient } from "./vim-client.ts";

/** The vCenter as one host: what all its ESXi hosts have together. */
function hostFacts(client: VimClient, infra: Infrastructure): HostFacts {
  const { about } = client;
  const hosts = [...infra.hosts.values()];
  const sum = (figure: (host: (typeof hosts)[number]) => number) =>
    hosts.reduce((total, host) => total + figure(host), 0);
  const models = [...new Set(hosts.flatMap((host) => host.cpuModel ?? []))];
  const memory = sum((host) => host.memory);
  return {
    kind: "host",
    ref: about.instanceUuid === "" ? (hosts[0]?.ref.id ?? client.name) : about.instanceUuid,
    name: client.isVcenter ? client.connection.host : (hosts[0]?.name ?? client.connection.host),
    product: client.isVcenter ? "VMware vCenter Server" : "VMware ESXi",
    version: about.build === "" ? about.version : `${about.version} build ${about.build}`,
    cpus: sum((host) => host.threads) || null,
    cpuModel: models.length === 1 ? (models[0] ?? null) : models.length === 0 ? null : `${models.length} models`,
    arch: "x86_64",
    memory: memory || null,
    memoryFree: memory === 0 ? null : Math.max(0, memory - sum((host) => host.memoryUsed)),
  };
}

/** Names that two data centres share get that of their data centre. */
function labels<T extends { readonly name: string; readonly parent: string | null }>(
  infra: Infrastructure,
  items: readonly T[],
): (item: T) => string {
  const count = new Map<string, number>();
  for (const { name } of items) count.set(name, (count.get(name) ?? 0) + 1);
  return (item) => {
    const center = infra.datacenters.get(datacenterOf(infra, item.parent) ?? "");
    return (count.get(item.name) ?? 0) > 1 && center !== undefined ? `${item.name} (${center.name})` : item.name;
  };
}

export function whyNotWritable(infra: Infrastructure, store: Datastore): string | null {
  if (!store.accessible) return `The datastore ${store.name} is not accessible.`;
  if (store.maintenance !== null && store.maintenance !== "normal")
    return `The datastore ${store.name} is in maintenance mode.`;
  const hosts = store.writers.flatMap((id) => infra.hosts.get(id) ?? []);
  if (hosts.length === 0) return `No host can write to the datastore ${store.name}.`;
  if (!hosts.some((host) => host.usable))
    return `No host that is connected and out of maintenance can write to the datastore ${store.name}.`;
  return null;
}

async function storagePools(infra: Infrastructure, signal: AbortSignal | undefined): Promise<StoragePool[]> {
  const stores = [...infra.datastores.values()];
  const label = labels(infra, stores);
  const pools: StoragePool[] = [];
  for await (const store of inSlices(stores, signal)) {
    const why = whyNotWritable(infra, store);
    pools.push({
      kind: "pool",
      ref: store.ref.id,
      name: label(store),
      type: store.type.toLowerCase(),
      capacity: store.capacity,
      free: store.free,
      path: `[${store.name}]`,
      active: store.accessible,
      writable: why === null,
      whyNotWritable: why,
    });
  }
  return sortByText(pools, ({ name }) => name, signal);
}

/** Those that a VM can be put on: no uplinks. */
async function networks(infra: Infrastructure, signal: AbortSignal | undefined): Promise<Network[]> {
  const usable = [...infra.networks.values()].filter((network: VimNetwork) => !network.isUplink);
  const label = labels(infra, usable);
  const found: Network[] = [];
  for await (const network of inSlices(usable, signal)) {
    found.push({
      kind: "network",
      ref: network.ref.id,
      name: label(network),
      type:
        network.distributed === null
          ? network.ref.type === "OpaqueNetwork"
            ? "opaque"
            : "portgroup"
          : "distributed portgroup",
      active: network.accessible,
      bridge: network.distributed?.switchName ?? null,
    });
  }
  return sortByText(found, ({ name }) => name, signal);
}

export async function structureItems(
  client: VimClient,
  infra: Infrastructure,
  signal?: AbortSignal,
): Promise<InventoryItem[]> {
  return [hostFacts(client, infra), ...(await storagePools(infra, signal)), ...(await networks(infra, signal))];
}
