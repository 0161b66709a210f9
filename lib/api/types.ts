import type { IncomingMessage, ServerResponse } from "node:http";
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Ctx } from "#lib/services/context.ts";

/** What every handler finds: the services and who asks. Routes that need nobody (set-up, health) have no ctx. */
export interface ApiEnv {
  Variables: { ctx: Ctx };
  Bindings: { incoming: IncomingMessage; outgoing: ServerResponse };
}

export type Api = OpenAPIHono<ApiEnv>;
