/** The console's HTTP API as the command line calls it. */
import { z } from "zod";
import { AppError, errorFromJson, type ErrorJson } from "#lib/errors.ts";
import { readCredentials, type Credentials } from "./credentials.ts";

export interface RemoteApi {
  readonly url: string;
  readonly token: string;
  get<T extends z.ZodType>(path: string, schema: T, query?: Record<string, string>): Promise<z.infer<T>>;
  post<T extends z.ZodType>(path: string, schema: T, body: unknown): Promise<z.infer<T>>;
  patch<T extends z.ZodType>(path: string, schema: T, body: unknown): Promise<z.infer<T>>;
  /** All pages of a list. */
  list<T extends z.ZodType>(path: string, item: T, query?: Record<string, string>): Promise<z.infer<T>[]>;
}

const timeoutMs = 60_000;

export async function callApi<T extends z.ZodType>(
  credentials: { url: string; token: string | null },
  method: string,
  path: string,
  schema: T,
  body?: unknown,
): Promise<z.infer<T>> {
  let response: Response;
  try {
    response = await fetch(new URL(`/api/v1${path}`, credentials.url), {
      method,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(credentials.token === null ? {} : { authorization: `Bearer ${credentials.token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    throw new AppError("unavailable", "cli.unreachable", `No answer from ${credentials.url}.`, {
      hint: "Is the console running, and is the address right?",
      cause,
    });
  }
  const text = await response.text();
  let json: unknown;
  try {
    json = text === "" ? null : JSON.parse(text);
  } catch (cause) {
    throw new AppError(
      "unavailable",
      "cli.not-a-console",
      `${credentials.url} answers, but not as a Supravisor console.`,
      { cause },
    );
  }
  if (!response.ok) {
    const error = (json as { error?: ErrorJson } | null)?.error;
    throw error
      ? errorFromJson(error)
      : new AppError("unavailable", "cli.not-a-console", `${credentials.url} answered ${response.status}.`);
  }
  return schema.parse(json);
}

export async function remoteApi(): Promise<RemoteApi> {
  const credentials: Credentials = await readCredentials();
  const withQuery = (path: string, query: Record<string, string>) => {
    const text = new URLSearchParams(query).toString();
    return text === "" ? path : `${path}?${text}`;
  };
  return {
    ...credentials,
    get: (path, schema, query = {}) => callApi(credentials, "GET", withQuery(path, query), schema),
    post: (path, schema, body) => callApi(credentials, "POST", path, schema, body),
    patch: (path, schema, body) => callApi(credentials, "PATCH", path, schema, body),
    async list(path, item, query = {}) {
      const page = z.object({ items: z.array(item), next: z.string().nullish() });
      const all: z.infer<typeof item>[] = [];
      let cursor: string | null = null;
      do {
        const answer: z.infer<typeof page> = await callApi(
          credentials,
          "GET",
          withQuery(path, cursor === null ? query : { ...query, cursor }),
          page,
        );
        all.push(...answer.items);
        cursor = answer.next ?? null;
      } while (cursor !== null);
      return all;
    },
  };
}
