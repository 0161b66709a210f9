import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { signInByPassword } from "#lib/auth/accounts.ts";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { ACTIONS, may } from "#lib/domain/role.ts";
import { ApiToken, BrowserSession, Password, Session } from "#lib/domain/user.ts";
import { presentSession, presentToken, presentUser } from "#lib/presenters/user.ts";
import type { Services } from "#lib/services/context.ts";
import { endOwnSessions, listOwnSessions } from "#lib/services/session/own-sessions.ts";
import { storeToken } from "#lib/services/token/own-tokens.ts";
import { changeOwnPassword, ownAccount } from "#lib/services/user/own-account.ts";
import { answers, answers201, answers204, body } from "./answers.ts";
import { addressOfClient } from "#lib/edge/admit.ts";
import type { Api } from "./types.ts";

const tags = ["Session"];
const Login = z.object({
  email: z.string().max(254),
  password: z.string().max(256),
  name: z.string().trim().min(1).max(80).default("command line"),
});
const LOGIN_DAYS = 30;

const routes = {
  session: createRoute({
    method: "get",
    path: "/session",
    tags,
    summary: "Who is signed in, and what they may do",
    responses: answers(Session, "The person"),
  }),
  password: createRoute({
    method: "post",
    path: "/session/password",
    tags,
    summary: "Change one's own password; ends all other sessions and revokes all tokens",
    request: { body: body(z.object({ current: z.string().max(256), next: Password })) },
    responses: answers204("Changed"),
  }),
  login: createRoute({
    method: "post",
    path: "/login",
    tags,
    security: [],
    summary: "A personal token for email and password",
    description: `For the command line. The token has the person's role and expires after ${LOGIN_DAYS} days.`,
    request: { body: body(Login) },
    responses: answers201(z.object({ token: ApiToken, secret: z.string() }), "The token; its secret is shown once"),
  }),
};

const sessionId = z.object({ id: z.uuid() });
const sessionRoutes = {
  list: createRoute({
    method: "get",
    path: "/sessions",
    tags,
    summary: "One's own browser sessions",
    responses: answers(z.object({ items: z.array(BrowserSession) }), "The sessions, last used first"),
  }),
  end: createRoute({
    method: "delete",
    path: "/sessions/{id}",
    tags,
    summary: "End one of one's own sessions",
    request: { params: sessionId },
    responses: answers204("Ended"),
  }),
  endOthers: createRoute({
    method: "delete",
    path: "/sessions",
    tags,
    summary: "Sign out everywhere else: ends all of one's sessions but the one that asks",
    responses: answers204("Ended"),
  }),
};

export function registerSessionRoutes(api: Api, services: Services, settings: AuthSettings): void {
  api.openapi(sessionRoutes.list, async (c) => {
    const ctx = c.get("ctx");
    const { credential } = ctx.actor;
    const current = credential?.kind === "session" ? credential.id : null;
    const rows = await listOwnSessions(ctx, settings.sessions);
    return c.json({ items: rows.map((row) => presentSession(row, current)) }, 200);
  });
  api.openapi(sessionRoutes.end, async (c) => {
    await endOwnSessions(c.get("ctx"), c.req.valid("param").id);
    return c.body(null, 204);
  });
  api.openapi(sessionRoutes.endOthers, async (c) => {
    await endOwnSessions(c.get("ctx"));
    return c.body(null, 204);
  });
  api.openapi(routes.session, async (c) => {
    const ctx = c.get("ctx");
    const user = presentUser(await ownAccount(ctx));
    return c.json(
      { user: { ...user, role: ctx.actor.role }, actions: ACTIONS.filter((action) => may(ctx.actor.role, action)) },
      200,
    );
  });
  api.openapi(routes.password, async (c) => {
    await changeOwnPassword(c.get("ctx"), c.req.valid("json"));
    return c.body(null, 204);
  });
  api.openapi(routes.login, async (c) => {
    const { email, password, name } = c.req.valid("json");
    const address = addressOfClient(c.env.incoming);
    const user = await signInByPassword(services, { email, password, via: "token", address });
    const actor = { id: user.id, name: user.name, role: user.role, via: "token" as const, address };
    const { row, secret } = await storeToken({ ...services, actor }, user, {
      name,
      role: user.role,
      expiresInDays: LOGIN_DAYS,
    });
    return c.json({ token: presentToken(row), secret }, 201);
  });
}
