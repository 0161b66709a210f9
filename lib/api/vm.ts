/** /vms */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { PowerAction } from "#lib/domain/hardware.ts";
import { VmRow } from "#lib/domain/host.ts";
import { pageOf } from "#lib/domain/page.ts";
import { VM_SORTS } from "#lib/inventory/vm-query.ts";
import { presentVm } from "#lib/presenters/vm.ts";
import { getVm, listVms } from "#lib/services/vm/list-vms.ts";
import { powerVm } from "#lib/services/vm/power-vm.ts";
import type { Services } from "#lib/services/context.ts";
import { answers, body, commaList, paging } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Virtual machines"];
const params = z.object({ hostId: z.uuid(), ref: z.string().min(1).max(1000) });
const counts = z.record(z.string(), z.number().int());
const VmPage = pageOf(VmRow).extend({
  facets: z.object({ state: counts, vendor: counts, host: counts, firmware: counts }),
});
const query = z.object({
  host: commaList,
  vendor: commaList,
  state: commaList,
  firmware: commaList,
  q: z.string().max(200).optional(),
  sort: z.enum(VM_SORTS).default("name"),
  order: z.enum(["asc", "desc"]).default("asc"),
  ...paging(1000, 200),
});

const routes = {
  list: createRoute({
    method: "get",
    path: "/vms",
    tags,
    summary: "VMs of all hosts",
    description:
      "`host`, `vendor`, `state` and `firmware` take several values, apart by commas. A facet counts what each value would show.",
    request: { query },
    responses: answers(VmPage, "A page of VMs"),
  }),
  get: createRoute({
    method: "get",
    path: "/vms/{hostId}/{ref}",
    tags,
    summary: "A VM",
    request: { params },
    responses: answers(VmRow, "The VM"),
  }),
  power: createRoute({
    method: "post",
    path: "/vms/{hostId}/{ref}/power",
    tags,
    summary: "Start, stop, … a VM",
    request: { params, body: body(z.object({ action: PowerAction })) },
    responses: answers(VmRow, "The VM afterwards"),
  }),
};

export function registerVmRoutes(api: Api, _services: Services): void {
  api.openapi(routes.list, async (c) => {
    const { cursor, q, ...rest } = c.req.valid("query");
    const page = await listVms(c.get("ctx"), { ...rest, cursor: cursor ?? null, ...(q === undefined ? {} : { q }) });
    return c.json({ items: page.found.map(presentVm), next: page.next, total: page.total, facets: page.facets }, 200);
  });
  api.openapi(routes.get, async (c) => {
    const { hostId, ref } = c.req.valid("param");
    return c.json(presentVm(await getVm(c.get("ctx"), hostId, ref)), 200);
  });
  api.openapi(routes.power, async (c) => {
    const { hostId, ref } = c.req.valid("param");
    return c.json(presentVm(await powerVm(c.get("ctx"), hostId, ref, c.req.valid("json").action)), 200);
  });
}
