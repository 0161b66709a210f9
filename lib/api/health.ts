import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import type { Services } from "#lib/services/context.ts";
import { readHealth } from "#lib/services/overview/health.ts";
import { answers } from "./answers.ts";
import type { Api } from "./types.ts";

const Health = z.object({
  status: z.enum(["ok", "degraded"]),
  version: z.string(),
  database: z.object({ driver: z.string(), ok: z.boolean() }),
  workers: z.array(z.object({ name: z.string(), version: z.string(), heartbeatAt: z.string(), alive: z.boolean() })),
});
const responses = answers(Health, "Everything needed is there");
const route = createRoute({
  method: "get",
  path: "/health",
  tags: ["Health"],
  security: [],
  summary: "Version, database and workers",
  responses: {
    ...responses,
    503: { description: "The database does not answer", content: { "application/json": { schema: Health } } },
  },
});

export function registerHealthRoutes(api: Api, services: Services, driver: string): void {
  api.openapi(route, async (c) => {
    const health = await readHealth(services, driver);
    return health.database.ok ? c.json(health, 200) : c.json(health, 503);
  });
}
