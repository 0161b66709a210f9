import { randomUUID } from "node:crypto";
import { appendAudit } from "#lib/audit/append.ts";
import { hosts } from "#lib/db/schema.ts";
import type { NewHost } from "#lib/domain/host.ts";
import { type HostRow, sealSecret } from "#lib/inventory/host-access.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";
import { requirePin, vendorOf } from "./host-identity.ts";
import { hostNameTaken, requireFreeHostName } from "./host-name.ts";
import { fittingSecret } from "./host-peers.ts";

/**
 * Stores a host; the inventory connects to it by itself. Throws `host.name-taken`, and `host.identity-unconfirmed`
 * with the fingerprint while nobody confirmed who answers.
 */
export async function addHost(ctx: Ctx, input: NewHost): Promise<HostRow> {
  await authorise(ctx, "host.add");
  await requireFreeHostName(ctx.db, input.name);
  await requirePin(input.name, input.target);
  const id = randomUUID();
  const secret = fittingSecret(input.target, input.secret);
  const row = await ctx.db.transaction(async (tx) => {
    const [added] = await tx
      .insert(hosts)
      .values({
        id,
        name: input.name,
        ...vendorOf(input.target),
        connection: input.target,
        secretBox: secret === null ? null : sealSecret(ctx.secrets, id, secret),
        secretNames: secret === null ? [] : Object.keys(secret),
        createdBy: ctx.actor.id,
      })
      .onConflictDoNothing()
      .returning();
    if (added === undefined) throw hostNameTaken(input.name);
    await appendAudit(tx, ctx.actor, {
      action: "host.added",
      subject: { kind: "host", id, name: added.name },
      details: { target: added.connection, secrets: added.secretNames },
    });
    return added;
  });
  ctx.events.publish({ type: "host", id });
  ctx.events.publish({ type: "audit" });
  return row;
}
