/** Walks the whole chain from its beginning: hashes, places, MACs, and the heads that are kept outside the database. */
import { asc, gt } from "drizzle-orm";
import type { Db } from "#lib/db/client.ts";
import { auditEntries } from "#lib/db/schema.ts";
import type { AuditProblem, AuditVerdict } from "#lib/domain/audit.ts";
import { GENESIS, hashEntry, type AuditRow } from "./entry.ts";
import type { KeptHeads } from "./heads.ts";
import { auditKeysOf, type AuditKeys } from "./keys.ts";

const BATCH = 1000;
/** The first ones tell what happened; a trail that was replaced whole would list every entry. */
const MOST_PROBLEMS = 20;

export async function verifyAudit(db: Db, kept: KeptHeads = { heads: [], bad: 0 }): Promise<AuditVerdict> {
  const walk = new ChainWalk(auditKeysOf(db), kept);
  for (let seq = 0; ; ) {
    const batch = await db
      .select()
      .from(auditEntries)
      .where(gt(auditEntries.seq, seq))
      .orderBy(asc(auditEntries.seq))
      .limit(BATCH);
    for (const row of batch) walk.take(row);
    seq = batch.at(-1)?.seq ?? seq;
    if (batch.length < BATCH) return walk.end();
  }
}

interface Foreign {
  readonly keyId: string;
  readonly from: number;
  to: number;
}

class ChainWalk {
  readonly #keys: AuditKeys;
  readonly #kept: KeptHeads;
  readonly #headsAt: Map<number, Set<string>>;
  readonly #problems: AuditProblem[] = [];
  /** Stretches that other keys made, in order. */
  readonly #foreign: Foreign[] = [];
  #count = 0;
  #seq = 0;
  #head = GENESIS;
  /** Of the entry before; undefined before the first. */
  #keyBefore: string | null | undefined;
  #macFrom: number | null = null;
  #keyless = 0;

  constructor(keys: AuditKeys, kept: KeptHeads) {
    this.#keys = keys;
    this.#kept = kept;
    this.#headsAt = new Map();
    for (const { seq, hash } of kept.heads) {
      const hashes = this.#headsAt.get(seq) ?? new Set();
      this.#headsAt.set(seq, hashes.add(hash));
    }
  }

  #problem(seq: number, kind: AuditProblem["kind"]): void {
    if (this.#problems.length < MOST_PROBLEMS) this.#problems.push({ seq, kind });
  }

  take({ hash, mac, ...entry }: AuditRow): void {
    this.#count += 1;
    if (entry.seq !== this.#seq + 1) this.#problem(entry.seq, "missing-before");
    else if (entry.prevHash !== this.#head) this.#problem(entry.seq, "does-not-follow");
    if (hashEntry(entry) !== hash) this.#problem(entry.seq, "altered");
    this.#checkKey(entry.seq, entry.keyId, hash, mac, entry.action === "audit.sealed");
    const told = this.#headsAt.get(entry.seq);
    if (told !== undefined && (told.size > 1 || !told.has(hash))) this.#problem(entry.seq, "not-the-head");
    if (entry.action === "audit.cut-off-found") this.#problem(entry.seq, "cut-off-recorded");
    this.#seq = entry.seq;
    this.#head = hash;
    this.#keyBefore = entry.keyId;
  }

  #checkKey(seq: number, keyId: string | null, hash: string, mac: string | null, seals: boolean): void {
    const before = this.#keyBefore;
    if (keyId === this.#keys.id) {
      if (!this.#keys.fits(hash, mac)) this.#problem(seq, "forged");
      // What another key or none has made is taken as it stood when this key sealed it, and not otherwise.
      else if (before !== undefined && before !== keyId && !seals) this.#problem(seq, "not-sealed");
      this.#macFrom ??= seq;
      return;
    }
    if (keyId === null) {
      this.#keyless += 1;
      // Only the trail's beginning may be without keys.
      if (before !== undefined && before !== null) this.#problem(seq, "forged");
      return;
    }
    const last = this.#foreign.at(-1);
    if (last?.keyId === keyId && last.to === seq - 1) last.to = seq;
    else this.#foreign.push({ keyId, from: seq, to: seq });
  }

  end(): AuditVerdict {
    const newest = this.#kept.heads.reduce((most, { seq }) => Math.max(most, seq), 0);
    if (newest > this.#seq) this.#problem(newest, "cut-off");
    // A running console has sealed what other keys made before it; what comes after that is none of its own.
    const tail = this.#foreign.at(-1);
    if (tail !== undefined && tail.to === this.#seq && this.#macFrom !== null) this.#problem(tail.from, "not-sealed");
    const problems = [...this.#problems].sort((a, b) => a.seq - b.seq);
    return {
      ok: problems.length === 0,
      entries: this.#count,
      head: this.#head,
      firstBad: problems[0]?.seq ?? null,
      problems,
      keyId: this.#keys.id,
      macFrom: this.#macFrom,
      keyless: this.#keyless,
      otherKeys: this.#foreign,
      heads: { checked: this.#kept.heads.length, unreadable: this.#kept.bad, newest: newest === 0 ? null : newest },
    };
  }
}
