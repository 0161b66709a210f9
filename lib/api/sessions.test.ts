/** What ends a session or a token, and that nothing goes on under one that has ended. */
import { eq } from "drizzle-orm";
import { encode } from "next-auth/jwt";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { signOut } from "#lib/auth/accounts.ts";
import { hashPassword } from "#lib/auth/password.ts";
import { readSessionCookie, sessionCookieName } from "#lib/auth/session-cookie.ts";
import { apiTokens, auditEntries, rateLimits, sessions, users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { Ctx } from "#lib/services/context.ts";
import { testPerson } from "#lib/services/testing.ts";
import { bearer, codeOf, cookieOf, pageOf, serveApi, type ServedApi } from "./testing-server.ts";

const PASSWORD = "correct horse battery";
let services: TestServices;
let served: ServedApi;
let written = 0;
beforeAll(async () => {
  services = await testServices();
  served = await serveApi(services);
});
afterAll(async () => {
  await served.close();
  await services.close();
});
beforeEach(async () => {
  await services.db.delete(rateLimits);
  written = (await services.db.select().from(auditEntries)).length;
});

async function withPassword(role: Parameters<typeof testPerson>[1]): Promise<Ctx> {
  const person = await testPerson(services, role);
  await services.db
    .update(users)
    .set({ passwordHash: await hashPassword(PASSWORD) })
    .where(eq(users.id, person.actor.id ?? ""));
  return person;
}
const idOf = (cookie: string) => readSessionCookie(cookie, served.settings.secret, false);
const statusOf = async (headers: Record<string, string>) => (await served.ask("GET", "/session", headers)).status;
async function tokenOf(person: Ctx): Promise<Record<string, string>> {
  const page = await pageOf(served, services, person);
  const made = await page("POST", "/tokens", { name: "t", role: person.actor.role, expiresInDays: 1 });
  return { authorization: `Bearer ${(made.json as { secret: string }).secret}` };
}
/** What this test did that succeeded. */
async function actions(): Promise<string[]> {
  const all = await services.db.select().from(auditEntries).orderBy(auditEntries.seq);
  return all
    .slice(written)
    .filter(({ result }) => result === "ok")
    .map(({ action }) => action);
}

describe("a session", () => {
  it("ends with the sign-out, and with it every copy of its cookie", async () => {
    const person = await testPerson(services, "operator");
    const [cookie, other] = [await cookieOf(served, services, person), await cookieOf(served, services, person)];
    expect(await statusOf({ cookie })).toBe(200);
    await signOut(services, { userId: person.actor.id ?? "", sessionId: (await idOf(cookie)) ?? "", address: null });
    expect(await statusOf({ cookie })).toBe(401);
    expect(await statusOf({ cookie: other })).toBe(200);
    expect(await actions()).toEqual(["session.ended"]);
  });

  it("ends when it is not used, and at the latest at its limit however much it is used", async () => {
    const person = await testPerson(services, "operator");
    const ago = (hours: number) => new Date(Date.now() - hours * 3600_000);
    const cookie = await cookieOf(served, services, person);
    const set = async (change: Partial<typeof sessions.$inferInsert>) => {
      await services.db
        .update(sessions)
        .set(change)
        .where(eq(sessions.userId, person.actor.id ?? ""));
      return statusOf({ cookie });
    };
    expect(await set({ lastSeenAt: ago(11.9) })).toBe(200);
    // Being used renews it.
    const [row] = await services.db
      .select()
      .from(sessions)
      .where(eq(sessions.userId, person.actor.id ?? ""));
    expect(row?.lastSeenAt.getTime()).toBeGreaterThan(ago(1).getTime());
    expect(await set({ lastSeenAt: ago(12.1) })).toBe(401);
    expect(await set({ lastSeenAt: new Date(), expiresAt: ago(0.01) })).toBe(401);
    expect(row?.expiresAt.getTime()).toBeLessThan(ago(-24 * 7 - 1).getTime());
  });

  it("is none of ours when it is forged, unknown, or of the form before", async () => {
    const { id } = await bearer(services, "administrator");
    const cookie = async (token: object, secret = served.settings.secret) =>
      `${sessionCookieName(false)}=${await encode({ token: token as never, secret })}`;
    const live = await idOf(await cookieOf(served, services, await testPerson(services, "administrator")));
    for (const forged of [
      await cookie({ sub: id, epoch: 0 }),
      await cookie({ sub: id, sid: "00000000-0000-4000-8000-000000000000" }),
      await cookie({ sub: id, sid: "' or true --" }),
      await cookie({ sub: id, sid: live }, "another installation's"),
    ])
      expect(codeOf(await served.ask("GET", "/session", { cookie: forged }))).toBe("auth.required");
  });

  it("ends with the password, the role and the account, for everybody but who changes their own password", async () => {
    const admin = await bearer(services, "administrator");
    const person = await withPassword("operator");
    const id = person.actor.id ?? "";
    for (const body of [{ password: "wintry ploughs hum" }, { role: "requester" }, { disabled: true }]) {
      const cookie = await cookieOf(served, services, person);
      expect(await statusOf({ cookie }), JSON.stringify(body)).toBe(200);
      expect((await served.ask("PATCH", `/users/${id}`, admin, body)).status).toBe(200);
      expect(await statusOf({ cookie }), JSON.stringify(body)).toBe(401);
    }
    const own = await withPassword("operator");
    const other = await cookieOf(served, services, own);
    const token = await tokenOf(own);
    const page = await pageOf(served, services, own);
    const change = { current: PASSWORD, next: "wintry ploughs hum" };
    expect((await page("POST", "/session/password", change)).status).toBe(204);
    expect((await page("GET", "/session")).status).toBe(200);
    expect(await statusOf({ cookie: other })).toBe(401);
    expect(await statusOf(token)).toBe(401);
  });

  it("is one of at most fifty: the one that was used least recently gives way", async () => {
    const person = await testPerson(services, "operator");
    const first = await cookieOf(served, services, person);
    await services.db
      .update(sessions)
      .set({ lastSeenAt: new Date(Date.now() - 3600_000) })
      .where(eq(sessions.userId, person.actor.id ?? ""));
    for (let at = 0; at < 49; at += 1) await cookieOf(served, services, person);
    expect(
      (
        await services.db
          .select()
          .from(sessions)
          .where(eq(sessions.id, (await idOf(first)) ?? ""))
      )[0]?.endedAt,
    ).toBeNull();
    await cookieOf(served, services, person);
    expect(await statusOf({ cookie: first })).toBe(401);
  });
});

describe("people", () => {
  it("see their own sessions, end each of them, and all others at once", async () => {
    const person = await testPerson(services, "requester");
    const page = await pageOf(served, services, person);
    const others = await Promise.all([1, 2, 3].map(() => cookieOf(served, services, person)));
    const stranger = await cookieOf(served, services, await testPerson(services, "requester"));
    const list = async () =>
      ((await page("GET", "/sessions")).json as { items: { id: string; current: boolean }[] }).items;
    expect(await list()).toHaveLength(4);
    expect((await list()).filter(({ current }) => current)).toHaveLength(1);
    expect((await page("DELETE", `/sessions/${await idOf(others[0] ?? "")}`)).status).toBe(204);
    expect(await statusOf({ cookie: others[0] ?? "" })).toBe(401);
    expect(codeOf(await page("DELETE", `/sessions/${await idOf(others[0] ?? "")}`))).toBe("session.not-found");
    expect(codeOf(await page("DELETE", `/sessions/${await idOf(stranger)}`))).toBe("session.not-found");
    expect(await statusOf({ cookie: stranger })).toBe(200);
    expect((await page("DELETE", "/sessions")).status).toBe(204);
    expect((await list()).map(({ current }) => current)).toEqual([true]);
    expect(await statusOf({ cookie: others[2] ?? "" })).toBe(401);
  });

  it("are signed out, and their tokens revoked, by administrators alone", async () => {
    const admin = await bearer(services, "administrator");
    const auditor = await bearer(services, "auditor");
    const person = await testPerson(services, "operator");
    const id = person.actor.id ?? "";
    const token = await tokenOf(person);
    const [cookie, other] = [await cookieOf(served, services, person), await cookieOf(served, services, person)];
    const listed = (await served.ask("GET", `/users/${id}/tokens`, auditor)).json as { items: { id: string }[] };
    expect(listed.items).toHaveLength(1);
    expect((await served.ask("GET", `/users/${id}/sessions`, auditor)).json).toMatchObject({ items: [{}, {}, {}] });
    for (const path of [`/users/${id}/sessions`, `/users/${id}/tokens`, `/users/${id}/tokens/${listed.items[0]?.id}`])
      expect(codeOf(await served.ask("DELETE", path, auditor)), path).toBe("auth.forbidden");
    expect((await served.ask("DELETE", `/users/${id}/sessions/${await idOf(cookie)}`, admin)).status).toBe(204);
    expect([await statusOf({ cookie }), await statusOf({ cookie: other })]).toEqual([401, 200]);
    expect((await served.ask("DELETE", `/users/${id}/sessions`, admin)).status).toBe(204);
    expect([await statusOf({ cookie: other }), await statusOf(token)]).toEqual([401, 200]);
    expect((await served.ask("DELETE", `/users/${id}/tokens`, admin)).status).toBe(204);
    expect(await statusOf(token)).toBe(401);
    // Somebody else's token or session is none of this person's.
    const [mine] = await services.db.select().from(apiTokens).where(eq(apiTokens.userId, auditor.id));
    expect(codeOf(await served.ask("DELETE", `/users/${id}/tokens/${mine?.id}`, admin))).toBe("token.not-found");
    expect((await actions()).filter((action) => action !== "token.created")).toEqual([
      "session.ended",
      "session.ended",
      "token.revoked",
    ]);
  });

  it("lose their tokens with their password, whoever changes it", async () => {
    const admin = await bearer(services, "administrator");
    const person = await withPassword("operator");
    const token = await tokenOf(person);
    expect(
      (await served.ask("PATCH", `/users/${person.actor.id}`, admin, { password: "wintry ploughs hum" })).status,
    ).toBe(200);
    expect(await statusOf(token)).toBe(401);
  });

  it("get no token or session from a password that is being changed in the same moment", async () => {
    const admin = await bearer(services, "administrator");
    const person = await withPassword("operator");
    const [{ email } = { email: "" }] = await services.db
      .select()
      .from(users)
      .where(eq(users.id, person.actor.id ?? ""));
    const logins = Array.from({ length: 4 }, () => served.ask("POST", "/login", {}, { email, password: PASSWORD }));
    const reset = served.ask("PATCH", `/users/${person.actor.id}`, admin, { password: "wintry ploughs hum" });
    const answers = await Promise.all(logins);
    expect((await reset).status).toBe(200);
    for (const { json } of answers) {
      const { secret } = json as { secret?: string };
      if (secret !== undefined) expect(await statusOf({ authorization: `Bearer ${secret}` })).toBe(401);
    }
    expect(
      (await services.db.select().from(apiTokens)).filter(
        ({ userId, revokedAt }) => userId === person.actor.id && revokedAt === null,
      ),
    ).toEqual([]);
  });
});

describe("an event stream", () => {
  async function open(
    headers: Record<string, string>,
  ): Promise<{ status: number; rest: Promise<string>; stop: () => void }> {
    const stop = new AbortController();
    const response = await fetch(`${served.base}/events`, { headers, signal: stop.signal });
    return { status: response.status, rest: response.text().catch(() => "cut"), stop: () => stop.abort() };
  }
  const within = <T>(promise: Promise<T>, ms: number) =>
    Promise.race([promise, new Promise<string>((resolve) => setTimeout(() => resolve("still open"), ms))]);

  it("says so and closes when the session or the token that opened it ends; others stay", async () => {
    const person = await testPerson(services, "operator");
    const admin = await bearer(services, "administrator");
    const token = await tokenOf(person);
    const [cookie, other] = [await cookieOf(served, services, person), await cookieOf(served, services, person)];
    const streams = { page: await open({ cookie }), script: await open(token), other: await open({ cookie: other }) };
    await served.ask("DELETE", `/users/${person.actor.id}/sessions/${await idOf(cookie)}`, admin);
    await served.ask("DELETE", `/users/${person.actor.id}/tokens`, admin);
    expect(await within(streams.page.rest, 10_000)).toMatch(/event: hello[^]*event: ended/);
    expect(await within(streams.script.rest, 10_000)).toContain("event: ended");
    expect(await within(streams.other.rest, 4000)).toBe("still open");
    streams.other.stop();
  });

  it("is one of at most twenty of a person, and makes room when it closes", async () => {
    const person = await testPerson(services, "operator");
    const cookie = await cookieOf(served, services, person);
    const streams = await Promise.all(Array.from({ length: 20 }, () => open({ cookie })));
    expect(streams.map(({ status }) => status)).toEqual(Array(20).fill(200));
    const refused = await fetch(`${served.base}/events`, { headers: { cookie } });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "30"]);
    expect(await refused.text()).toContain("events.too-many");
    // Somebody else is not kept out.
    const stranger = await open(await bearer(services, "requester"));
    expect(stranger.status).toBe(200);
    streams[0]?.stop();
    await expect
      .poll(
        async () => {
          const next = await open({ cookie });
          streams.push(next);
          return next.status;
        },
        { timeout: 10_000, interval: 200 },
      )
      .toBe(200);
    for (const { stop } of [...streams, stranger]) stop();
  });
});
