/** The one place where an error becomes an answer. */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Logger } from "pino";
import { AppError, errorToJson, type ErrorKind } from "#lib/errors.ts";

const STATUS: Record<ErrorKind, ContentfulStatusCode> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  "not-found": 404,
  conflict: 409,
  unprocessable: 422,
  "too-many": 429,
  cancelled: 499 as ContentfulStatusCode,
  unavailable: 503,
  internal: 500,
};

export function statusOf(kind: ErrorKind): ContentfulStatusCode {
  return STATUS[kind];
}

export function answerError(c: Context, error: unknown, log: Logger): Response {
  const known = error instanceof AppError;
  if (!known) log.error({ err: error, path: c.req.path, method: c.req.method }, "request failed");
  else if (error.kind === "internal") log.error({ err: error, path: c.req.path }, error.message);
  const json = errorToJson(error);
  return c.json({ error: json }, STATUS[json.kind]);
}
