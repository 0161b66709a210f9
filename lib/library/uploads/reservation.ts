/**
 * What uploads that have begun may still take is set aside for them: two that fit alone must not fill the disk together.
 * But a promise is not yet a byte: nobody keeps others out by uploads that do not come.
 */
import { stat, statfs } from "node:fs/promises";
import { and, eq, ne } from "drizzle-orm";
import { uploads } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "#lib/services/context.ts";
import { requireSpace } from "../space.ts";
import { uploadPath, uploadsFolder } from "./upload-path.ts";

/** Without a byte for so long, nothing is set aside any more; the upload may go on while there is room. */
const SILENT_MS = 3600_000;
/** An upload is to move at a pace that would end it within this, or its promise lapses as well. */
const WHOLE_MS = 7 * 24 * 3600_000;
/** Of one person at a time; the files of one set are one. */
const MOST_OPEN = 50;

interface Arrived {
  readonly bytes: number;
  /** When the last of them came; of none, when the upload began. */
  readonly at: number | null;
}

export async function arrived(dataDir: string, id: string): Promise<Arrived> {
  return stat(uploadPath(dataDir, id)).then(
    (info) => ({ bytes: info.size, at: info.mtimeMs }),
    () => ({ bytes: 0, at: null }),
  );
}

/** Bytes that are set aside for an upload that goes on. */
export function setAside(
  row: { readonly size: number; readonly createdAt: Date },
  { bytes, at }: Arrived,
  now: number,
): number {
  if (at === null || now - at > SILENT_MS) return 0;
  const due = row.createdAt.getTime() + SILENT_MS + (bytes / row.size) * WHOLE_MS;
  return now > due ? 0 : Math.max(0, row.size - bytes);
}

export interface Wanted {
  readonly userId: string;
  /** The upload that goes on; null: a new one. */
  readonly id: string | null;
  readonly fileName: string;
  /** Bytes that are still to come. */
  readonly wanted: number;
}

/**
 * Throws `library.full`. What another person's uploads have promised counts up to half of the free room, or as much as they
 * have sent already: so much a sender who never sends cannot block.
 */
export async function requireRoom(ctx: Ctx, { userId, id, fileName, wanted }: Wanted): Promise<void> {
  const now = Date.now();
  const rows = await ctx.db.select().from(uploads).where(eq(uploads.state, "receiving"));
  const promised = new Map<string, { promised: number; sent: number }>();
  for (const row of rows) {
    if (row.id === id) continue;
    const here = await arrived(ctx.dataDir, row.id);
    const of = promised.get(row.userId) ?? { promised: 0, sent: 0 };
    promised.set(row.userId, { promised: of.promised + setAside(row, here, now), sent: of.sent + here.bytes });
  }
  const { bavail, bsize } = await statfs(uploadsFolder(ctx.dataDir));
  const free = bavail * bsize;
  let taken = 0;
  for (const [person, of] of promised)
    taken += person === userId ? of.promised : Math.min(of.promised, Math.max(of.sent, free / 2));
  requireSpace(fileName, wanted, free - taken);
}

/** Throws `upload.too-many`. */
export async function requireFewOpen(ctx: Ctx, userId: string, setId: string | null): Promise<void> {
  const rows = await ctx.db
    .select({ id: uploads.id, setId: uploads.setId })
    .from(uploads)
    .where(and(eq(uploads.userId, userId), ne(uploads.state, "filed")));
  const open = new Set(rows.map((row) => row.setId ?? row.id));
  if (open.size < MOST_OPEN || (setId !== null && open.has(setId))) return;
  throw new AppError("too-many", "upload.too-many", `You have ${open.size} unfinished uploads already.`, {
    hint: "Finish some of them, or end those that you do not need.",
    details: { most: MOST_OPEN },
  });
}

/** Before an upload goes on: its promise may have lapsed, and the room been given to others. Throws `library.full`. */
export async function requireRoomToGoOn(ctx: Ctx, row: typeof uploads.$inferSelect): Promise<void> {
  const here = await arrived(ctx.dataDir, row.id);
  if (setAside(row, here, Date.now()) > 0 || here.bytes >= row.size) return;
  await requireRoom(ctx, { userId: row.userId, id: row.id, fileName: row.fileName, wanted: row.size - here.bytes });
}
