import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { NewUser, User, UserChange } from "#lib/domain/user.ts";
import { presentUser } from "#lib/presenters/user.ts";
import { changeUser } from "#lib/services/user/change-user.ts";
import { createUser } from "#lib/services/user/create-user.ts";
import { listUsers } from "#lib/services/user/list-users.ts";
import { answers, answers201, body } from "./answers.ts";
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

export function registerUserRoutes(api: Api): void {
  api.openapi(routes.list, async (c) => c.json({ items: (await listUsers(c.get("ctx"))).map(presentUser) }, 200));
  api.openapi(routes.add, async (c) => c.json(presentUser(await createUser(c.get("ctx"), c.req.valid("json"))), 201));
  api.openapi(routes.change, async (c) =>
    c.json(presentUser(await changeUser(c.get("ctx"), c.req.valid("param").id, c.req.valid("json"))), 200),
  );
}
