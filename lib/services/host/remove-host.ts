import { and, eq, inArray, isNull, or, sql } from "drizzle-orm";
import { appendAudit } from "#lib/audit/append.ts";
import { hosts, inventoryItems, jobs, ledger, requests, requestTargets } from "#lib/db/schema.ts";
import { AppError } from "#lib/errors.ts";
import { hostNotFound } from "#lib/inventory/host-access.ts";
import { failLinks } from "#lib/library/link-version.ts";
import { authorise } from "#lib/services/authorise.ts";
import type { Ctx } from "#lib/services/context.ts";

/** Forgets a host; nothing on the host itself is touched. Throws `host.in-use` while work is to be done on it. */
export async function removeHost(ctx: Ctx, id: string): Promise<void> {
  await authorise(ctx, "host.remove");
  let changedImages: readonly string[] = [];
  await ctx.db.transaction(async (tx) => {
    const [host] = await tx
      .select()
      .from(hosts)
      .where(and(eq(hosts.id, id), isNull(hosts.removedAt)))
      .for("update");
    if (host === undefined) throw hostNotFound();
    const targets = await tx
      .selectDistinct({ number: requests.number, status: requests.status })
      .from(requestTargets)
      .innerJoin(requests, eq(requests.id, requestTargets.requestId))
      .where(or(eq(requestTargets.hostId, id), sql`${requests.plan} -> 'source' ->> 'hostId' = ${id}`));
    const open = targets.filter(({ status }) => status === "pending" || status === "approved" || status === "running");
    if (open.length > 0) {
      throw new AppError(
        "conflict",
        "host.in-use",
        `${host.name} is used by ${open.length === 1 ? "request" : "requests"} ${open.map(({ number }) => number).join(", ")}.`,
        {
          hint: "Wait until they have ended, or cancel them.",
        },
      );
    }
    const captures = await tx
      .select({ id: jobs.id })
      .from(jobs)
      .where(
        and(
          eq(jobs.kind, "image.capture"),
          inArray(jobs.state, ["queued", "running", "cancelling"]),
          sql`${jobs.input} ->> 'hostId' = ${id}`,
        ),
      );
    if (captures.length > 0) {
      throw new AppError("conflict", "host.in-use", `A disk is being captured from ${host.name}.`, {
        hint: "Wait until it has ended, or cancel it.",
      });
    }
    const left = await tx
      .select({ label: ledger.label })
      .from(ledger)
      .where(and(eq(ledger.hostId, id), inArray(ledger.state, ["planned", "made"])));
    if (left.length > 0) {
      throw new AppError(
        "conflict",
        "host.left-overs",
        `Something unfinished still lies on ${host.name}: ${left.map((entry) => entry.label).join(", ")}.`,
        {
          hint: "It is removed by itself as soon as the host answers again.",
        },
      );
    }
    changedImages = await failLinks(tx, host);
    await tx.delete(inventoryItems).where(eq(inventoryItems.hostId, id));
    const named =
      targets.length > 0 ||
      (await tx.select({ seq: ledger.seq }).from(ledger).where(eq(ledger.hostId, id)).limit(1)).length > 0;
    if (named) {
      await tx
        .update(hosts)
        .set({
          removedAt: new Date(),
          secretBox: null,
          secretNames: [],
          capabilities: null,
          state: "offline",
          error: { kind: "not-found", code: "host.removed", message: `${host.name} was removed from Supravisor.` },
        })
        .where(eq(hosts.id, id));
    } else {
      await tx.delete(hosts).where(eq(hosts.id, id));
    }
    await appendAudit(tx, ctx.actor, { action: "host.removed", subject: { kind: "host", id, name: host.name } });
  });
  for (const imageId of changedImages) ctx.events.publish({ type: "image", id: imageId });
  ctx.events.publish({ type: "host", id });
  ctx.events.publish({ type: "inventory", hostId: id, kinds: ["vm", "pool", "network"], refs: [] });
  ctx.events.publish({ type: "audit" });
}
