/** The one place where an error becomes an answer. */
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Logger } from "pino";
import { databaseProblem } from "#lib/db/problem.ts";
import { AppError, errorToJson, type ErrorJson, type ErrorKind } from "#lib/errors.ts";

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

/** Postgres refuses the value itself: NUL in a text, half a surrogate pair in JSON, a number or an id out of its range. */
const UNSTORABLE = new Set(["22021", "22P05", "22P02", "22003"]);

function unstorable(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string" && UNSTORABLE.has(at.code)) return true;
  }
  return false;
}

/** What the libraries below us throw for a request that is wrong. */
function translated(error: unknown, log: Logger): unknown {
  if (error instanceof HTTPException && error.status < 500) {
    return new AppError("invalid", "request.invalid", `The request is not understood: ${error.message}.`, {
      cause: error,
    });
  }
  if (!(error instanceof AppError) && unstorable(error)) {
    return new AppError("invalid", "request.unstorable", "The request holds a value that cannot be stored.", {
      hint: "Look for control characters in texts, and for numbers or identifiers of the wrong form.",
      cause: error,
    });
  }
  const problem = error instanceof AppError ? null : databaseProblem(error);
  if (problem !== null) {
    log.warn({ err: error }, problem.error.message);
    return problem.error;
  }
  return error;
}

export interface ErrorAnswer {
  readonly status: ContentfulStatusCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: ErrorJson };
}

/** What to answer; logs what the person who asked cannot mend. */
export function errorAnswer(
  thrown: unknown,
  log: Logger,
  where: { path: string; method?: string | undefined },
): ErrorAnswer {
  const error = translated(thrown, log);
  if (!(error instanceof AppError)) log.error({ err: error, ...where }, "request failed");
  else if (error.kind === "internal") log.error({ err: error, ...where }, error.message);
  const json = errorToJson(error);
  const wait = json.details?.["retryAfter"];
  return {
    status: STATUS[json.kind],
    headers: typeof wait === "number" ? { "Retry-After": String(wait) } : {},
    body: { error: json },
  };
}

export function answerError(c: Context, thrown: unknown, log: Logger): Response {
  const { status, headers, body } = errorAnswer(thrown, log, { path: c.req.path, method: c.req.method });
  return c.json(body, status, { ...headers });
}
