import { appendAudit } from "#lib/audit/append.ts";
import { may, ROLE_LABEL, type Action } from "#lib/domain/role.ts";
import { AppError } from "#lib/errors.ts";
import type { Ctx } from "./context.ts";

/** First line of every service. Throws `auth.forbidden`; a refused change is in the audit trail, a refused look is not. */
export async function authorise(ctx: Ctx, action: Action): Promise<void> {
  if (ctx.actor.via === "system" || may(ctx.actor.role, action)) return;
  if (!action.endsWith(".read")) {
    await ctx.db.transaction((tx) =>
      appendAudit(tx, ctx.actor, {
        action,
        result: "refused",
        subject: { kind: action.split(".")[0] ?? action, id: null, name: action },
      }),
    );
    ctx.events.publish({ type: "audit" });
  }
  throw new AppError(
    "forbidden",
    "auth.forbidden",
    `The role ${ROLE_LABEL[ctx.actor.role]} may not do this (${action}).`,
    {
      hint: "Ask an administrator for another role, or somebody who has it.",
    },
  );
}
