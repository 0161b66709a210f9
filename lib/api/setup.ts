import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { NewUser, User } from "#lib/domain/user.ts";
import { presentUser } from "#lib/presenters/user.ts";
import type { Services } from "#lib/services/context.ts";
import { createFirstAdministrator, setupNeeded } from "#lib/services/setup/create-first-administrator.ts";
import { answers, answers201, body } from "./answers.ts";
import { addressOfClient } from "#lib/edge/admit.ts";
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
    description:
      "The code is printed when the server starts, and is in the file `setup-code` of its data folder until it is used.",
    request: { body: body(NewUser.omit({ role: true }).extend({ code: z.string().max(100) })) },
    responses: answers201(User, "The administrator"),
  }),
};

export function registerSetupRoutes(api: Api, services: Services): void {
  api.openapi(routes.needed, async (c) => c.json({ needed: await setupNeeded(services) }, 200));
  api.openapi(routes.create, async (c) => {
    const { code, ...person } = c.req.valid("json");
    const from = { code, address: addressOfClient(c.env.incoming) };
    return c.json(presentUser(await createFirstAdministrator(services, person, from)), 201);
  });
}
