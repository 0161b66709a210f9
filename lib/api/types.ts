import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Ctx } from "#lib/services/context.ts";

/** What every handler finds: the services and who asks. */
export interface ApiEnv {
  Variables: { ctx: Ctx };
}

export type Api = OpenAPIHono<ApiEnv>;
