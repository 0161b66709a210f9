import { eq, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import type { Db } from "#lib/db/client.ts";
import { settings } from "#lib/db/schema.ts";
import { Settings, type SettingsView, storedSettings } from "#lib/domain/settings.ts";
import { may } from "#lib/domain/role.ts";
import { requireListable } from "#lib/library/url/listable.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { importFolderNotices, requireAllowableFolders } from "./import-folders.ts";
import { ADVISORY_LOCKS } from "#lib/db/advisory-locks.ts";

const KEY = "settings";

/** For services that go by a policy; no role is asked. */
export async function loadSettings(db: Db): Promise<Settings> {
  const [row] = await db.select().from(settings).where(eq(settings.key, KEY));
  return storedSettings(row?.value ?? {});
}

/** Everybody sees the policy that their requests go by; paths of the server are for those who use or review them. */
export async function readSettings(ctx: Ctx): Promise<SettingsView> {
  const all = await loadSettings(ctx.db);
  const { role } = ctx.actor;
  return withNotices(ctx, may(role, "settings.read") || may(role, "image.add") ? all : { ...all, importFolders: [] });
}

async function withNotices(ctx: Ctx, all: Settings): Promise<SettingsView> {
  return { ...all, importFolderNotices: await importFolderNotices(all.importFolders, ctx.dataDir) };
}

/** Throws `settings.bad-import-folder`. */
export async function changeSettings(ctx: Ctx, change: Partial<Settings>): Promise<SettingsView> {
  await authorise(ctx, "settings.edit");
  if (change.importNetworks !== undefined) requireListable(change.importNetworks);
  await requireAllowableFolders(change.importFolders ?? [], ctx.dataDir);
  const next = await ctx.db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${ADVISORY_LOCKS.settings})`);
    const old = await loadSettings(tx);
    const value = Settings.parse({ ...old, ...change });
    await tx.insert(settings).values({ key: KEY, value }).onConflictDoUpdate({ target: settings.key, set: { value } });
    await appendAudit(tx, ctx.actor, {
      action: "settings.changed",
      subject: { kind: "settings", id: null, name: Object.keys(change).join(", ") },
      details: { from: old, to: value },
    });
    return value;
  });
  ctx.events.publish({ type: "settings" });
  ctx.events.publish({ type: "audit" });
  return withNotices(ctx, next);
}
