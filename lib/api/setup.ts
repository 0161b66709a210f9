import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { NewUser, User } from "#lib/domain/user.ts";
import { presentUser } from "#lib/presenters/user.ts";
import type { Services } from "#lib/services/context.ts";
import { createFirstAdministrator, setupNeeded } from "#lib/services/setup/create-first-administrator.ts";
import { answers, answers201, body } from "./answers.ts";
import { peerAddress } from "./guard.ts";
import type { Api } from "./types.ts";

const tags = ["Set-up"];
const security: [] = [];
const routes = {
  needed: createRoute({
    method: "get",
    path: "/setup",
    tags,
    security,
    summary: "Does the first administrator have to be made?",
    responses: answers(z.object({ needed: z.boolean() }), "Whether"),
  }),
  create: createRoute({
    method: "post",
    path: "/setup",
    tags,
    security,
    summary: "Make the first administrator; only while there is nobody",
    request: { body: body(NewUser.omit({ role: true })) },
    responses: answers201(User, "The administrator"),
  }),
};

export function registerSetupRoutes(api: Api, services: Services): void {
  api.openapi(routes.needed, async (c) => c.json({ needed: await setupNeeded(services) }, 200));
  api.openapi(routes.create, async (c) =>
    c.json(
      presentUser(await createFirstAdministrator(services, c.req.valid("json"), peerAddress(c.env.incoming))),
      201,
    ),
  );
}
