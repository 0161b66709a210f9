import { isDeepStrictEqual } from "node:util";
import { and, eq, isNull } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { hosts } from "#lib/db/schema.ts";
import { isLocal } from "#lib/domain/connection.ts";
import type { HostEdit } from "#lib/domain/host.ts";
import { AppError } from "#lib/errors.ts";
import { type HostRow, hostNotFound, loadHostAccess, sealSecret } from "#lib/inventory/host-access.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";
import { keepPins, requirePin, vendorOf } from "./host-identity.ts";
import { requireFreeHostName } from "./host-name.ts";
import { editedSecret } from "./host-peers.ts";

/**
 * Changes a host; the inventory opens its session anew when the connection changed. A stored secret is never sent
 * to another address than the one it was given for: `host.secret-needed`.
 */
export async function editHost(ctx: Ctx, id: string, edit: HostEdit): Promise<HostRow> {
  await authorise(ctx, "host.edit");
  const { row: old, secret: stored } = await loadHostAccess(ctx, id);
  const target = edit.target === undefined ? old.connection : keepPins(old.connection, edit.target);
  if (target.driver !== old.connection.driver) {
    throw new AppError("invalid", "host.driver-fixed", `${old.name} cannot become another kind of host.`, {
      hint: "Add the other one as a new host.",
    });
  }
  if (isLocal(target) && !isDeepStrictEqual(target, old.connection))
    await authorise(ctx, "host.add", { action: "host.edited", subject: { kind: "host", id, name: old.name } });
  const secret = editedSecret(old.name, { target: old.connection, secret: stored }, target, edit.secret);
  const name = edit.name ?? old.name;
  await requireFreeHostName(ctx.db, name, id);
  if (edit.target !== undefined) await requirePin(name, target);
  // The same secret keeps its box: a new one would look like a change and cut the session.
  const keepBox = isDeepStrictEqual(secret, stored);
  const row = await ctx.db.transaction(async (tx) => {
    const [changed] = await tx
      .update(hosts)
      .set({
        name,
        ...vendorOf(target),
        connection: target,
        ...(keepBox
          ? {}
          : {
              secretBox: secret === null ? null : sealSecret(ctx.secrets, id, secret),
              secretNames: secret === null ? [] : Object.keys(secret),
            }),
        updatedAt: new Date(),
      })
      .where(and(eq(hosts.id, id), isNull(hosts.removedAt)))
      .returning();
    if (changed === undefined) throw hostNotFound();
    await appendAudit(tx, ctx.actor, {
      action: "host.edited",
      subject: { kind: "host", id, name },
      details: {
        ...(name === old.name ? {} : { name: { from: old.name, to: name } }),
        ...(edit.target === undefined ? {} : { target: { from: old.connection, to: target } }),
        ...(edit.secret === undefined ? {} : { secrets: changed.secretNames }),
      },
    });
    return changed;
  });
  ctx.events.publish({ type: "host", id });
  ctx.events.publish({ type: "audit" });
  return row;
}
