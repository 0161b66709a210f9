import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { ApiToken, NewApiToken } from "#lib/domain/user.ts";
import { presentToken } from "#lib/presenters/user.ts";
import { createOwnToken, listOwnTokens, revokeOwnToken } from "#lib/services/token/own-tokens.ts";
import { answers, answers201, answers204, body } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Tokens"];
const routes = {
  list: createRoute({
    method: "get",
    path: "/tokens",
    tags,
    summary: "One's own tokens",
    responses: answers(z.object({ items: z.array(ApiToken) }), "The tokens, newest first"),
  }),
  add: createRoute({
    method: "post",
    path: "/tokens",
    tags,
    summary: "Make a token; tokens themselves cannot",
    request: { body: body(NewApiToken) },
    responses: answers201(z.object({ token: ApiToken, secret: z.string() }), "The token; its secret is shown once"),
  }),
  revoke: createRoute({
    method: "delete",
    path: "/tokens/{id}",
    tags,
    summary: "Revoke a token",
    request: { params: z.object({ id: z.uuid() }) },
    responses: answers204("Revoked"),
  }),
};

export function registerTokenRoutes(api: Api): void {
  api.openapi(routes.list, async (c) => c.json({ items: (await listOwnTokens(c.get("ctx"))).map(presentToken) }, 200));
  api.openapi(routes.add, async (c) => {
    const { row, secret } = await createOwnToken(c.get("ctx"), c.req.valid("json"));
    return c.json({ token: presentToken(row), secret }, 201);
  });
  api.openapi(routes.revoke, async (c) => {
    await revokeOwnToken(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
}
