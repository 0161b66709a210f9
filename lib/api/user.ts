import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { ApiToken, BrowserSession, NewUser, User, UserChange } from "#lib/domain/user.ts";
import { presentSession, presentToken, presentUser } from "#lib/presenters/user.ts";
import { changeUser } from "#lib/services/user/change-user.ts";
import { createUser } from "#lib/services/user/create-user.ts";
import { listUsers } from "#lib/services/user/list-users.ts";
import { endUserSessions, listUserSessions, listUserTokens, revokeUserTokens } from "#lib/services/user/user-access.ts";
import { answers, answers201, answers204, body } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["People"];
const routes = {
  list: createRoute({
    method: "get",
    path: "/users",
    tags,
    summary: "All accounts",
    responses: answers(z.object({ items: z.array(User) }), "The accounts by name"),
  }),
  add: createRoute({
    method: "post",
    path: "/users",
    tags,
    summary: "Add an account",
    request: { body: body(NewUser) },
    responses: answers201(User, "The account"),
  }),
  change: createRoute({
    method: "patch",
    path: "/users/{id}",
    tags,
    summary: "Change an account; accounts are disabled, never deleted",
    request: { params: z.object({ id: z.uuid() }), body: body(UserChange) },
    responses: answers(User, "The account"),
  }),
};

const ofUser = z.object({ id: z.uuid() });
const accessRoutes = {
  sessions: createRoute({
    method: "get",
    path: "/users/{id}/sessions",
    tags,
    summary: "A person's browser sessions",
    request: { params: ofUser },
    responses: answers(z.object({ items: z.array(BrowserSession) }), "The sessions, last used first"),
  }),
  endSessions: createRoute({
    method: "delete",
    path: "/users/{id}/sessions",
    tags,
    summary: "Sign a person out everywhere; their tokens stay",
    request: { params: ofUser },
    responses: answers204("Ended"),
  }),
  endSession: createRoute({
    method: "delete",
    path: "/users/{id}/sessions/{sessionId}",
    tags,
    summary: "End one session of a person",
    request: { params: ofUser.extend({ sessionId: z.uuid() }) },
    responses: answers204("Ended"),
  }),
  tokens: createRoute({
    method: "get",
    path: "/users/{id}/tokens",
    tags,
    summary: "A person's tokens",
    request: { params: ofUser },
    responses: answers(z.object({ items: z.array(ApiToken) }), "The tokens, newest first"),
  }),
  revokeTokens: createRoute({
    method: "delete",
    path: "/users/{id}/tokens",
    tags,
    summary: "Revoke all tokens of a person",
    request: { params: ofUser },
    responses: answers204("Revoked"),
  }),
  revokeToken: createRoute({
    method: "delete",
    path: "/users/{id}/tokens/{tokenId}",
    tags,
    summary: "Revoke one token of a person",
    request: { params: ofUser.extend({ tokenId: z.uuid() }) },
    responses: answers204("Revoked"),
  }),
};

function registerAccessRoutes(api: Api, settings: AuthSettings): void {
  api.openapi(accessRoutes.sessions, async (c) => {
    const ctx = c.get("ctx");
    const { credential } = ctx.actor;
    const current = credential?.kind === "session" ? credential.id : null;
    const rows = await listUserSessions(ctx, settings.sessions, c.req.valid("param").id);
    return c.json({ items: rows.map((row) => presentSession(row, current)) }, 200);
  });
  api.openapi(accessRoutes.endSessions, async (c) => {
    await endUserSessions(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(accessRoutes.endSession, async (c) => {
    const { id, sessionId } = c.req.valid("param");
    await endUserSessions(c.get("ctx"), id, sessionId);
    return c.body(null, 204);
  });
  api.openapi(accessRoutes.tokens, async (c) =>
    c.json({ items: (await listUserTokens(c.get("ctx"), c.req.valid("param").id)).map(presentToken) }, 200),
  );
  api.openapi(accessRoutes.revokeTokens, async (c) => {
    await revokeUserTokens(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(accessRoutes.revokeToken, async (c) => {
    const { id, tokenId } = c.req.valid("param");
    await revokeUserTokens(c.get("ctx"), id, tokenId);
    return c.body(null, 204);
  });
}

export function registerUserRoutes(api: Api, settings: AuthSettings): void {
  registerAccessRoutes(api, settings);
  api.openapi(routes.list, async (c) => c.json({ items: (await listUsers(c.get("ctx"))).map(presentUser) }, 200));
  api.openapi(routes.add, async (c) => c.json(presentUser(await createUser(c.get("ctx"), c.req.valid("json"))), 201));
  api.openapi(routes.change, async (c) =>
    c.json(presentUser(await changeUser(c.get("ctx"), c.req.valid("param").id, c.req.valid("json"))), 200),
  );
}
