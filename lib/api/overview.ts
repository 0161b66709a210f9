import { createRoute } from "@hono/zod-openapi";
import { Overview } from "#lib/domain/overview.ts";
import { readOverview } from "#lib/services/overview/overview.ts";
import { answers } from "./answers.ts";
import type { Api } from "./types.ts";

const route = createRoute({
  method: "get",
  path: "/overview",
  tags: ["Overview"],
  summary: "The estate in numbers",
  responses: answers(Overview, "The numbers"),
});

export function registerOverviewRoutes(api: Api): void {
  api.openapi(route, async (c) => c.json(await readOverview(c.get("ctx")), 200));
}
