import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { pageOf } from "#lib/domain/page.ts";
import { Decision, Denial, NewRequest, ProvisionRequest, RequestDetail } from "#lib/domain/request-view.ts";
import { RequestStatus } from "#lib/domain/request.ts";
import { presentRequest, presentRequestDetail } from "#lib/presenters/request.ts";
import { cancelRequest } from "#lib/services/request/cancel-request.ts";
import { createRequest } from "#lib/services/request/create-request.ts";
import { approveRequest, denyRequest } from "#lib/services/request/decide-request.ts";
import { getRequest, listRequests, requestLogs } from "#lib/services/request/read-requests.ts";
import { retryRequest } from "#lib/services/request/retry-request.ts";
import { answers, answers201, body, paging } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Requests"];
const params = z.object({ id: z.uuid() });
const routes = {
  list: createRoute({
    method: "get",
    path: "/requests",
    tags,
    summary: "Requests, newest first",
    request: {
      query: z.object({ status: RequestStatus.optional(), mine: z.enum(["0", "1"]).default("0"), ...paging(200, 50) }),
    },
    responses: answers(pageOf(ProvisionRequest), "A page of requests"),
  }),
  create: createRoute({
    method: "post",
    path: "/requests",
    tags,
    summary: "Ask for VMs from an image",
    request: { body: body(NewRequest) },
    description:
      "The same idempotency key with the same body answers the request that it made (200); with another body it is refused (409).",
    responses: {
      ...answers(ProvisionRequest, "The request that this key made before"),
      ...answers201(ProvisionRequest, "The request, frozen under its plan's hash"),
    },
  }),
  get: createRoute({
    method: "get",
    path: "/requests/{id}",
    tags,
    summary: "A request with the logs of its targets",
    request: { params },
    responses: answers(RequestDetail, "The request"),
  }),
  approve: createRoute({
    method: "post",
    path: "/requests/{id}/approve",
    tags,
    summary: "Approve: exactly this plan runs",
    request: { params, body: body(Decision) },
    responses: answers(ProvisionRequest, "The request"),
  }),
  deny: createRoute({
    method: "post",
    path: "/requests/{id}/deny",
    tags,
    summary: "Deny, with the reason",
    request: { params, body: body(Denial) },
    responses: answers(ProvisionRequest, "The request"),
  }),
  cancel: createRoute({
    method: "post",
    path: "/requests/{id}/cancel",
    tags,
    summary: "Cancel a request or one of its targets",
    description:
      "A pending request is cancelled whole: it is decided as a whole too. A target that has ended is refused.",
    request: { params, body: body(z.object({ targetId: z.uuid().optional() })) },
    responses: answers(ProvisionRequest, "The request"),
  }),
  retry: createRoute({
    method: "post",
    path: "/requests/{id}/retry",
    tags,
    summary: "Ask again for what did not succeed",
    description:
      "Once per request: when another request asks for it already, the answer is 409 `request.retried` with that request's `requestId` and `number` in `details`. After that one was denied, or from that one when it failed, it can be asked again.",
    request: { params },
    responses: answers201(ProvisionRequest, "The new request"),
  }),
};

export function registerRequestRoutes(api: Api): void {
  api.openapi(routes.list, async (c) => {
    const { mine, ...rest } = c.req.valid("query");
    const page = await listRequests(c.get("ctx"), { ...rest, mine: mine === "1" });
    return c.json({ items: page.rows.map(presentRequest), next: page.next, total: page.total }, 200);
  });
  api.openapi(routes.create, async (c) => {
    const ctx = c.get("ctx");
    const { id, isNew } = await createRequest(ctx, c.req.valid("json"));
    return c.json(presentRequest(await getRequest(ctx, id)), isNew ? 201 : 200);
  });
  api.openapi(routes.get, async (c) => {
    const ctx = c.get("ctx");
    const facts = await getRequest(ctx, c.req.valid("param").id);
    return c.json(presentRequestDetail(facts, await requestLogs(ctx, facts)), 200);
  });
  api.openapi(routes.approve, async (c) => {
    const ctx = c.get("ctx");
    const { id } = await approveRequest(ctx, c.req.valid("param").id, c.req.valid("json"));
    return c.json(presentRequest(await getRequest(ctx, id)), 200);
  });
  api.openapi(routes.deny, async (c) => {
    const ctx = c.get("ctx");
    const { id } = await denyRequest(ctx, c.req.valid("param").id, c.req.valid("json"));
    return c.json(presentRequest(await getRequest(ctx, id)), 200);
  });
  api.openapi(routes.cancel, async (c) => {
    const ctx = c.get("ctx");
    const { id } = c.req.valid("param");
    await cancelRequest(ctx, id, c.req.valid("json").targetId ?? null);
    return c.json(presentRequest(await getRequest(ctx, id)), 200);
  });
  api.openapi(routes.retry, async (c) => {
    const ctx = c.get("ctx");
    const { id } = await retryRequest(ctx, c.req.valid("param").id);
    return c.json(presentRequest(await getRequest(ctx, id)), 201);
  });
}
