/** What somebody who can write to the database does to the trail, and that it shows. */
import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { asc, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/pglite";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Db } from "#lib/db/client.ts";
import * as schema from "#lib/db/schema.ts";
import { auditEntries } from "#lib/db/schema.ts";
import { testServices, type TestServices } from "#lib/db/testing.ts";
import { secretBox } from "#lib/secrets/box.ts";
import { appendAudit } from "./append.ts";
import { SUPRAVISOR } from "./supravisor.ts";
import { GENESIS, hashEntry, type AuditRow } from "./entry.ts";
import { addToHistory, headFits, readHeads, readMark, signHead } from "./heads.ts";
import { auditKeys, auditKeysOf, bindAuditKeys, type AuditKeys } from "./keys.ts";
import { keepHead, sealAudit, startAuditUpkeep } from "./upkeep.ts";
import { verifyAudit } from "./verify.ts";

let services: TestServices;
let keys: AuditKeys;
beforeAll(async () => {
  services = await testServices();
  keys = auditKeysOf(services.db);
});
beforeEach(async () => {
  bindAuditKeys(services.db, keys);
  await replaceAll([]);
  for (const name of ["audit-head.json", "audit-heads.jsonl"]) await rm(join(services.dataDir, name), { force: true });
});
afterAll(() => services.close());

async function write(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await services.db.transaction((tx) =>
      appendAudit(tx, SUPRAVISOR, {
        action: "host.edited",
        subject: { kind: "host", id: null, name: `host ${n}` },
        details: { n },
      }),
    );
  }
}
const rows = (): Promise<AuditRow[]> => services.db.select().from(auditEntries).orderBy(asc(auditEntries.seq));
const check = async () => verifyAudit(services.db, await readHeads(services.dataDir));

/** The owner of the tables puts these rows in place of all others. */
async function replaceAll(entries: readonly AuditRow[]): Promise<void> {
  await services.db.execute(sql`alter table audit_entries disable trigger user`);
  await services.db.delete(auditEntries);
  if (entries.length > 0) await services.db.insert(auditEntries).values([...entries]);
  await services.db.execute(sql`alter table audit_entries enable trigger user`);
}

/** Numbers, predecessors and hashes as they have to be; what cannot be made is the MAC. */
function rechained(entries: readonly AuditRow[]): AuditRow[] {
  let prevHash = GENESIS;
  return entries.map((entry, index) => {
    const next = { ...entry, seq: index + 1, prevHash };
    prevHash = hashEntry(next);
    return { ...next, hash: prevHash };
  });
}

describe("a trail with keys", () => {
  it("is whole as it is written, with the key's name in every entry and the database's time", async () => {
    await write(3);
    const verdict = await check();
    expect(verdict).toMatchObject({ ok: true, entries: 3, problems: [], keyless: 0, otherKeys: [], macFrom: 1 });
    const all = await rows();
    expect(new Set(all.map(({ keyId }) => keyId))).toEqual(new Set([auditKeysOf(services.db).id]));
    const { rows: now } = (await services.db.execute(sql`select now()::text as now`)) as unknown as {
      rows: { now: string }[];
    };
    expect(Math.abs(Date.parse(now[0]!.now) - all[2]!.at.getTime())).toBeLessThan(60_000);
  });

  it("shows a plain insert at its end, with and without the right hash", async () => {
    await write(2);
    const last = (await rows()).at(-1)!;
    const forged = { ...last, seq: 3, prevHash: last.hash, action: "request.approved" };
    const hash = hashEntry(forged);
    await services.db.insert(auditEntries).values({ ...forged, hash });
    expect(await check()).toMatchObject({ ok: false, firstBad: 3, problems: [{ seq: 3, kind: "forged" }] });
  });

  it("shows an insert that says it is from before there were keys, or of another key", async () => {
    await write(2);
    const last = (await rows()).at(-1)!;
    for (const keyId of [null, "f".repeat(32)]) {
      const forged = { ...last, seq: 3, prevHash: last.hash, keyId, mac: keyId === null ? null : "0".repeat(64) };
      await replaceAll([...(await rows()).slice(0, 2), { ...forged, hash: hashEntry(forged) }]);
      const verdict = await check();
      expect(verdict.ok, String(keyId)).toBe(false);
      expect(verdict.firstBad).toBe(3);
    }
  });

  it("shows a rewritten entry although the whole chain was computed again", async () => {
    await write(5);
    const all = await rows();
    all[2] = { ...all[2]!, actorName: "somebody else" };
    await replaceAll(rechained(all));
    const verdict = await check();
    expect(verdict).toMatchObject({ ok: false, firstBad: 3 });
    expect(verdict.problems.map(({ kind }) => kind)).toEqual(["forged", "forged", "forged"]);
  });

  it("shows entries in another order, chained again, and a MAC that is used at another place", async () => {
    await write(4);
    const all = await rows();
    await replaceAll(rechained([all[0]!, all[2]!, all[1]!, all[3]!]));
    expect(await check()).toMatchObject({ ok: false, firstBad: 2 });
    // A replay: the very entry with the very MAC once more at the end.
    const replayed = { ...all[1]!, seq: 5, prevHash: all[3]!.hash };
    await replaceAll([...all, { ...replayed, hash: hashEntry(replayed) }]);
    expect(await check()).toMatchObject({ ok: false, problems: [{ seq: 5, kind: "forged" }] });
    await replaceAll([...all, { ...all[1]!, seq: 5 }]);
    expect((await check()).firstBad).toBe(5);
  });

  it("holds any details that JSON can hold, whatever they are called", async () => {
    // The same seed each time: what is found can be looked at again.
    let state = 7;
    const next = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    const texts = ["", "a", "ü", "𝄞", "\0", "\ud800", "a\udc00b", "__proto__", "constructor", "toString", '"\\\n', "1"];
    const numbers = [0, -0, 1, -1.5, 0.1, 1e21, 1e-7, 2 ** 53 - 1, 123456789.123456];
    const value = (depth: number): unknown => {
      const kind = next(depth > 3 ? 4 : 6);
      if (kind === 0) return texts[next(texts.length)];
      if (kind === 1) return numbers[next(numbers.length)];
      if (kind === 2) return next(2) === 0;
      if (kind === 3) return next(2) === 0 ? null : undefined;
      if (kind === 4) return Array.from({ length: next(4) }, () => value(depth + 1));
      return Object.fromEntries(
        Array.from({ length: next(5) }, () => [texts[next(texts.length)] ?? "", value(depth + 1)]),
      );
    };
    for (let n = 0; n < 150; n += 1) {
      await services.db.transaction((tx) =>
        appendAudit(
          tx,
          { ...SUPRAVISOR, name: texts[next(texts.length)]!, address: texts[next(texts.length)]! },
          {
            action: "host.edited",
            subject: { kind: "host", id: texts[next(texts.length)]!, name: texts[next(texts.length)]! },
            details: { value: value(0), at: new Date(0), [texts[next(texts.length)]!]: value(0) },
          },
        ),
      );
    }
    expect(await check()).toMatchObject({ ok: true, entries: 150 });
  });
});

describe("heads", () => {
  it("show that the end was deleted, or that all was", async () => {
    await write(5);
    await keepHead(services, { history: false });
    const all = await rows();
    await replaceAll(all.slice(0, 3));
    expect(await check()).toMatchObject({ ok: false, problems: [{ seq: 5, kind: "cut-off" }] });
    await replaceAll([]);
    expect(await check()).toMatchObject({ ok: false, firstBad: 5 });
    await replaceAll(all);
    expect(await check()).toMatchObject({ ok: true, heads: { checked: 1, newest: 5, unreadable: 0 } });
  });

  it("are found missing while the console runs: it says so in the trail and keeps what it knew", async () => {
    await write(5);
    await keepHead(services, { history: false });
    await replaceAll((await rows()).slice(0, 3));
    await write(4);
    const after = await keepHead(services, { history: false });
    expect(after?.seq).toBe(8);
    expect((await rows()).at(-1)).toMatchObject({
      action: "audit.cut-off-found",
      result: "failed",
      details: { known: { seq: 5 }, found: { seq: 7 } },
    });
    const verdict = await check();
    expect(verdict.problems).toEqual([
      { seq: 5, kind: "not-the-head" },
      { seq: 8, kind: "cut-off-recorded" },
    ]);
    // Once, not at every look.
    await keepHead(services, { history: false });
    expect(await rows()).toHaveLength(8);
  });

  it("can be checked with the public key alone, and not be made without the secret one", async () => {
    const head = signHead(keys, { seq: 7, hash: "a".repeat(64) });
    expect(headFits(head)).toBe(true);
    const stranger = auditKeys(secretBox(randomBytes(32)));
    for (const forged of [
      { ...head, seq: 6 },
      { ...head, hash: "b".repeat(64) },
      { ...head, at: new Date(0).toISOString() },
      { ...head, publicKey: stranger.publicKey },
      { ...head, keyId: stranger.id },
      { ...signHead(stranger, head), keyId: head.keyId },
      { ...signHead(stranger, head), keyId: head.keyId, publicKey: head.publicKey },
      { ...head, signature: "" },
    ])
      expect(headFits(forged), JSON.stringify(forged)).toBe(false);
  });

  it("outlive a line that a crash cut in the middle", async () => {
    await write(1);
    const first = await keepHead(services, { history: true });
    await appendFile(join(services.dataDir, "audit-heads.jsonl"), '{"seq":1,"ha');
    await write(1);
    await addToHistory(services.dataDir, signHead(auditKeysOf(services.db), (await rows())[1]!));
    const kept = await readHeads(services.dataDir);
    expect(kept.heads.map(({ seq }) => seq)).toEqual([1, 2, 1]);
    expect(kept.bad).toBe(1);
    expect(await readMark(services.dataDir)).toEqual(first);
  });

  it("lie where a setting says", async () => {
    const folder = await mkdtemp(join(tmpdir(), "supravisor-heads-"));
    process.env["SUPRAVISOR_AUDIT_HEADS"] = join(folder, "deep", "heads.jsonl");
    try {
      await write(1);
      await keepHead(services, { history: true });
      expect((await readHeads(services.dataDir)).heads.map(({ seq }) => seq)).toEqual([1, 1]);
    } finally {
      delete process.env["SUPRAVISOR_AUDIT_HEADS"];
      await rm(folder, { recursive: true, force: true });
    }
  });
});

describe("the upkeep of a running console", () => {
  it("keeps a head soon after an entry, and one in the history when it ends", async () => {
    await write(1);
    const upkeep = await startAuditUpkeep(services);
    expect((await readHeads(services.dataDir)).heads.map(({ seq }) => seq)).toEqual([1, 1]);
    await write(2);
    services.events.publish({ type: "audit" });
    await expect.poll(async () => readMark(services.dataDir), { timeout: 30_000 }).toMatchObject({ seq: 3 });
    await write(1);
    await upkeep.close();
    expect((await readHeads(services.dataDir)).heads.map(({ seq }) => seq)).toEqual([1, 4, 4]);
    // Closed is closed.
    await write(1);
    services.events.publish({ type: "audit" });
    expect(await readMark(services.dataDir)).toMatchObject({ seq: 4 });
    expect(await check()).toMatchObject({ ok: true });
  });

  it("does not take a damaged mark for a beginning", async () => {
    await write(2);
    await keepHead(services, { history: true });
    await appendFile(join(services.dataDir, "audit-head.json"), "x");
    expect(await readMark(services.dataDir)).toBe("damaged");
    expect((await check()).heads).toMatchObject({ checked: 1, unreadable: 1 });
    await keepHead(services, { history: false });
    expect((await check()).heads).toMatchObject({ checked: 2, unreadable: 0 });
  });
});

describe("keys that change", () => {
  /** What versions without keys wrote. */
  const keyless = (all: readonly AuditRow[]) => rechained(all.map((row) => ({ ...row, keyId: null, mac: null })));

  it("begin in a trail without them by sealing what is there; that stays verifiable by hash", async () => {
    await write(3);
    await replaceAll(keyless(await rows()));
    expect(await check()).toMatchObject({ ok: true, keyless: 3, macFrom: null });
    await sealAudit(services);
    await sealAudit(services);
    await write(1);
    expect((await rows()).map(({ action }) => action)).toEqual([
      ...Array.from({ length: 3 }, () => "host.edited"),
      "audit.sealed",
      "host.edited",
    ]);
    expect(await check()).toMatchObject({ ok: true, keyless: 3, macFrom: 4 });
    const all = await rows();
    await replaceAll([{ ...all[0]!, actorName: "somebody else" }, ...all.slice(1)]);
    expect(await check()).toMatchObject({ ok: false, problems: [{ seq: 1, kind: "altered" }] });
    const rewritten = rechained([{ ...all[0]!, actorName: "somebody else" }, ...all.slice(1)]);
    await replaceAll(rewritten);
    expect(await check()).toMatchObject({ ok: false, firstBad: 4 });
  });

  it("leave what the lost one made as not verifiable, which is not forged", async () => {
    await write(2);
    const lost = auditKeysOf(services.db);
    bindAuditKeys(services.db, auditKeys(secretBox(randomBytes(32))));
    await sealAudit(services);
    await write(1);
    expect(await check()).toMatchObject({ ok: true, otherKeys: [{ keyId: lost.id, from: 1, to: 2 }], macFrom: 3 });
    bindAuditKeys(services.db, lost);
    await sealAudit(services);
    expect(await check()).toMatchObject({ ok: true, macFrom: 1, otherKeys: [{ from: 3, to: 4 }] });
    const all = await rows();
    await replaceAll(rechained([...all.slice(0, 1), { ...all[1]!, result: "failed" }, ...all.slice(2)]));
    expect(await check()).toMatchObject({ ok: false });
  });

  it("are not left out: what is written between two keys has to be sealed", async () => {
    await write(2);
    const lost = auditKeysOf(services.db);
    bindAuditKeys(services.db, auditKeys(secretBox(randomBytes(32))));
    await write(1);
    expect(await check()).toMatchObject({ ok: false, problems: [{ seq: 3, kind: "not-sealed" }] });
    bindAuditKeys(services.db, lost);
    expect(await check()).toMatchObject({ ok: false, problems: [{ seq: 3, kind: "not-sealed" }] });
  });
});

it("writes nothing without a key", async () => {
  const { pglite } = services.database;
  if (pglite === null) throw new Error("these tests run on the embedded database");
  const unbound = drizzle(pglite, { schema }) as unknown as Db;
  const entry = { action: "host.edited", subject: { kind: "host", id: null, name: "x" } } as const;
  await expect(unbound.transaction((tx) => appendAudit(tx, SUPRAVISOR, entry))).rejects.toMatchObject({
    code: "audit.no-key",
  });
  expect(await rows()).toEqual([]);
});
