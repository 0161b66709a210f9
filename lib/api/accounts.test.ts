/** Names, tokens and sessions as the API takes them, over a real port. */
import { eq } from "drizzle-orm";
import { encode } from "next-auth/jwt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sessionCookieName } from "#lib/auth/session-cookie.ts";
import { apiTokens, auditEntries, rateLimits, users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { bearer, codeOf, serveApi, type ServedApi } from "./testing-server.ts";

const PASSWORD = "correct horse battery";
let services: TestServices;
let served: ServedApi;

beforeEach(async () => {
  services = await testServices();
  served = await serveApi(services);
});
afterEach(async () => {
  await served.close();
  await services.close();
});

const login = (email: string, password: string) => served.ask("POST", "/login", {}, { email, password });
const makeFirst = (name: string) =>
  served.ask("POST", "/setup", {}, { email: `${name}@example.test`, name, password: PASSWORD });

describe("set-up", () => {
  it("makes one administrator however many ask at the same time, and none afterwards", async () => {
    const answers = await Promise.all(["a", "b", "c", "d"].map(makeFirst));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    expect(answers.filter(({ status }) => status === 409).map(codeOf)).toEqual(Array(3).fill("setup.done"));
    expect(await services.db.select({ role: users.role }).from(users)).toEqual([{ role: "administrator" }]);
    expect(codeOf(await makeFirst("e"))).toBe("setup.done");
    expect((await served.ask("GET", "/setup")).json).toEqual({ needed: false });
  });
});

describe("signing in for a token", () => {
  it("says the same of a wrong address and a wrong password, and stops after ten tries whatever the password", async () => {
    await makeFirst("admin");
    const wrong = await login("admin@example.test", "not it at all");
    const unknown = await login("nobody@example.test", "not it at all");
    expect([wrong.status, wrong.text]).toEqual([401, unknown.text]);
    expect(codeOf(wrong)).toBe("auth.wrong-credentials");
    await services.db.delete(rateLimits);
    const tries = await Promise.all(Array.from({ length: 14 }, () => login("admin@example.test", "guess after guess")));
    expect(tries.filter(({ status }) => status === 401)).toHaveLength(10);
    expect(tries.filter(({ status }) => status === 429).map(codeOf)).toEqual(Array(4).fill("auth.too-many-attempts"));
    expect(codeOf(await login("admin@example.test", PASSWORD))).toBe("auth.too-many-attempts");
    // The window passes: the owner comes in, and is counted from nothing again.
    await services.db.update(rateLimits).set({ windowStart: new Date(Date.now() - 16 * 60_000) });
    expect((await login("admin@example.test", PASSWORD)).status).toBe(201);
    const kept = await services.db.select().from(rateLimits).where(eq(rateLimits.key, "account:admin@example.test"));
    expect(kept).toEqual([]);
  });

  it("refuses a disabled account and ends the tokens it had", async () => {
    await makeFirst("admin");
    const admin = await bearer(services, "administrator");
    const { secret } = (await login("admin@example.test", PASSWORD)).json as { secret: string };
    const session = await served.ask("GET", "/session", { authorization: `Bearer ${secret}` });
    const { id } = (session.json as { user: { id: string } }).user;
    expect((await served.ask("PATCH", `/users/${id}`, admin, { disabled: true })).status).toBe(200);
    expect(codeOf(await served.ask("GET", "/session", { authorization: `Bearer ${secret}` }))).toBe(
      "auth.token-invalid",
    );
    expect(codeOf(await login("admin@example.test", PASSWORD))).toBe("auth.wrong-credentials");
  });
});

describe("personal tokens", () => {
  it("are kept as a hash alone, are shown once, and end by time and by revocation", async () => {
    const { authorization } = await bearer(services, "operator");
    const made = await served.ask(
      "POST",
      "/tokens",
      { authorization },
      { name: "t", role: "auditor", expiresInDays: 1 },
    );
    // What an operator may do does not hold what an auditor may read.
    expect(codeOf(made)).toBe("token.role-too-strong");
    const mine = await served.ask(
      "POST",
      "/tokens",
      { authorization },
      { name: "t", role: "requester", expiresInDays: 1 },
    );
    expect(mine.status).toBe(201);
    const { secret, token } = mine.json as { secret: string; token: { id: string } };
    const rows = JSON.stringify(await services.db.select().from(apiTokens));
    expect(rows).not.toContain(secret);
    expect(rows).not.toContain(authorization.slice("Bearer ".length));
    expect((await served.ask("GET", "/tokens", { authorization })).text).not.toContain(secret);
    const trail = JSON.stringify(await services.db.select().from(auditEntries));
    expect(trail).toContain("token.created");
    expect(trail).not.toContain(secret);

    const scoped = { authorization: `Bearer ${secret}` };
    expect((await served.ask("GET", "/session", scoped)).json).toMatchObject({ user: { role: "requester" } });
    expect((await served.ask("POST", "/hosts/test", scoped, { hostId: token.id })).status).toBe(403);
    // Nor does it make itself a stronger one.
    const stronger = await served.ask("POST", "/tokens", scoped, { name: "up", role: "operator", expiresInDays: 1 });
    expect(codeOf(stronger)).toBe("token.role-too-strong");

    await services.db
      .update(apiTokens)
      .set({ expiresAt: new Date(Date.now() - 1) })
      .where(eq(apiTokens.id, token.id));
    expect(codeOf(await served.ask("GET", "/session", scoped))).toBe("auth.token-invalid");
    await services.db
      .update(apiTokens)
      .set({ expiresAt: new Date(Date.now() + 60_000) })
      .where(eq(apiTokens.id, token.id));
    expect((await served.ask("GET", "/session", scoped)).status).toBe(200);
    const other = await bearer(services, "administrator");
    expect((await served.ask("DELETE", `/tokens/${token.id}`, other)).status).toBe(404);
    expect((await served.ask("DELETE", `/tokens/${token.id}`, { authorization })).status).toBe(204);
    expect(codeOf(await served.ask("GET", "/session", scoped))).toBe("auth.token-invalid");
  });

  it("lose what their owner loses", async () => {
    const admin = await bearer(services, "administrator");
    const operator = await bearer(services, "operator");
    await services.db.update(users).set({ role: "requester" }).where(eq(users.id, operator.id));
    expect((await served.ask("GET", "/session", operator)).json).toMatchObject({ user: { role: "requester" } });
    await services.db.update(users).set({ role: "auditor" }).where(eq(users.id, admin.id));
    expect((await served.ask("POST", "/hosts/demo", admin, {})).status).toBe(403);
  });

  it("are understood strictly", async () => {
    for (const authorization of ["Basic YTpi", "Bearer", "Bearer svt_", "bearer svt_x", `Bearer svt_${"A".repeat(43)}`])
      expect(codeOf(await served.ask("GET", "/session", { authorization })), authorization).toBe("auth.token-invalid");
  });
});

describe("browser sessions", () => {
  async function cookieOf(id: string, epoch = 0): Promise<string> {
    const value = await encode({ token: { sub: id, epoch }, secret: served.settings.secret });
    return `${sessionCookieName(false)}=${value}`;
  }

  it("change things only when asked by our own pages", async () => {
    const { id } = await bearer(services, "administrator");
    const cookie = await cookieOf(id);
    const change = (headers: Record<string, string>) =>
      served.ask("PATCH", "/settings", { cookie, ...headers }, { waiveApproval: true });
    expect((await served.ask("GET", "/session", { cookie })).status).toBe(200);
    for (const headers of [
      {},
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: "https://evil.example.test" },
      { origin: "null" },
    ])
      expect(codeOf(await change(headers)), JSON.stringify(headers)).toBe("auth.cross-site");
    expect((await served.ask("GET", "/settings", { cookie })).json).toMatchObject({ waiveApproval: false });
    expect((await change({ "sec-fetch-site": "same-origin" })).status).toBe(200);
  });

  it("end with the password, the role and the account", async () => {
    const admin = await bearer(services, "administrator");
    const person = await bearer(services, "operator");
    for (const body of [{ password: "another password" }, { role: "requester" }, { disabled: true }] as const) {
      const [row] = await services.db.select().from(users).where(eq(users.id, person.id));
      const cookie = await cookieOf(person.id, row?.sessionEpoch);
      expect((await served.ask("GET", "/session", { cookie })).status, JSON.stringify(body)).toBe(200);
      expect((await served.ask("PATCH", `/users/${person.id}`, admin, body)).status).toBe(200);
      expect(codeOf(await served.ask("GET", "/session", { cookie })), JSON.stringify(body)).toBe("auth.required");
    }
    const forged = await encode({ token: { sub: admin.id, epoch: 0 }, secret: "another installation's" });
    expect(codeOf(await served.ask("GET", "/session", { cookie: `${sessionCookieName(false)}=${forged}` }))).toBe(
      "auth.required",
    );
  });
});

describe("administrators", () => {
  it("are never none, also when two demote each other at the same moment", async () => {
    const [a, b] = [await bearer(services, "administrator"), await bearer(services, "administrator")];
    const answers = await Promise.all([
      served.ask("PATCH", `/users/${b.id}`, a, { role: "auditor" }),
      served.ask("PATCH", `/users/${a.id}`, b, { role: "auditor" }),
    ]);
    expect(answers.map(({ status }) => status).sort()).not.toEqual([200, 200]);
    const left = await services.db.select().from(users).where(eq(users.role, "administrator"));
    expect(left).toHaveLength(1);
    const last = left[0]?.id === a.id ? a : b;
    for (const body of [{ disabled: true }, { role: "operator" }])
      expect(codeOf(await served.ask("PATCH", `/users/${last.id}`, last, body))).toBe("user.last-administrator");
  });
});
