import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { signInByPassword } from "#lib/auth/accounts.ts";
import { ACTIONS, may } from "#lib/domain/role.ts";
import { ApiToken, Password, Session } from "#lib/domain/user.ts";
import { presentToken, presentUser } from "#lib/presenters/user.ts";
import type { Services } from "#lib/services/context.ts";
import { createOwnToken } from "#lib/services/token/own-tokens.ts";
import { changeOwnPassword, ownAccount } from "#lib/services/user/own-account.ts";
import { answers, answers201, answers204, body } from "./answers.ts";
import { peerAddress } from "./guard.ts";
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
    summary: "Change one's own password; ends all sessions",
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

export function registerSessionRoutes(api: Api, services: Services): void {
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
    const address = peerAddress(c.env.incoming);
    const user = await signInByPassword(services, { email, password, address });
    const actor = { id: user.id, name: user.name, role: user.role, via: "token" as const, address };
    const { row, secret } = await createOwnToken(
      { ...services, actor },
      { name, role: user.role, expiresInDays: LOGIN_DAYS },
    );
    return c.json({ token: presentToken(row), secret }, 201);
  });
}
