import type { HostFacts } from "#lib/domain/inventory.ts";
import type { LibvirtClient } from "../client.ts";
import type { LibvirtHost } from "../product.ts";
import { unlessLost } from "./refusals.ts";

export async function readHostFacts(
  client: LibvirtClient,
  host: LibvirtHost,
  product: string,
  signal?: AbortSignal,
): Promise<HostFacts> {
  const [name, version, node, memory, free] = await Promise.all([
    client.hostname(signal),
    client.libVersion(signal),
    client.nodeInfo(signal),
    // Not every driver tells both; libxl knows only what no domain has.
    client.memoryStats(signal).catch(unlessLost(new Map<string, number>())),
    client.freeMemory(signal).catch(unlessLost(null)),
  ]);
  const unused = memory.get("free");
  return {
    kind: "host",
    ref: name,
    name,
    product,
    version: `${Math.floor(version / 1_000_000)}.${Math.floor(version / 1000) % 1000}.${version % 1000}`,
    cpus: node.cpus,
    cpuModel: host.cpuModel ?? node.model,
    arch: host.arch,
    memory: node.memory,
    // Buffers and page cache are given back when a guest wants them.
    memoryFree: unused === undefined ? free : unused + (memory.get("buffers") ?? 0) + (memory.get("cached") ?? 0),
  };
}
