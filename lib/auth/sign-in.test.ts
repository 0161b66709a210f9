/** Wrong passwords slow the next try down; they never keep an account's owner out of a place that they came from before. */
import { count, eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { writeRepeats } from "#lib/audit/repeats.ts";
import { auditEntries, auditRepeats, knownPlaces, rateLimits, users } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { AppError } from "#lib/errors.ts";
import { testPerson } from "#lib/services/testing.ts";
import { signInByPassword } from "./accounts.ts";
import { hashPassword } from "./password.ts";
import { placeOf } from "./places.ts";
import { FREE_TRIES, takeTurn, throttleKey } from "./throttle.ts";

const PASSWORD = "correct horse battery";
let services: TestServices;
beforeAll(async () => {
  services = await testServices();
});
afterAll(async () => services.close());
let written = 0;
beforeEach(async () => {
  await services.db.delete(rateLimits);
  await services.db.delete(knownPlaces);
  await services.db.delete(auditRepeats);
  written = (await services.db.select().from(auditEntries)).length;
});

async function person(): Promise<string> {
  const { actor } = await testPerson(services, "operator");
  const [row] = await services.db
    .update(users)
    .set({ passwordHash: await hashPassword(PASSWORD) })
    .where(eq(users.id, actor.id ?? ""))
    .returning();
  return row?.email ?? "";
}
/** "in", the code of what refused it, or how long the next try has to wait. */
async function attempt(email: string, address: string, password = "not it at all"): Promise<string> {
  try {
    await signInByPassword(services, { email, password, via: "web", address });
    return "in";
  } catch (error) {
    return error instanceof AppError ? error.code : String(error);
  }
}
/** However slow this machine is, no wait that a try has earned ends by itself within a test. */
const stopTheClock = () =>
  services.db
    .update(rateLimits)
    .set({ notBefore: sql`${rateLimits.lastAt} + interval '1 hour'` })
    .where(sql`${rateLimits.notBefore} > ${rateLimits.lastAt}`);
async function times(n: number, what: (at: number) => Promise<string>): Promise<Record<string, number>> {
  const said: Record<string, number> = {};
  for (let at = 0; at < n; at += 1) {
    const answer = await what(at);
    await stopTheClock();
    said[answer] = (said[answer] ?? 0) + 1;
  }
  return said;
}
/** As if that much time had gone by. */
const wait = (seconds: number) =>
  services.db.update(rateLimits).set({
    lastAt: sql`${rateLimits.lastAt} - make_interval(secs => ${seconds})`,
    notBefore: sql`${rateLimits.notBefore} - make_interval(secs => ${seconds})`,
  });

describe("wrong passwords", () => {
  it("slow down whoever sends them, with the right one too, and only for as long as they are told", async () => {
    const email = await person();
    const at = "203.0.113.1";
    expect(await times(12, () => attempt(email, at))).toEqual({
      "auth.wrong-credentials": 6,
      "auth.too-many-attempts": 6,
    });
    await wait(3600);
    await services.db.update(rateLimits).set({ count: 9, lastAt: sql`now()` });
    expect(await attempt(email, at)).toBe("auth.wrong-credentials");
    const refused = await signInByPassword(services, { email, password: PASSWORD, via: "web", address: at }).catch(
      (error: unknown) => error,
    );
    expect(refused).toMatchObject({ kind: "too-many", code: "auth.too-many-attempts" });
    const { retryAfter } = (refused as AppError).details as { retryAfter: number };
    expect(retryAfter).toBeGreaterThanOrEqual(1);
    expect(retryAfter).toBeLessThanOrEqual(60);
    expect((refused as AppError).message).toContain(`in ${retryAfter} second`);
    expect((refused as AppError).hint).not.toMatch(/administrator|minutes/);
    await wait(retryAfter);
    expect(await attempt(email, at, PASSWORD)).toBe("in");
    // The owner has shown up: their own slips are forgotten.
    expect(await times(5, () => attempt(email, at))).toEqual({ "auth.wrong-credentials": 5 });
  });

  it("double the wait each time, up to a minute, and are forgotten after a while", async () => {
    const key = throttleKey("pair", "a");
    const waits: number[] = [];
    for (let n = 0; n < 16; n += 1) {
      const next = await takeTurn(services.db, "pair", key);
      waits.push(next);
      await wait(next);
    }
    expect(waits).toEqual([0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60]);
    await wait(16 * 60);
    expect(await takeTurn(services.db, "pair", key)).toBe(0);
  });

  it("are counted before they are looked at, so that a hundred at once are not a hundred guesses", async () => {
    const email = await person();
    const answers = await Promise.all(Array.from({ length: 40 }, () => attempt(email, "203.0.113.1")));
    expect(answers.filter((answer) => answer === "auth.wrong-credentials").length).toBeLessThanOrEqual(10);
    expect(answers.filter((answer) => answer === "auth.too-many-attempts").length).toBeGreaterThanOrEqual(30);
  });

  it("of others, from anywhere, do not keep the owner out of where they signed in before", async () => {
    const email = await person();
    expect(await attempt(email, "198.51.100.7", PASSWORD)).toBe("in");
    const said = await times(60, (at) => attempt(email, `203.0.113.${at}`));
    expect(said["auth.wrong-credentials"]).toBe(FREE_TRIES.account + 1);
    expect(await attempt(email, "203.0.113.99", PASSWORD)).toBe("auth.too-many-attempts");
    expect(await attempt(email, "198.51.100.7", PASSWORD)).toBe("in");
    // Later the others' place in the queue is anybody's, and so the owner's too.
    await wait(3600);
    expect(await attempt(email, "203.0.113.99", PASSWORD)).toBe("in");
  });

  it("of one address over many accounts slow that address down, but nobody who is known there", async () => {
    const [known, stranger] = [await person(), await person()];
    const shared = "192.0.2.10";
    expect(await attempt(known, shared, PASSWORD)).toBe("in");
    const said = await times(80, (at) => attempt(`user${at}@example.test`, shared));
    expect(said["auth.wrong-credentials"]).toBe(FREE_TRIES.place + 1);
    expect(await attempt(stranger, shared, PASSWORD)).toBe("auth.too-many-attempts");
    expect(await attempt(known, shared, PASSWORD)).toBe("in");
    expect(await attempt(stranger, "192.0.2.11", PASSWORD)).toBe("in");
  });

  it("are not made cheaper by an account of one's own", async () => {
    const own = await person();
    const at = "203.0.113.1";
    expect(await attempt(own, at, PASSWORD)).toBe("in");
    let looked = 0;
    for (let n = 0; n < 60; n += 1) {
      expect(await attempt(own, at, PASSWORD)).toBe("in");
      if ((await attempt(`user${n}@example.test`, at)) === "auth.wrong-credentials") looked += 1;
      await stopTheClock();
    }
    expect(looked).toBe(FREE_TRIES.place + 1);
  });

  it("for what is no email share no key with one another", async () => {
    expect(await times(6, () => attempt("not an email", "203.0.113.1"))).toEqual({ "auth.wrong-credentials": 6 });
    expect(await attempt("not an email", "203.0.113.1")).toBe("auth.too-many-attempts");
    expect(await attempt("neither is this", "203.0.113.1")).toBe("auth.wrong-credentials");
  });

  it("leave little behind: hashed keys, one entry each in the trail, and what is old goes", async () => {
    const email = await person();
    await times(8, () => attempt(email, "203.0.113.1"));
    const rows = JSON.stringify(await services.db.select().from(rateLimits));
    expect(rows).not.toContain("203.0.113.1");
    expect(rows).not.toContain(email);
    const all = await services.db.select().from(auditEntries).orderBy(auditEntries.seq);
    const trail = all.slice(written).flatMap(({ action, details }) => (action === "session.started" ? [details] : []));
    expect(trail).toHaveLength(6);
    expect(all.slice(written + 6).map(({ action }) => action)).toEqual(["session.locked"]);
    expect(trail.at(-1)).toEqual({ how: "password", nextTryAfterSeconds: 1 });
    await wait(16 * 60);
    await attempt("somebody@example.test", "203.0.113.2");
    expect(await services.db.select({ n: count() }).from(rateLimits)).toEqual([{ n: 3 }]);
  });
});

describe("tries that the throttle refuses", () => {
  const locked = async () => {
    const all = await services.db.select().from(auditEntries).orderBy(auditEntries.seq);
    return all.slice(written).filter(({ action }) => action === "session.locked");
  };

  it("leave one entry for an account at once, and one with the number of the rest", async () => {
    const email = await person();
    expect((await times(16, () => attempt(email, "203.0.113.1")))["auth.too-many-attempts"]).toBe(10);
    expect(await locked()).toMatchObject([
      {
        result: "refused",
        subjectKind: "user",
        subjectName: email,
        address: "203.0.113.1",
        via: "web",
        details: { how: "password", slowed: "account and address" },
      },
    ]);
    await writeRepeats(services, -1);
    expect((await locked()).map(({ details }) => details["repeated"])).toEqual([undefined, 9]);
  });

  it("name the place and nothing that was typed, however many names and addresses are tried", async () => {
    const said = await times(60, (at) => attempt(`typed${at}@example.test`, `2001:db8:9:9::${at + 1}`));
    expect(said["auth.too-many-attempts"]).toBe(60 - FREE_TRIES.place - 1);
    for (let at = 0; at < 20; at += 1) await attempt("typed here", `2001:db8:9:9::${at + 1}`);
    await writeRepeats(services, -1);
    const entries = await locked();
    expect(entries.map(({ details }) => details["repeated"])).toEqual([undefined, 60 - FREE_TRIES.place - 1 + 19]);
    expect(entries.map(({ subjectId, address }) => [subjectId, address])).toEqual(
      Array(2).fill([null, "2001:db8:9:9::/64"]),
    );
    expect(JSON.stringify(entries)).not.toContain("typed");
  });

  it("of an account that there is not are those of the place too", async () => {
    await times(12, () => attempt("typed@example.test", "203.0.113.7"));
    const entries = await locked();
    expect(entries).toMatchObject([{ subjectId: null, subjectName: "somebody at 203.0.113.7" }]);
    expect(JSON.stringify(entries)).not.toContain("typed");
  });
});

describe("places", () => {
  it("are an IPv4 address or the network of an IPv6 one", () => {
    expect(placeOf("192.0.2.1")).toBe("192.0.2.1");
    expect(placeOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2::/64");
    expect(placeOf("2001:db8:1:2::9")).toBe("2001:db8:1:2::/64");
    expect(placeOf("2001:db8::9")).toBe("2001:db8:0:0::/64");
    expect(placeOf("::1")).toBe("0:0:0:0::/64");
    expect(placeOf(null)).toBe("unknown");
  });

  it("are remembered by thirty, the newest", async () => {
    const email = await person();
    for (let at = 0; at < 35; at += 1) expect(await attempt(email, `198.51.100.${at}`, PASSWORD)).toBe("in");
    const places = (await services.db.select().from(knownPlaces)).map(({ place }) => place);
    expect(places).toHaveLength(30);
    expect(places).toContain("198.51.100.34");
    expect(places).not.toContain("198.51.100.0");
  });
});
