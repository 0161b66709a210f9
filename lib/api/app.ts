/** The whole HTTP API: who asks, what goes wrong, and every noun's routes. */
import type { IncomingMessage } from "node:http";
import { OpenAPIHono } from "@hono/zod-openapi";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { AppError } from "#lib/errors.ts";
import { formatBytes } from "#lib/format/bytes.ts";
import type { Services } from "#lib/services/context.ts";
import type { ReadinessOptions } from "#lib/services/overview/readiness.ts";
import { registerAuditRoutes } from "./audit.ts";
import { registerDocsRoutes } from "./docs.ts";
import { answerError } from "./errors.ts";
import { registerEventRoutes } from "./event.ts";
import { identify } from "./guard.ts";
import { registerHealthRoutes } from "./health.ts";
import { registerHostRoutes } from "./host.ts";
import { registerImageRoutes } from "./image.ts";
import { registerJobRoutes } from "./job.ts";
import { registerLibraryRoutes } from "./library.ts";
import { registerOverviewRoutes } from "./overview.ts";
import { registerPreflightRoutes } from "./preflight.ts";
import { registerRequestRoutes } from "./request.ts";
import { registerSessionRoutes } from "./session.ts";
import { registerSettingsRoutes } from "./settings.ts";
import { registerSetupRoutes } from "./setup.ts";
import { registerTokenRoutes } from "./token.ts";
import { isTransferFile, registerTransferRoutes } from "./transfer.ts";
import type { Api, ApiEnv } from "./types.ts";
import { registerUserRoutes } from "./user.ts";
import { registerVmRoutes } from "./vm.ts";

const BASE = "/api/v1";
const PUBLIC = new Set(
  ["/health", "/health/live", "/health/ready", "/setup", "/login", "/openapi.json", "/docs", "/docs/reader.js"].map(
    (path) => `${BASE}${path}`,
  ),
);
/** JSON only; images come in by tus, which has its own limits. */
const MAX_BODY = 1024 * 1024;
/** From somebody who is not known yet. */
const MAX_PUBLIC_BODY = 16 * 1024;

/** By its announced length; a body that does not announce one is refused, so that nothing has to be counted. */
function refuseLargeBody(request: IncomingMessage, path: string): void {
  if (request.headers["transfer-encoding"] !== undefined) {
    throw new AppError("invalid", "request.length-required", "The request does not say how long its body is.", {
      hint: "Send a Content-Length instead of chunks.",
    });
  }
  const most = PUBLIC.has(path) ? MAX_PUBLIC_BODY : MAX_BODY;
  if (Number(request.headers["content-length"] ?? 0) > most)
    throw new AppError("invalid", "request.too-large", `The request is larger than ${formatBytes(most)}.`);
}

export function createApi(
  services: Services,
  settings: AuthSettings,
  driver: string,
  claim: ReadinessOptions["claim"] = () => "held",
): Api {
  const api: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const issues = result.error.issues
        .slice(0, 20)
        .map((issue) => `${issue.path.join(".") || result.target}: ${issue.message}`);
      throw new AppError("invalid", "request.invalid", `The request is not understood: ${issues.join("; ")}.`, {
        details: { issues },
      });
    },
  }).basePath(BASE) as Api;
  api.onError((error, c) => answerError(c, error, services.log));
  api.notFound((c) =>
    answerError(
      c,
      new AppError("not-found", "api.no-route", `There is no ${c.req.method} ${c.req.path}.`, {
        hint: "/api/v1/docs lists what there is.",
      }),
      services.log,
    ),
  );
  api.use("*", async (c, next) => {
    c.header("Cache-Control", "no-store");
    await next();
  });
  api.use("*", async (c, next) => {
    refuseLargeBody(c.env.incoming, c.req.path);
    await next();
  });
  api.use("*", async (c, next) => {
    if (!PUBLIC.has(c.req.path) && !isTransferFile(c.req.method, c.req.path))
      c.set("ctx", await identify(services, settings, c.env.incoming));
    await next();
  });
  registerHealthRoutes(api, services, settings, { driver, claim });
  registerSetupRoutes(api, services);
  registerSessionRoutes(api, services, settings);
  registerUserRoutes(api, settings);
  registerTokenRoutes(api);
  registerSettingsRoutes(api);
  registerAuditRoutes(api);
  registerJobRoutes(api);
  registerLibraryRoutes(api);
  registerOverviewRoutes(api);
  registerEventRoutes(api, services, settings);
  registerHostRoutes(api, services);
  registerVmRoutes(api, services);
  registerImageRoutes(api, services);
  registerPreflightRoutes(api);
  registerTransferRoutes(api, services);
  registerRequestRoutes(api);
  registerDocsRoutes(api);
  return api;
}
