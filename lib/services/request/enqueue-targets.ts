import { and, eq } from "drizzle-orm";
import type { Tx } from "#lib/db/client.ts";
import { imageDisks, imageVersions, inventoryItems, requestTargets, type requests } from "#lib/db/schema.ts";
import { stagesOf } from "#lib/provisioning/stages.ts";
import type { Ctx } from "../context.ts";

/** A pool's ref may be an identifier that says nothing to a person. */
async function poolName(tx: Tx, { hostId, choice }: typeof requestTargets.$inferSelect): Promise<string> {
  const [row] = await tx
    .select({ data: inventoryItems.data })
    .from(inventoryItems)
    .where(
      and(eq(inventoryItems.hostId, hostId), eq(inventoryItems.kind, "pool"), eq(inventoryItems.ref, choice.poolRef)),
    );
  return row?.data.kind === "pool" ? row.data.name : choice.poolRef;
}

/** One job a target, in the transaction that decides. */
export async function enqueueTargets(ctx: Ctx, tx: Tx, request: typeof requests.$inferSelect): Promise<void> {
  const targets = await tx
    .select()
    .from(requestTargets)
    .where(eq(requestTargets.requestId, request.id))
    .orderBy(requestTargets.position);
  const [disk] = await tx
    .select({ format: imageDisks.format })
    .from(imageDisks)
    .where(eq(imageDisks.versionId, request.imageVersionId))
    .orderBy(imageDisks.position)
    .limit(1);
  const [version] = await tx
    .select({ number: imageVersions.number })
    .from(imageVersions)
    .where(eq(imageVersions.id, request.imageVersionId));
  const { source } = request.plan;
  const from = source === undefined ? { format: disk?.format ?? ("raw" as const) } : { source };
  for (const target of targets) {
    const hostName = request.plan.targets[target.position]?.hostName ?? "a host";
    const jobId = await ctx.jobs.enqueue(tx, {
      kind: "deploy",
      title: `Deploy ${source === undefined ? `${request.plan.imageName} v${version?.number ?? "?"}` : `${source.vmName} of ${source.hostName}`} to ${hostName} as ${target.choice.name}`,
      subject: { kind: "request", id: request.id },
      input: { targetId: target.id },
      hostId: target.hostId,
      stages: stagesOf(target.choice, from, hostName, await poolName(tx, target)),
      actor: ctx.actor,
    });
    await tx.update(requestTargets).set({ jobId }).where(eq(requestTargets.id, target.id));
  }
}
