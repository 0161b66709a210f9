/** The trail over the API: what an export proves, what a broken one looks like, and what leaves an entry. */
import { createHash, createPublicKey, verify } from "node:crypto";
import { request as httpRequest } from "node:http";
import { desc, eq, sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { GENESIS, hashEntry } from "#lib/audit/entry.ts";
import { auditKeysOf } from "#lib/audit/keys.ts";
import { SUPRAVISOR } from "#lib/audit/supravisor.ts";
import { writeRepeats } from "#lib/audit/repeats.ts";
import { auditEntries, auditRepeats } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import type { AuditEntry } from "#lib/domain/audit.ts";
import { ROLES } from "#lib/domain/role.ts";
import { bearer, codeOf, serveApi, type ServedApi } from "./testing-server.ts";

let services: TestServices;
let served: ServedApi;
let auditor: { authorization: string };
const logged: unknown[] = [];

beforeAll(async () => {
  services = await testServices();
});
beforeEach(async () => {
  await services.db.execute(sql`alter table audit_entries disable trigger user`);
  await services.db.delete(auditEntries);
  await services.db.execute(sql`alter table audit_entries enable trigger user`);
  logged.length = 0;
  served = await serveApi({ ...services, log: listening() });
  auditor = await bearer(services, "auditor");
});
afterEach(() => served.close());
afterAll(() => services.close());

function listening(): TestServices["log"] {
  const log = services.log.child({});
  log.error = (...args: unknown[]) => void logged.push(args);
  return log;
}

/** One after another they would take their time; the chain is the same. */
async function write(count: number): Promise<void> {
  const keys = auditKeysOf(services.db);
  const [last] = await services.db.select().from(auditEntries).orderBy(desc(auditEntries.seq)).limit(1);
  let prevHash = last?.hash ?? GENESIS;
  const rows = Array.from({ length: count }, (_, n) => {
    const entry = {
      seq: (last?.seq ?? 0) + n + 1,
      at: new Date(),
      actorId: null,
      actorName: "Ada",
      actorRole: null,
      via: "web" as const,
      address: null,
      action: "host.edited",
      subjectKind: "host",
      subjectId: null,
      subjectName: `host ${n} ü "x", =1+1`,
      result: "ok" as const,
      details: { n, nested: { b: 1, a: [null, 0.5] } },
      prevHash,
      keyId: keys.id,
    };
    prevHash = hashEntry(entry);
    return { ...entry, hash: prevHash, mac: keys.mac(prevHash) };
  });
  await services.db.insert(auditEntries).values(rows);
}
const entriesOf = (action: string) => services.db.select().from(auditEntries).where(eq(auditEntries.action, action));

interface ExportFile {
  entries: AuditEntry[];
  complete: boolean;
  count: number;
  lastSeq: number | null;
  lastHash: string | null;
  head: { seq: number; hash: string; at: string; keyId: string; publicKey: string; signature: string } | null;
}
const exported = async (query = ""): Promise<ExportFile> =>
  (await served.ask("GET", `/audit/export?format=json${query}`, auditor)).json as ExportFile;

/** As docs/audit.md describes it, and with none of the product's code. */
const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : value !== null && typeof value === "object"
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, item]) => [key, sorted(item)]),
        )
      : value;
function hashByTheBook(e: AuditEntry): string {
  const { seq, at, via, address, action, result, details, prevHash, keyId } = e;
  const covered = {
    ...{ seq, at, via, address, action, result, details, prevHash },
    ...{ actorId: e.actor.id, actorName: e.actor.name, actorRole: e.actor.role },
    ...{ subjectKind: e.subject.kind, subjectId: e.subject.id, subjectName: e.subject.name },
    ...(keyId === null ? {} : { keyId }),
  };
  return createHash("sha256")
    .update(JSON.stringify(sorted(covered)))
    .digest("hex");
}

describe("an export", () => {
  it("verifies offline: every hash, the chain, and its end with the public key alone", async () => {
    await write(1203);
    const file = await exported();
    let prevHash = "0".repeat(64);
    for (const [index, entry] of file.entries.entries()) {
      expect(entry.seq).toBe(index + 1);
      expect(entry.prevHash).toBe(prevHash);
      prevHash = hashByTheBook(entry);
      expect(entry.hash).toBe(prevHash);
    }
    expect(file).toMatchObject({ complete: true, count: file.entries.length, lastHash: prevHash });
    const { seq, hash, at, keyId, publicKey, signature } = file.head!;
    expect([seq, hash]).toEqual([file.lastSeq, prevHash]);
    const raw = Buffer.from(publicKey, "base64");
    expect(createHash("sha256").update(raw).digest("hex").slice(0, 32)).toBe(keyId);
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: raw.toString("base64url") },
      format: "jwk",
    });
    const text = `supravisor audit head v1\n${JSON.stringify(sorted({ seq, hash, at, keyId }))}`;
    expect(verify(null, Buffer.from(text), key, Buffer.from(signature, "base64"))).toBe(true);
    expect(await entriesOf("audit.exported")).toMatchObject([{ details: { format: "json", upTo: file.lastSeq } }]);
  });

  it("of a filter says so by what it holds, and ends the same way; of nothing too", async () => {
    await write(3);
    const some = await exported("&subjectKind=host&from=2000-01-01");
    expect(some.entries.map(({ details }) => details["n"])).toEqual([0, 1, 2]);
    expect(some).toMatchObject({ complete: true, count: 3, lastHash: some.entries[2]!.hash });
    expect(await exported("&subjectKind=nothing")).toMatchObject({
      entries: [],
      complete: true,
      count: 0,
      lastSeq: null,
      head: null,
    });
  });

  it("as CSV ends with a record of the same width that says it is complete", async () => {
    await write(2);
    const { text } = await served.ask("GET", "/audit/export?format=csv&subjectKind=host", auditor);
    const lines = text.trimEnd().split("\r\n");
    expect(lines).toHaveLength(4);
    expect(lines[3]).toMatch(/^#end,,.*,complete,/);
    expect(lines[3]).toContain('""complete"":true,""count"":2');
    const commas = (line: string) => line.replaceAll(/"(?:[^"]|"")*"/g, "").split(",").length;
    expect(new Set(lines.map(commas)).size).toBe(1);
  });

  it.each(["csv", "json"])(
    "of a filter that the database refuses is an error of the usual shape, as %s",
    async (format) => {
      const answer = await served.ask("GET", `/audit/export?format=${format}&subjectKind=a%00b`, auditor);
      expect([answer.status, codeOf(answer)]).toEqual([400, "request.unstorable"]);
      expect(await entriesOf("audit.exported")).toEqual([]);
    },
  );

  it.each(["csv", "json"])("that breaks off is cut, not ended, and the log says why, as %s", async (format) => {
    await write(1203);
    const { db } = services;
    let begun = false;
    // The database goes away once the export has begun, between two batches.
    const gone = new Proxy(db, {
      get: (target, key) => {
        const value = Reflect.get(target, key, target) as unknown;
        if (key === "select" && begun) throw new Error("Failed query: select x\nparams: a secret");
        if (key === "transaction")
          return async (work: Parameters<typeof db.transaction>[0]) => {
            const answer = await target.transaction(work);
            begun = (await entriesOf("audit.exported")).length > 0;
            return answer;
          };
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    await served.close();
    served = await serveApi({ ...services, db: gone, log: listening() });
    const printed: unknown[] = [];
    const old = console.error;
    console.error = (...args: unknown[]) => void printed.push(args);
    try {
      const end = await new Promise<{ status: number; complete: boolean; text: string }>((resolve, reject) => {
        const call = httpRequest(
          `${served.base}/audit/export?format=${format}`,
          { headers: { authorization: auditor.authorization } },
          (response) => {
            let text = "";
            response.setEncoding("utf8").on("data", (part: string) => (text += part));
            response.on("error", () => undefined);
            response.on("close", () =>
              resolve({ status: response.statusCode ?? 0, complete: response.complete, text }),
            );
          },
        );
        call.on("error", reject).end();
      });
      expect(end.status).toBe(200);
      expect(end.complete).toBe(false);
      expect(end.text).not.toContain("complete");
      expect(end.text).not.toContain("Error");
      expect(logged).toHaveLength(1);
      expect(printed).toEqual([]);
    } finally {
      console.error = old;
    }
  });
});

describe("what leaves an entry", () => {
  it("a verification does, with what it found", async () => {
    await write(2);
    expect((await served.ask("GET", "/audit/verify", auditor)).json).toMatchObject({ ok: true });
    expect(await entriesOf("audit.verified")).toMatchObject([{ result: "ok", details: { ok: true, problems: [] } }]);
  });

  it("looking does not, whatever the role lacks", async () => {
    for (const role of ROLES) {
      const { authorization } = await bearer(services, role);
      const before = (await services.db.select().from(auditEntries)).length;
      for (const path of ["/images/folders", "/hosts/discover", "/users", "/audit", "/tokens", "/transfers"])
        await served.ask("GET", path, { authorization });
      expect((await services.db.select().from(auditEntries)).length, role).toBe(before);
    }
  });

  it("a refusal has the name of the act, and a hundred of them are one entry and a count", async () => {
    const { authorization } = await bearer(services, "requester");
    const body = { name: "mine", target: { driver: "demo", connection: { transport: "demo", vendor: "kvm" } } };
    const tries = 25;
    await Promise.all(
      Array.from({ length: tries }, async () =>
        expect((await served.ask("POST", "/hosts", { authorization }, body)).status).toBe(403),
      ),
    );
    expect(await entriesOf("host.added")).toMatchObject([{ result: "refused", subjectKind: "host" }]);
    // Another act is another entry.
    await served.ask("PATCH", "/settings", { authorization }, {});
    expect(await entriesOf("settings.changed")).toHaveLength(1);
    await Promise.all([writeRepeats(services, -1000), writeRepeats(services, -1000)]);
    const written = await entriesOf("host.added");
    expect(written.map(({ details }) => details["repeated"] ?? 1)).toEqual([1, tries - 1]);
    expect(await services.db.select().from(auditRepeats)).toEqual([]);
    expect((await served.ask("GET", "/audit/verify", auditor)).json).toMatchObject({ ok: true });
  });

  it("a count that somebody put into the database is not", async () => {
    const now = new Date();
    const fact = { action: "request.approved", subject: { kind: "request", id: "x", name: "request 1" } };
    await services.db
      .insert(auditRepeats)
      .values({ key: "a".repeat(64), actor: { ...SUPRAVISOR }, fact, count: 5, since: now, until: now });
    await writeRepeats(services, -1000);
    expect(await entriesOf("request.approved")).toEqual([]);
    expect(await services.db.select().from(auditRepeats)).toEqual([]);
  });
});
