import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { Discovered, Host, HostDetail } from "#lib/domain/host.ts";
import { Network, StoragePool } from "#lib/domain/inventory.ts";
import { api } from "#lib/http/client.ts";

const onHost = { hostId: z.string(), hostName: z.string() };
export const PoolRow = StoragePool.extend(onHost);
export type PoolRow = z.infer<typeof PoolRow>;
export const NetworkRow = Network.extend(onHost);
export type NetworkRow = z.infer<typeof NetworkRow>;

export const hostQueries = {
  all: ["hosts"] as const,
  list: () =>
    queryOptions({
      queryKey: ["hosts", "list"],
      queryFn: async ({ signal }) => (await api.get("/hosts", z.object({ items: z.array(Host) }), {}, signal)).items,
    }),
  detail: (id: string) =>
    queryOptions({
      queryKey: ["hosts", "detail", id],
      queryFn: ({ signal }) => api.get(`/hosts/${encodeURIComponent(id)}`, HostDetail, {}, signal),
    }),
  /** Hypervisor sockets on the server's own machine. */
  discovered: () =>
    queryOptions({
      queryKey: ["hosts", "discovered"],
      queryFn: async ({ signal }) =>
        (await api.get("/hosts/discover", z.object({ items: z.array(Discovered) }), {}, signal)).items,
    }),
};

export const poolQueries = {
  all: ["pools"] as const,
  /** Null: the pools of every host. */
  list: (hostId: string | null) =>
    queryOptions({
      queryKey: ["pools", "list", hostId],
      queryFn: async ({ signal }) =>
        (await api.get("/pools", z.object({ items: z.array(PoolRow) }), { host: hostId }, signal)).items,
    }),
};

export const networkQueries = {
  all: ["networks"] as const,
  list: (hostId: string | null) =>
    queryOptions({
      queryKey: ["networks", "list", hostId],
      queryFn: async ({ signal }) =>
        (await api.get("/networks", z.object({ items: z.array(NetworkRow) }), { host: hostId }, signal)).items,
    }),
};
