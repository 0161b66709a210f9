/** /hosts, /pools, /networks */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { Discovered, Host, HostDetail, HostEdit, HostTest, NewHost } from "#lib/domain/host.ts";
import { Network, StoragePool } from "#lib/domain/inventory.ts";
import { presentHost, presentHostDetail } from "#lib/presenters/host.ts";
import { addDemoHosts } from "#lib/services/host/add-demo-hosts.ts";
import { addHost } from "#lib/services/host/add-host.ts";
import { discoverHosts } from "#lib/services/host/discover-hosts.ts";
import { editHost } from "#lib/services/host/edit-host.ts";
import { getHost } from "#lib/services/host/get-host.ts";
import { listHosts, listNetworks, listPools } from "#lib/services/host/list-hosts.ts";
import { refreshHost } from "#lib/services/host/refresh-host.ts";
import { removeHost } from "#lib/services/host/remove-host.ts";
import { testHost } from "#lib/services/host/test-host.ts";
import type { Services } from "#lib/services/context.ts";
import { answers, answers201, answers204, body } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Hosts"];
const params = z.object({ id: z.uuid() });
const query = z.object({ host: z.uuid().optional() });
const onHost = { hostId: z.uuid(), hostName: z.string() };
const items = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

const routes = {
  list: createRoute({
    method: "get",
    path: "/hosts",
    tags,
    summary: "All hosts",
    responses: answers(items(Host), "The hosts by name"),
  }),
  discover: createRoute({
    method: "get",
    path: "/hosts/discover",
    tags,
    summary: "Hypervisor sockets on the server's own machine",
    responses: answers(items(Discovered), "What was found"),
  }),
  demo: createRoute({
    method: "post",
    path: "/hosts/demo",
    tags,
    summary: "Add the five simulated hosts",
    responses: answers(items(Host), "The simulated hosts"),
  }),
  test: createRoute({
    method: "post",
    path: "/hosts/test",
    tags,
    summary: "Try a connection without storing anything",
    description:
      "A stored host, named by its id, is tried as it is stored (right host.refresh). A connection that the request itself names takes an administrator (host.test).",
    request: { body: body(z.union([z.strictObject({ hostId: z.uuid() }), NewHost])) },
    responses: answers(HostTest, "How it went"),
  }),
  get: createRoute({
    method: "get",
    path: "/hosts/{id}",
    tags,
    summary: "A host with its pools and networks",
    request: { params },
    responses: answers(HostDetail, "The host"),
  }),
  add: createRoute({
    method: "post",
    path: "/hosts",
    tags,
    summary: "Add a host",
    request: { body: body(NewHost) },
    responses: answers201(Host, "The host"),
  }),
  edit: createRoute({
    method: "patch",
    path: "/hosts/{id}",
    tags,
    summary: "Change a host",
    request: { params, body: body(HostEdit) },
    responses: answers(Host, "The host"),
  }),
  remove: createRoute({
    method: "delete",
    path: "/hosts/{id}",
    tags,
    summary: "Forget a host; nothing on it is touched",
    request: { params },
    responses: answers204("Forgotten"),
  }),
  refresh: createRoute({
    method: "post",
    path: "/hosts/{id}/refresh",
    tags,
    summary: "Read a host's inventory anew",
    request: { params },
    responses: answers204("Begun"),
  }),
  pools: createRoute({
    method: "get",
    path: "/pools",
    tags,
    summary: "Storage pools",
    request: { query },
    responses: answers(items(StoragePool.extend(onHost)), "Pools by host and name"),
  }),
  networks: createRoute({
    method: "get",
    path: "/networks",
    tags,
    summary: "Networks",
    request: { query },
    responses: answers(items(Network.extend(onHost)), "Networks by host and name"),
  }),
};

export function registerHostRoutes(api: Api, _services: Services): void {
  api.openapi(routes.list, async (c) => c.json({ items: (await listHosts(c.get("ctx"))).map(presentHost) }, 200));
  // Fixed words stand before /hosts/{id}, which would take them for an id.
  api.openapi(routes.discover, async (c) => c.json({ items: await discoverHosts(c.get("ctx")) }, 200));
  api.openapi(routes.demo, async (c) => {
    const ctx = c.get("ctx");
    const demo = new Set((await addDemoHosts(ctx)).map((row) => row.id));
    return c.json({ items: (await listHosts(ctx)).filter(({ row }) => demo.has(row.id)).map(presentHost) }, 200);
  });
  api.openapi(routes.test, async (c) => c.json(await testHost(c.get("ctx"), c.req.valid("json")), 200));
  api.openapi(routes.get, async (c) =>
    c.json(presentHostDetail(await getHost(c.get("ctx"), c.req.valid("param").id)), 200),
  );
  api.openapi(routes.add, async (c) => {
    const ctx = c.get("ctx");
    const { id } = await addHost(ctx, c.req.valid("json"));
    return c.json(presentHost((await getHost(ctx, id)).summary), 201);
  });
  api.openapi(routes.edit, async (c) => {
    const ctx = c.get("ctx");
    const { id } = await editHost(ctx, c.req.valid("param").id, c.req.valid("json"));
    return c.json(presentHost((await getHost(ctx, id)).summary), 200);
  });
  api.openapi(routes.remove, async (c) => {
    await removeHost(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(routes.refresh, async (c) => {
    await refreshHost(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(routes.pools, async (c) => {
    const rows = await listPools(c.get("ctx"), c.req.valid("query").host);
    return c.json({ items: rows.map(({ hostId, hostName, item }) => ({ ...item, hostId, hostName })) }, 200);
  });
  api.openapi(routes.networks, async (c) => {
    const rows = await listNetworks(c.get("ctx"), c.req.valid("query").host);
    return c.json({ items: rows.map(({ hostId, hostName, item }) => ({ ...item, hostId, hostName })) }, 200);
  });
}
