import type { z } from "zod";
import type { PreflightAnswer, PreflightAsk } from "#lib/domain/request-view.ts";
import type { TargetChoice } from "#lib/domain/request.ts";
import { defaultChoice } from "#lib/preflight/defaults.ts";
import { loadHostFacts, loadVersionFacts } from "#lib/provisioning/facts.ts";
import { authorise } from "../authorise.ts";
import type { Ctx } from "../context.ts";
import { assessTargets } from "./assess-targets.ts";

export async function preflight(ctx: Ctx, ask: z.infer<typeof PreflightAsk>): Promise<PreflightAnswer> {
  await authorise(ctx, "request.read");
  const version = await loadVersionFacts(ctx, ask.imageVersionId);
  const assessed = await assessTargets(ctx.db, version, ask.targets);
  return { targets: assessed.map(({ findings, estimate }) => ({ findings, estimate })) };
}

export async function firstChoices(ctx: Ctx, ask: { imageVersionId: string; hostId: string }): Promise<TargetChoice> {
  await authorise(ctx, "request.read");
  const version = await loadVersionFacts(ctx, ask.imageVersionId);
  return defaultChoice(version.image, await loadHostFacts(ctx.db, ask.hostId));
}
