/** Names, tokens and sessions as the API takes them, over a real port. */
import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { apiTokens, auditEntries, rateLimits, users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { ensureSetupCode } from "#lib/services/setup/setup-code.ts";
import { testPerson } from "#lib/services/testing.ts";
import { bearer, codeOf, cookieOf, pageOf, serveApi, type ServedApi } from "./testing-server.ts";

const PASSWORD = "correct horse battery";
let services: TestServices;
let served: ServedApi;

beforeAll(async () => {
  services = await testServices();
  served = await serveApi(services);
});
afterAll(async () => {
  await served.close();
  await services.close();
});
beforeEach(async () => {
  await services.db.delete(users);
  await services.db.delete(rateLimits);
});

const login = (email: string, password: string) => served.ask("POST", "/login", {}, { email, password });
const makeFirst = async (name: string) => {
  const code = await ensureSetupCode(services.dataDir);
  return served.ask("POST", "/setup", {}, { email: `${name}@example.test`, name, password: PASSWORD, code });
};

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
  it("says the same of a wrong address and a wrong password", async () => {
    await makeFirst("admin");
    const wrong = await login("admin@example.test", "not it at all");
    const unknown = await login("nobody@example.test", "not it at all");
    const odd = await login("no address\u0000", "not it at all");
    expect([wrong.status, wrong.text]).toEqual([401, unknown.text]);
    expect(odd.text).toBe(wrong.text);
    expect(codeOf(wrong)).toBe("auth.wrong-credentials");
  });

  it("stands in the trail as the API's, a slowed one too", async () => {
    await makeFirst("admin");
    const before = (await services.db.select().from(auditEntries)).length;
    expect((await login("admin@example.test", PASSWORD)).status).toBe(201);
    for (let at = 0; at < 6; at += 1) await login("nobody@example.test", "not it at all");
    // However slow this machine is, the wait does not end by itself.
    await services.db.update(rateLimits).set({ notBefore: sql`now() + interval '1 hour'` });
    await login("nobody@example.test", "not it at all");
    const entries = await services.db.select().from(auditEntries).orderBy(auditEntries.seq);
    const signIns = entries.slice(before).filter(({ action }) => action.startsWith("session."));
    expect(new Set(signIns.map(({ via }) => via))).toEqual(new Set(["token"]));
    expect(signIns.map(({ action, result }) => `${action} ${result}`)).toEqual([
      "session.started ok",
      ...Array<string>(6).fill("session.started refused"),
      "session.locked refused",
    ]);
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
    // Enabling revives none of them.
    expect((await served.ask("PATCH", `/users/${id}`, admin, { disabled: false })).status).toBe(200);
    expect(codeOf(await served.ask("GET", "/session", { authorization: `Bearer ${secret}` }))).toBe(
      "auth.token-invalid",
    );
    expect((await login("admin@example.test", PASSWORD)).status).toBe(201);
  });
});

describe("personal tokens", () => {
  it("are kept as a hash alone, are shown once, and end by time and by revocation", async () => {
    const person = await testPerson(services, "operator");
    const page = await pageOf(served, services, person);
    const make = (role: string) => page("POST", "/tokens", { name: "t", role, expiresInDays: 1 });
    // What an operator may do does not hold what an auditor may read.
    expect(codeOf(await make("auditor"))).toBe("token.role-too-strong");
    const mine = await make("requester");
    expect(mine.status).toBe(201);
    const { secret, token } = mine.json as { secret: string; token: { id: string } };
    expect(JSON.stringify(await services.db.select().from(apiTokens))).not.toContain(secret);
    expect((await page("GET", "/tokens")).text).not.toContain(secret);
    const trail = JSON.stringify(await services.db.select().from(auditEntries));
    expect(trail).toContain("token.created");
    expect(trail).not.toContain(secret);

    const scoped = { authorization: `Bearer ${secret}` };
    expect((await served.ask("GET", "/session", scoped)).json).toMatchObject({ user: { role: "requester" } });
    expect((await served.ask("POST", "/hosts/test", scoped, { hostId: token.id })).status).toBe(403);

    const expire = (at: number) =>
      services.db
        .update(apiTokens)
        .set({ expiresAt: new Date(at) })
        .where(eq(apiTokens.id, token.id));
    await expire(Date.now() - 1000);
    expect(codeOf(await served.ask("GET", "/session", scoped))).toBe("auth.token-invalid");
    await expire(Date.now() + 60_000);
    expect((await served.ask("GET", "/session", scoped)).status).toBe(200);
    const other = await bearer(services, "administrator");
    expect((await served.ask("DELETE", `/tokens/${token.id}`, other)).status).toBe(404);
    expect((await page("DELETE", `/tokens/${token.id}`)).status).toBe(204);
    expect(codeOf(await served.ask("GET", "/session", scoped))).toBe("auth.token-invalid");
  });

  it("make no tokens: nothing outlives what it was made with", async () => {
    const { authorization } = await bearer(services, "administrator");
    for (const role of ["administrator", "requester"]) {
      const made = await served.ask("POST", "/tokens", { authorization }, { name: "t", role, expiresInDays: 365 });
      expect([made.status, codeOf(made)]).toEqual([403, "token.made-by-token"]);
    }
    expect(await services.db.select().from(apiTokens)).toHaveLength(1);
  });

  it("are at most a hundred per person that count", async () => {
    const person = await testPerson(services, "operator");
    const row = (at: number, expiresAt: Date) => ({
      userId: person.actor.id ?? "",
      name: "t",
      role: "operator" as const,
      hash: `h${at}`,
      prefix: "svt_",
      expiresAt,
    });
    const [soon, past] = [new Date(Date.now() + 60_000), new Date(Date.now() - 60_000)];
    await services.db.insert(apiTokens).values(Array.from({ length: 150 }, (_, at) => row(at, at < 99 ? soon : past)));
    const page = await pageOf(served, services, person);
    const make = () => page("POST", "/tokens", { name: "t", role: "operator", expiresInDays: 1 });
    // Two at the same time must not both be the hundredth.
    const answers = await Promise.all([make(), make()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
    expect(codeOf(await make())).toBe("token.too-many");
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
  it("change things only when asked by our own pages", async () => {
    const person = await testPerson(services, "administrator");
    const cookie = await cookieOf(served, services, person);
    const change = (headers: Record<string, string>) =>
      served.ask("PATCH", "/settings", { cookie, ...headers }, { waiveApproval: true });
    expect((await served.ask("GET", "/session", { cookie })).status).toBe(200);
    for (const headers of [
      {},
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: "https://evil.example.test" },
      { origin: "https://evil.example.test", "x-forwarded-host": "evil.example.test" },
      { origin: "null" },
    ])
      expect(codeOf(await change(headers)), JSON.stringify(headers)).toBe("auth.cross-site");
    expect((await served.ask("GET", "/settings", { cookie })).json).toMatchObject({ waiveApproval: false });
    expect((await change({ "sec-fetch-site": "same-origin" })).status).toBe(200);
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
