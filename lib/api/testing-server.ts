/** The whole API on a real port for tests: its own sign-in, its own guard, and nobody's word for who asks. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { eq } from "drizzle-orm";
import { encode } from "next-auth/jwt";
import type { AuthSettings } from "#lib/auth/authenticate.ts";
import { sessionCookieName } from "#lib/auth/session-cookie.ts";
import { sessionLimits, startSession } from "#lib/auth/sessions.ts";
import { users } from "#lib/db/schema.ts";
import type { Role } from "#lib/domain/role.ts";
import type { Ctx, Services } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { createOwnToken } from "#lib/services/token/own-tokens.ts";
import { createApi } from "./app.ts";

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly json: unknown;
}

export interface ServedApi {
  readonly settings: AuthSettings;
  /** http://127.0.0.1:PORT/api/v1 */
  readonly base: string;
  /** `headers` as they are; a body goes as JSON. Events are cut off after their headers. */
  ask(method: string, path: string, headers?: Readonly<Record<string, string>>, body?: unknown): Promise<Answer>;
  close(): Promise<void>;
}

export async function serveApi(services: Services): Promise<ServedApi> {
  const settings: AuthSettings = {
    secret: "a secret for tests only",
    secureCookies: false,
    sessions: sessionLimits({}),
  };
  const api = createApi(services, settings, "pglite");
  const listener = getRequestListener(api.fetch, { overrideGlobalObjects: false });
  const server = createServer((request, response) => void listener(request, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1`;
  return {
    settings,
    base,
    async ask(method, path, headers = {}, body) {
      const stop = new AbortController();
      const response = await fetch(`${base}${path}`, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: stop.signal,
      });
      const type = response.headers.get("content-type") ?? "";
      if (type.startsWith("text/event-stream")) {
        stop.abort();
        return { status: response.status, text: "", json: null };
      }
      const text = await response.text();
      return { status: response.status, text, json: type.includes("json") && text !== "" ? JSON.parse(text) : null };
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A stored person of this role and the header of a token that does all of it. */
export async function bearer(services: Services, role: Role): Promise<{ id: string; authorization: string }> {
  const person = await testPerson(services, role);
  const { secret } = await createOwnToken(person, { name: "test", role, expiresInDays: 1 });
  return { id: person.actor.id ?? "", authorization: `Bearer ${secret}` };
}

/** The cookie of a session that this person began just now. */
export async function cookieOf(served: ServedApi, services: Services, { actor }: Ctx): Promise<string> {
  const [user] = await services.db
    .select()
    .from(users)
    .where(eq(users.id, actor.id ?? ""));
  if (user === undefined) throw new Error("no such person");
  const { secret, sessions, secureCookies } = served.settings;
  const sid = await startSession(services.db, sessions, user, "password", "127.0.0.1");
  const value = await encode({ token: { sub: user.id, sid }, secret, maxAge: sessions.maxSeconds });
  return `${sessionCookieName(secureCookies)}=${value}`;
}

/** Asks as a page of our own does, in a session of this person. */
export async function pageOf(
  served: ServedApi,
  services: Services,
  person: Ctx,
): Promise<(method: string, path: string, body?: unknown) => Promise<Answer>> {
  const cookie = await cookieOf(served, services, person);
  return (method, path, body) => served.ask(method, path, { cookie, "sec-fetch-site": "same-origin" }, body);
}

export function codeOf(answer: Answer): string | null {
  const json = answer.json as { error?: { code?: string } } | null;
  return json?.error?.code ?? null;
}
