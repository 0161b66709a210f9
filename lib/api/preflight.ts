import { createRoute } from "@hono/zod-openapi";
import { DefaultsAsk, PreflightAnswer, PreflightAsk } from "#lib/domain/request-view.ts";
import { TargetChoice } from "#lib/domain/request.ts";
import { firstChoices, preflight } from "#lib/services/preflight/run-preflight.ts";
import { answers, body } from "./answers.ts";
import type { Api } from "./types.ts";

const tags = ["Preflight"];
const routes = {
  check: createRoute({
    method: "post",
    path: "/preflight",
    tags,
    summary: "Findings and estimate for each choice",
    request: { body: body(PreflightAsk) },
    responses: answers(PreflightAnswer, "One answer a target, in their order"),
  }),
  defaults: createRoute({
    method: "post",
    path: "/preflight/defaults",
    tags,
    summary: "Sensible first choices for an image on a host",
    request: { body: body(DefaultsAsk) },
    responses: answers(TargetChoice, "The choices"),
  }),
};

export function registerPreflightRoutes(api: Api): void {
  api.openapi(routes.check, async (c) => c.json(await preflight(c.get("ctx"), c.req.valid("json")), 200));
  api.openapi(routes.defaults, async (c) => c.json(await firstChoices(c.get("ctx"), c.req.valid("json")), 200));
}
