/** The routes of one noun for tests, with the person that a header names; the real ones stand behind lib/api/guard.ts. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { AppError } from "#lib/errors.ts";
import type { Ctx, Services } from "#lib/services/context.ts";
import { answerError } from "./errors.ts";
import type { Api, ApiEnv } from "./types.ts";

export interface TestApi {
  /** `who` is a key of `people`. Answers status and parsed JSON (or text). */
  call(
    who: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ status: number; json: unknown; headers: Headers }>;
  /** Every body that was answered, for what must be in none. */
  readonly said: string[];
}

export function testApi(
  services: Services,
  people: Record<string, Ctx>,
  register: readonly ((api: Api, services: Services) => void)[],
): TestApi {
  const api: Api = new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new AppError("invalid", "request.invalid", result.error.message);
    },
  }).basePath("/api/v1") as Api;
  api.onError((error, c) => answerError(c, error, services.log));
  api.use("*", async (c, next) => {
    const ctx = people[c.req.header("x-person") ?? ""];
    if (ctx === undefined) throw new AppError("unauthenticated", "auth.required", "Sign in first.");
    c.set("ctx", ctx);
    await next();
  });
  for (const add of register) add(api, services);
  const said: string[] = [];
  return {
    said,
    async call(who, method, path, body) {
      const response = await api.request(`/api/v1${path}`, {
        method,
        headers: { "x-person": who, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      said.push(text);
      const isJson = response.headers.get("content-type")?.includes("json") ?? false;
      return {
        status: response.status,
        json: isJson ? (JSON.parse(text) as unknown) : text,
        headers: response.headers,
      };
    },
  };
}
