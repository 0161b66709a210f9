/**
 * The browser's way to the API. Every answer is parsed by the schema that the server answers with; every
 * failure is an AppError with the server's own code, message and hint.
 */
import { z } from "zod";
import { AppError, errorFromJson, type ErrorKind } from "#lib/errors.ts";

const BASE = "/api/v1";
/** Longer than any answer takes that is not a stream; a dead server is noticed instead of waited for. */
const TIMEOUT_MS = 60_000;

const ErrorBody = z.object({
  error: z.object({
    kind: z.string(),
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
    details: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]))
      .optional(),
  }),
});

const KIND_OF_STATUS: Record<number, ErrorKind> = {
  400: "invalid",
  401: "unauthenticated",
  403: "forbidden",
  404: "not-found",
  409: "conflict",
  422: "unprocessable",
  429: "too-many",
  503: "unavailable",
};

export type Params = Record<string, string | number | boolean | null | undefined | readonly string[]>;

/** "/vms?host=…": absent, null and empty values are left out; arrays repeat joined by commas. */
export function withParams(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "") continue;
    const text = Array.isArray(value) ? value.join(",") : String(value);
    if (text !== "") query.set(key, text);
  }
  const text = query.toString();
  return text === "" ? path : `${path}?${text}`;
}

/** Address of an API path for links and forms: downloads, exports. */
export function apiUrl(path: string, params: Params = {}): string {
  return withParams(`${BASE}${path}`, params);
}

/** Who is signed in: its own refusal is an answer, and must not lead to asking it again. */
export const SESSION_PATH = "/session";

/** What the page does when a session that it had is refused; set once by the shell. */
let onSignedOut: () => void = () => undefined;
export function setSignedOutHandler(handler: () => void): void {
  onSignedOut = handler;
}

async function errorOf(response: Response): Promise<AppError> {
  const body = ErrorBody.safeParse(await response.json().catch(() => null));
  const kind = KIND_OF_STATUS[response.status] ?? "internal";
  if (!body.success) {
    return new AppError(
      kind,
      `http.${response.status}`,
      `The server answered with status ${response.status} and no explanation.`,
      {
        hint: "Try again; if it stays so, the server's log has the reason.",
      },
    );
  }
  const { code, message, hint, details } = body.data.error;
  return errorFromJson({
    kind,
    code,
    message,
    ...(hint === undefined ? {} : { hint }),
    ...(details === undefined ? {} : { details }),
  });
}

async function send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<Response> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(`${BASE}${path}`, {
      method,
      credentials: "same-origin",
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw timeout.aborted
      ? new AppError("unavailable", "server.timeout", "The server did not answer within a minute.", { cause })
      : new AppError("unavailable", "server.unreachable", "The server cannot be reached.", {
          hint: "Check that Supravisor is running and that this browser is online.",
          cause,
        });
  }
  if (response.ok) return response;
  const error = await errorOf(response);
  if (error.kind === "unauthenticated" && path !== SESSION_PATH) onSignedOut();
  throw error;
}

async function request<T>(
  method: string,
  path: string,
  schema: z.ZodType<T>,
  body: unknown,
  signal?: AbortSignal,
): Promise<T> {
  const response = await send(method, path, body, signal);
  const text = await response.text();
  const parsed = schema.safeParse(text === "" ? null : JSON.parse(text));
  if (!parsed.success) {
    throw new AppError(
      "internal",
      "server.unexpected-answer",
      `The server's answer to ${method} ${path} is not what this page understands.`,
      {
        hint: "Reload the page: it may be older than the server.",
        cause: parsed.error,
      },
    );
  }
  return parsed.data;
}

/** For answers whose body does not matter (204, or an echo that nobody reads). */
export const Nothing = z.unknown();

export const api = {
  get: <T>(path: string, schema: z.ZodType<T>, params?: Params, signal?: AbortSignal): Promise<T> =>
    request("GET", withParams(path, params), schema, undefined, signal),
  /** An empty body is sent as `{}`: unsafe methods always carry JSON, which other sites cannot forge. */
  post: <T>(path: string, schema: z.ZodType<T>, body: unknown = {}, signal?: AbortSignal): Promise<T> =>
    request("POST", path, schema, body, signal),
  patch: <T>(path: string, schema: z.ZodType<T>, body: unknown, signal?: AbortSignal): Promise<T> =>
    request("PATCH", path, schema, body, signal),
  delete: async (path: string, signal?: AbortSignal): Promise<void> => {
    await send("DELETE", path, {}, signal);
  },
};
