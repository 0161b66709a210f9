/** One rule for all lists: what is not a cursor of this very list is refused, and never the first page again. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { jobs } from "#lib/db/schema.ts";
import { pageCursor, readPageCursor } from "#lib/db/page-cursor.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { z } from "zod";
import { bearer, codeOf, serveApi, type ServedApi } from "./testing-server.ts";

let services: TestServices;
let served: ServedApi;
let admin: { authorization: string };
beforeAll(async () => {
  services = await testServices();
  served = await serveApi(services);
  admin = await bearer(services, "administrator");
});
afterAll(async () => {
  await served.close();
  await services.close();
});

const LISTS = ["/requests", "/audit", "/images", "/vms", "/jobs"];

it("is the same answer everywhere", async () => {
  const other = pageCursor("another list", [1]);
  const junk = ["abc", "1", "-1", "0", "", "%00", "null", "W10", "e30", "NULL", "9".repeat(40), `${other}=`, other];
  for (const list of LISTS) {
    for (const cursor of junk) {
      const answer = await served.ask("GET", `${list}?cursor=${encodeURIComponent(cursor)}`, admin);
      expect([answer.status, codeOf(answer)], `${list}?cursor=${cursor}`).toEqual([400, "list.bad-cursor"]);
    }
  }
  const byName = pageCursor("vms by name asc", ["a", crypto.randomUUID(), "r"]);
  expect((await served.ask("GET", `/vms?cursor=${byName}`, admin)).status).toBe(200);
  expect(codeOf(await served.ask("GET", `/vms?order=desc&cursor=${byName}`, admin))).toBe("list.bad-cursor");
});

it("leads through a list whose rows are of one moment, each once", async () => {
  const at = new Date();
  await services.db.insert(jobs).values(
    Array.from({ length: 7 }, (_, n) => ({
      kind: "deploy" as const,
      title: `job ${n}`,
      subjectKind: "request" as const,
      subjectId: "x",
      input: {},
      createdByName: "x",
      createdAt: at,
    })),
  );
  const seen: string[] = [];
  for (let path = "/jobs?limit=3"; path !== ""; ) {
    const page = (await served.ask("GET", path, admin)).json as { items: { title: string }[]; next: string | null };
    seen.push(...page.items.map(({ title }) => title));
    path = page.next === null ? "" : `/jobs?limit=3&cursor=${page.next}`;
  }
  expect([...seen].sort()).toEqual(Array.from({ length: 7 }, (_, n) => `job ${n}`));
});

it("reads back what it wrote, and nothing that was changed", () => {
  const Place = z.tuple([z.string(), z.number()]);
  for (const name of ["", "ü", "\0", "𝄞", '"', "a".repeat(300)]) {
    const cursor = pageCursor("l", [name, 7]);
    expect(readPageCursor("l", Place, cursor)).toEqual([name, 7]);
    expect(() => readPageCursor("m", Place, cursor)).toThrow(/cursor/);
    expect(() => readPageCursor("l", Place, `${cursor}A`)).toThrow(/cursor/);
    expect(() => readPageCursor("l", Place, cursor.slice(1))).toThrow(/cursor/);
  }
  expect(readPageCursor("l", Place, null)).toBeUndefined();
});
