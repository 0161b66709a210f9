import { queryOptions } from "@tanstack/react-query";
import { z } from "zod";
import { Discovered, Host, HostDetail } from "#lib/domain/host.ts";
import { api } from "#lib/http/client.ts";

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
