/**
 * What keeps the trail provable while the console runs: it seals what another key or none has made, keeps the newest
 * head outside the database, and writes counted repeats. One a data folder: the process that holds the folder's lock.
 */
import { desc, eq } from "drizzle-orm";
import { auditEntries } from "#lib/db/schema.ts";
import type { Services } from "#lib/services/context.ts";
import { appendAudit } from "./append.ts";
import { SUPRAVISOR } from "./supravisor.ts";
import { addToHistory, readHeads, readMark, signHead, writeMark, type AuditHead } from "./heads.ts";
import { auditKeysOf } from "./keys.ts";
import { writeRepeats } from "./repeats.ts";

type Needs = Pick<Services, "db" | "events" | "dataDir" | "log">;
interface ChainEnd {
  readonly seq: number;
  readonly hash: string;
  readonly keyId: string | null;
}

/** A head a second at most: each is two writes that have to reach the disk. */
const PAUSE_MS = 1000;
const EVERY_MS = 60_000;
const HISTORY_MS = 10 * 60_000;

async function chainEnd(db: Needs["db"]): Promise<ChainEnd | null> {
  const [last] = await db
    .select({ seq: auditEntries.seq, hash: auditEntries.hash, keyId: auditEntries.keyId })
    .from(auditEntries)
    .orderBy(desc(auditEntries.seq))
    .limit(1);
  return last ?? null;
}

/** The trail so far was made by another key or by none: from here on by this one. Once, at the start. */
export async function sealAudit({ db, log }: Pick<Needs, "db" | "log">): Promise<void> {
  const keys = auditKeysOf(db);
  const before = await chainEnd(db);
  if (before === null || before.keyId === keys.id) return;
  if (before.keyId !== null)
    log.warn({ from: before.keyId, to: keys.id }, "the audit trail goes on with another key than before");
  await db.transaction(async (tx) => {
    await appendAudit(tx, SUPRAVISOR, {
      action: "audit.sealed",
      subject: { kind: "audit", id: null, name: "audit trail" },
      details: {
        fromKey: before.keyId,
        toKey: keys.id,
        publicKey: keys.publicKey,
        upTo: before.seq,
        head: before.hash,
      },
    });
  });
}

/** One look at the end of the chain. Answers the head that is kept now; null while there is no entry. */
export async function keepHead(services: Needs, options: { readonly history: boolean }): Promise<AuditHead | null> {
  const { db, dataDir } = services;
  const known = await newestKnown(services);
  const mark = known?.head ?? null;
  if (mark !== null && !(await contains(db, mark))) await recordCutOff(services, mark);
  const end = await chainEnd(db);
  if (end === null) return null;
  const current = mark?.seq === end.seq && mark.hash === end.hash;
  const head = current ? mark : signHead(auditKeysOf(db), end);
  if (!current || known?.isMark !== true) await writeMark(dataDir, head);
  if (options.history) {
    await addToHistory(dataDir, head);
    services.log.info({ head }, "audit head");
  }
  return head;
}

/** The mark; where that is damaged or was deleted, the history's last. */
async function newestKnown({ dataDir, log }: Needs): Promise<{ head: AuditHead; isMark: boolean } | null> {
  const mark = await readMark(dataDir);
  if (mark !== null && mark !== "damaged") return { head: mark, isMark: true };
  if (mark === "damaged") log.error({ dataDir }, "audit-head.json is damaged; it is written again");
  const head = (await readHeads(dataDir)).heads.at(-1);
  return head === undefined ? null : { head, isMark: false };
}

async function contains(db: Needs["db"], { seq, hash }: AuditHead): Promise<boolean> {
  const [row] = await db.select({ hash: auditEntries.hash }).from(auditEntries).where(eq(auditEntries.seq, seq));
  return row?.hash === hash;
}

/** The trail once went further, or went another way. That it did is kept where the mark was and said in the trail itself. */
async function recordCutOff(services: Needs, mark: AuditHead): Promise<void> {
  const end = await chainEnd(services.db);
  services.log.error(
    { known: { seq: mark.seq, hash: mark.hash }, found: end },
    "audit entries that were written are not in the database any more",
  );
  await addToHistory(services.dataDir, mark);
  await services.db.transaction((tx) =>
    appendAudit(tx, SUPRAVISOR, {
      action: "audit.cut-off-found",
      result: "failed",
      subject: { kind: "audit", id: null, name: "audit trail" },
      details: { known: { seq: mark.seq, hash: mark.hash, at: mark.at }, found: end },
    }),
  );
  services.events.publish({ type: "audit" });
}

/** Throws when the first head cannot be kept: a console whose trail proves less than it says does not start. */
export async function startAuditUpkeep(services: Needs): Promise<{ close(): Promise<void> }> {
  await sealAudit(services);
  await keepHead(services, { history: true });
  let historyAt = Date.now();
  let kept: string | null = null;
  let round: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout | null = null;
  const look = async (history: boolean): Promise<void> => {
    try {
      await writeRepeats(services);
      const head = await keepHead(services, { history });
      if (head !== null && head.hash !== kept && Date.now() - historyAt >= HISTORY_MS) {
        await addToHistory(services.dataDir, head);
        historyAt = Date.now();
        kept = head.hash;
      }
    } catch (error) {
      services.log.error({ err: error }, "the head of the audit trail could not be kept");
    }
  };
  const soon = (): void => {
    timer ??= setTimeout(() => {
      timer = null;
      round = round.then(() => look(false));
    }, PAUSE_MS);
  };
  const unsubscribe = services.events.subscribe((event) => {
    if (event.type === "audit") soon();
  });
  const steady = setInterval(soon, EVERY_MS);
  return {
    async close() {
      unsubscribe();
      clearInterval(steady);
      if (timer !== null) clearTimeout(timer);
      await round;
      await look(true);
    },
  };
}
