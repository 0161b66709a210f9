import type { IncomingMessage } from "node:http";
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import type { Services } from "#lib/services/context.ts";
import { readHealth } from "#lib/services/overview/health.ts";
import { readReadiness, type ReadinessOptions } from "#lib/services/overview/readiness.ts";
import { answers } from "./answers.ts";
import { identify } from "./guard.ts";
import type { Api } from "./types.ts";

const Checks = z.object({ database: z.boolean(), schema: z.boolean(), disk: z.boolean(), console: z.boolean() });
const Status = z.enum(["ok", "degraded"]);
const Health = z.object({
  status: Status,
  version: z.string().optional(),
  database: z.object({ driver: z.string(), ok: z.boolean() }).optional(),
  checks: Checks.optional(),
  workers: z
    .array(
      z.object({
        name: z.string(),
        version: z.string(),
        heartbeatAt: z.string(),
        alive: z.boolean(),
        note: z.string().nullable(),
      }),
    )
    .optional(),
  notes: z.array(z.string()).optional(),
});
const Ready = z.object({ status: z.enum(["ready", "not-ready"]), checks: Checks });
const Live = z.object({ status: z.literal("live") });

const or503 = <T extends z.ZodType>(schema: T, good: string, bad: string) => ({
  ...answers(schema, good),
  503: { description: bad, content: { "application/json": { schema } } },
});

const routes = {
  health: createRoute({
    method: "get",
    path: "/health",
    tags: ["Health"],
    security: [],
    summary: "Status; with version, checks and workers for people who are signed in",
    responses: or503(
      Health,
      "The database answers; `degraded` when something else is missing",
      "The database does not answer",
    ),
  }),
  live: createRoute({
    method: "get",
    path: "/health/live",
    tags: ["Health"],
    security: [],
    summary: "Liveness: the process answers. Restart it when this fails; the database is not asked",
    responses: answers(Live, "It lives"),
  }),
  ready: createRoute({
    method: "get",
    path: "/health/ready",
    tags: ["Health"],
    security: [],
    summary: "Readiness: the database takes writes and has this release's tables, and the data folder has space",
    responses: or503(Ready, "Everything needed is there", "Something is missing: send no work here"),
  }),
};

export function registerHealthRoutes(
  api: Api,
  services: Services,
  settings: AuthSettings,
  options: ReadinessOptions,
): void {
  api.openapi(routes.live, (c) => c.json({ status: "live" as const }, 200));
  api.openapi(routes.ready, async (c) => {
    const { ready, checks } = await readReadiness(services, options);
    return ready
      ? c.json({ status: "ready" as const, checks }, 200)
      : c.json({ status: "not-ready" as const, checks }, 503);
  });
  api.openapi(routes.health, async (c) => {
    const [health, known] = await Promise.all([
      readHealth(services, options),
      isSignedIn(services, settings, c.env.incoming),
    ]);
    const body = known ? health : { status: health.status };
    return health.database.ok ? c.json(body, 200) : c.json(body, 503);
  });
}

/** Names of machines and versions are nobody else's business. A database that is silent makes a stranger of everybody. */
async function isSignedIn(services: Services, settings: AuthSettings, request: IncomingMessage): Promise<boolean> {
  const { authorization, cookie } = request.headers;
  if (authorization === undefined && cookie === undefined) return false;
  const limit = AbortSignal.timeout(2000);
  const late = new Promise<boolean>((resolve) => limit.addEventListener("abort", () => resolve(false)));
  const known = identify(services, settings, request).then(
    () => true,
    () => false,
  );
  return Promise.race([known, late]);
}
